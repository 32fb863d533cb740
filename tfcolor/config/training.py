"""A training run from its flags to its result."""

from absl import flags

from tfcolor.color.decoding import DecodingOptions
from tfcolor.config.assembly import build_network, build_task, open_experiment_readers
from tfcolor.config.experiment import (
    UNRECORDED,
    Experiment,
    check_same_flags,
    choose_run_dir,
    complete_experiment,
    read_experiment,
)
from tfcolor.config.flags import resolved_flags, write_flagfile
from tfcolor.config.found_schedule import follow_schedule
from tfcolor.config.initial_weights import initialize_backbone
from tfcolor.core.files import write_text
from tfcolor.core.progress import say
from tfcolor.data.reading import ExampleReader
from tfcolor.evaluation.preview import Preview, ReconstructionPreview
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.painting import SizeOptions
from tfcolor.models.freezing import freeze_through
from tfcolor.models.network import Network
from tfcolor.tasks.autoencoder import AutoencoderTask
from tfcolor.tasks.base import Task
from tfcolor.tasks.colorization import ColorizationOptions, build_output_space
from tfcolor.training.checkpoints import has_checkpoint
from tfcolor.training.distribution import (
    build_strategy,
    configure_runtime,
    is_chief,
    report_lost_workers,
)
from tfcolor.training.loop import Evaluator, Run, Trainer
from tfcolor.training.run_directory import RunDirectory
from tfcolor.training.signals import listen_for_stop


def run_training(flag_values: flags.FlagValues) -> None:
    """Trains what the flags describe and leaves a run directory.

    Args:
      flag_values: with the flags of `TRAIN_OPTIONS`.

    Raises:
      UserError: if something the flags name cannot be used.
      StoppedError: after a signal, once everything is saved.
    """
    experiment = read_experiment(flag_values)
    readers = open_experiment_readers(experiment)
    for reader in readers.values():
        reader.read(0)  # refuses images of which none can be read, before anything is written
    experiment = complete_experiment(experiment, readers, flag_values)
    experiment = follow_schedule(experiment, flag_values)
    chosen = experiment.run
    path = choose_run_dir(chosen.run_dir, f"{'_'.join(chosen.task)}_{chosen.backbone}")
    check_same_flags(path / "flags.cfg", flag_values)
    configure_runtime(experiment.training, experiment.distribution)
    strategy = build_strategy(experiment.distribution)
    task = build_task(experiment, readers)
    with strategy.scope():
        network = build_network(experiment, task)
    if not has_checkpoint(path / "checkpoints"):
        initialize_backbone(network.backbone, experiment, task)
    if experiment.run.frozen_through:
        freeze_through(network.backbone, experiment.run.frozen_through)
    directory = RunDirectory(path)
    if is_chief(strategy):
        write_flagfile(directory.flagfile, flag_values, UNRECORDED)
        directory.record_start(strategy, experiment.training.seed)
    say(f"run directory {path}; watch it with: tensorboard --logdir={directory.events}")
    run = Run(
        task=task,
        network=network,
        strategy=strategy,
        training=experiment.training,
        optimization=experiment.optimization,
        directory=directory,
        flags=resolved_flags(flag_values, UNRECORDED),
        evaluators=_previews(experiment, task, network, readers),
    )
    with listen_for_stop() as request, report_lost_workers():
        result = Trainer(run, request).train()
    unreadable = {
        name: reason for reader in readers.values() for name, reason in reader.unreadable.items()
    }
    if unreadable:
        lines = "".join(f"{name}: {reason}\n" for name, reason in sorted(unreadable.items()))
        write_text(directory.unreadable_log, lines)
        say(f"{len(unreadable)} images could not be read; see {directory.unreadable_log}")
    watched = experiment.optimization.watch
    say(f"done: {result['steps']} steps, best held-out {watched} {result[f'best_{watched}']:.4f}")


def _previews(
    experiment: Experiment, task: Task, network: Network, readers: dict[str, ExampleReader]
) -> list[Evaluator]:
    """Returns what makes pictures for TensorBoard, if there are held-out photographs."""
    if "heldout" not in readers:
        return []
    if isinstance(task, AutoencoderTask):
        return [ReconstructionPreview(network, task, readers["heldout"])]
    if not isinstance(experiment.task, ColorizationOptions):
        return []
    space = build_output_space(experiment.task)
    colorizer = Colorizer(network, space, DecodingOptions(), SizeOptions())
    return [Preview(colorizer, readers["heldout"])]
