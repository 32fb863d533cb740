"""A training run from its flags to its result."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from absl import flags

from tfcolor.color.decoding import DecodingOptions
from tfcolor.config.assembly import (
    build_networks,
    build_task,
    joint_network,
    open_experiment_readers,
    sees_color,
)
from tfcolor.config.cluster import (
    STRATEGY,
    check_shares,
    is_server,
    serve_cluster,
    train_on_cluster,
)
from tfcolor.config.completion import check_frozen, complete_experiment
from tfcolor.config.data_service import check_service, open_service
from tfcolor.config.distillation import prepare_teacher
from tfcolor.config.experiment import (
    UNRECORDED,
    Experiment,
    check_same_flags,
    choose_run_dir,
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
from tfcolor.tasks.distillation import DistillationOptions
from tfcolor.training.checkpoints import has_checkpoint
from tfcolor.training.distribution import (
    build_strategy,
    configure_runtime,
    is_chief,
    report_lost_workers,
)
from tfcolor.training.loop import Evaluator, Run, Trainer
from tfcolor.training.members import Member
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
    experiment = _read_checked(flag_values)
    if is_server(experiment):
        serve_cluster(experiment, flag_values)
        return
    readers = open_experiment_readers(experiment)
    for reader in _each(readers):
        reader.read(0)  # refuses images of which none can be read, before anything is written
    experiment = complete_experiment(experiment, readers, flag_values)
    check_frozen(experiment)
    experiment = follow_schedule(experiment, flag_values)
    chosen = experiment.run
    names = "_".join(dict.fromkeys(chosen.task))
    path = choose_run_dir(chosen.run_dir, f"{names}_{chosen.backbone}")
    check_same_flags(path / "flags.cfg", flag_values)
    service = open_service(experiment)
    configure_runtime(experiment.training, experiment.distribution)
    strategy = build_strategy(experiment.distribution)
    with strategy.scope():
        tasks = [
            _build_task(dataclasses.replace(experiment, selected=index), own, path)
            for index, own in enumerate(readers)
        ]
        networks = build_networks(experiment, tasks)
        network = networks[0]
        whole = joint_network(networks)
    if not has_checkpoint(path / "checkpoints"):
        initialize_backbone(network.backbone, experiment, tasks[0])
        for one in networks:
            if one.statistics is not None:
                one.statistics.copy_from_layers()
    if experiment.run.frozen_through:
        freeze_through(network.backbone, experiment.run.frozen_through)
    directory = RunDirectory(path)
    if is_chief(strategy):
        write_flagfile(directory.flagfile, flag_values, UNRECORDED)
        directory.record_start(strategy, experiment.training.seed)
    say(f"run directory {path}; watch it with: tensorboard --logdir={directory.events}")
    run = Run(
        members=_members(experiment, tasks, networks),
        network=whole if len(tasks) > 1 else network,
        backbone=network.backbone,
        strategy=strategy,
        training=experiment.training,
        optimization=experiment.optimization,
        joint=experiment.joint,
        directory=directory,
        flags=resolved_flags(flag_values, UNRECORDED),
        evaluators=_previews(experiment, tasks, networks, readers),
        service=service,
    )
    with listen_for_stop() as request, report_lost_workers():
        if experiment.distribution.strategy == STRATEGY:
            result = train_on_cluster(experiment, run, request, flag_values)
        else:
            result = Trainer(run, request).train()
    _record_unreadable(directory, _each(readers))
    watched = experiment.optimization.watch
    say(f"done: {result['steps']} steps, best held-out {watched} {result[f'best_{watched}']:.4f}")


def _read_checked(flag_values: flags.FlagValues) -> Experiment:
    """Returns what the flags describe, once that can be told to be trainable from them alone."""
    experiment = read_experiment(flag_values)
    check_service(experiment)
    check_shares(experiment)
    return experiment


def _build_task(experiment: Experiment, readers: Mapping[str, ExampleReader], path: Path) -> Task:
    """Returns the selected task of a run, with its teacher if it has one."""
    if not isinstance(experiment.task, DistillationOptions):
        return build_task(experiment, readers)
    label = experiment.labels[experiment.selected]
    teacher = prepare_teacher(
        experiment.task,
        readers,
        path / f"{'_'.join(filter(None, ('teacher', label)))}.npz",
        seed=experiment.training.seed,
        color_input=sees_color(experiment),
    )
    return build_task(experiment, readers, teacher=teacher)


def _members(
    experiment: Experiment, tasks: Sequence[Task], networks: Sequence[Network]
) -> tuple[Member, ...]:
    """Returns the tasks of a run with their networks, names and seeds."""
    return tuple(
        Member(task, network, options.batch_size, seed, label)
        for task, network, options, seed, label in zip(
            tasks, networks, experiment.members, experiment.seeds, experiment.labels, strict=True
        )
    )


def _each(readers: Sequence[Mapping[str, ExampleReader]]) -> list[ExampleReader]:
    """Returns the readers of all tasks, each once."""
    return list(dict.fromkeys(reader for own in readers for reader in own.values()))


def _record_unreadable(directory: RunDirectory, readers: Sequence[ExampleReader]) -> None:
    """Writes which images could not be read, if there were any."""
    unreadable = {name: why for reader in readers for name, why in reader.unreadable.items()}
    if unreadable:
        lines = "".join(f"{name}: {reason}\n" for name, reason in sorted(unreadable.items()))
        write_text(directory.unreadable_log, lines)
        say(f"{len(unreadable)} images could not be read; see {directory.unreadable_log}")


def _previews(
    experiment: Experiment,
    tasks: Sequence[Task],
    networks: Sequence[Network],
    readers: Sequence[Mapping[str, ExampleReader]],
) -> list[Evaluator]:
    """Returns what makes pictures for TensorBoard, of tasks with held-out photographs."""
    previews: list[Evaluator] = []
    for member, task, network, own in zip(
        experiment.members, tasks, networks, readers, strict=True
    ):
        if "heldout" not in own:
            continue
        if isinstance(task, AutoencoderTask):
            previews.append(ReconstructionPreview(network, task, own["heldout"]))
        if isinstance(member.options, ColorizationOptions):
            space = build_output_space(member.options)
            colorizer = Colorizer(network, space, DecodingOptions(), _preview_size(member.options))
            previews.append(Preview(colorizer, own["heldout"]))
    return previews


def _preview_size(options: ColorizationOptions) -> SizeOptions:
    """Returns the size of previews: no larger than what the network is trained on."""
    usual = SizeOptions()
    return SizeOptions(min(usual.min_side, options.min_side), min(usual.max_side, options.max_side))
