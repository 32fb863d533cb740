"""Building tasks, networks and colorizers from options, runs and exports."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.backbones.base import Backbone
from tfcolor.backbones.field_of_view import WidenedBackbone
from tfcolor.color.decoding import DecodingOptions
from tfcolor.config.experiment import Experiment, load_experiment
from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.options import open_readers
from tfcolor.data.reading import ExampleReader
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.loading import GrayToColor, SavedColorizer, is_saved_model
from tfcolor.inference.painting import SizeOptions
from tfcolor.inference.remote import RemoteColorizer
from tfcolor.models.network import Network
from tfcolor.tasks import TASKS
from tfcolor.tasks.base import Task
from tfcolor.tasks.colorization import ColorizationOptions, build_output_space
from tfcolor.training.checkpoints import find_checkpoints, restore_first_whole
from tfcolor_client.address import is_address


def build_task(experiment: Experiment, readers: Mapping[str, ExampleReader]) -> Task:
    """Returns the task of an experiment.

    Args:
      experiment: its options.
      readers: images by split; none for a task that is only to be built upon.

    Returns:
      A task that owns no variable.
    """
    return TASKS[experiment.run.task[0]](experiment.task, readers)


def open_experiment_readers(experiment: Experiment) -> dict[str, ExampleReader]:
    """Opens the images that an experiment learns from and measures on."""
    return open_readers(experiment.data)


def build_network(experiment: Experiment, task: Task) -> Network:
    """Returns the network of an experiment with its initial weights.

    Args:
      experiment: backbone, further blocks and seed.
      task: gives the head.

    Returns:
      Backbone and head, with all their variables made.

    Raises:
      UsageError: if a task that reads the collapsed top is given further blocks.
    """
    seed, num_blocks = experiment.training.seed, experiment.run.field_of_view_blocks
    backbone_class: Callable[..., Backbone] = BACKBONES[experiment.run.backbone]
    backbone = backbone_class(experiment.backbone, input_channels=task.input_channels, seed=seed)
    if num_blocks and not task.convolutional:
        raise UsageError(
            f"--field_of_view_blocks={num_blocks}: expected 0, since the task "
            f"{experiment.run.task[0]} reads the base network's top"
        )
    if num_blocks:
        backbone = WidenedBackbone(backbone, num_blocks, seed)
    size = backbone.canonical_size
    taps = backbone.taps(size, size) if task.convolutional else backbone.canonical_taps()
    head = task.build_head(taps, seed)
    return Network(backbone, head, convolutional=task.convolutional)


def load_network(
    run_dir: str | Path, checkpoint: str = "best", policy: str | None = None
) -> tuple[Network, dict[str, Any]]:
    """Restores the network of a run.

    Args:
      run_dir: the run's folder.
      checkpoint: "best" (by held-out loss or score), "last", or a step.
      policy: Keras's name of the precision to compute in; None for that of the
        training.

    Returns:
      The network, and where it comes from: run, task, backbone and step.

    Raises:
      UserError: if the folder is not a run or has no whole checkpoint.
    """
    experiment = load_experiment(run_dir)
    tf.keras.mixed_precision.set_global_policy(policy or experiment.training.precision)
    network = build_network(experiment, build_task(experiment, {}))
    prefixes = find_checkpoints(Path(run_dir), checkpoint)
    step = restore_first_whole(tf.train.Checkpoint(network=network), prefixes)
    if step is None:
        raise UserError(f"{run_dir} has no checkpoint yet: train it first")
    origin = {
        "run": str(run_dir),
        "task": ",".join(experiment.run.task),
        "backbone": experiment.run.backbone,
        "step": step,
    }
    return network, origin


def load_colorizer(
    model: str, checkpoint: str, decoding: DecodingOptions, size: SizeOptions
) -> GrayToColor:
    """Returns the colorizer that `--model` names.

    Args:
      model: a run's folder, a SavedModel (or the folder of its versions), or
        the address of a model server ("grpc://host:8500/name").
      checkpoint: for a run, "best", "last" or a step.
      decoding: for a run; an export has its own.
      size: for a run; an export has its own.

    Returns:
      Anything that colors gray photographs.

    Raises:
      UsageError: if `model` is empty.
      UserError: if there is neither at this path, or no such server.
    """
    if not model:
        raise UsageError(
            "--model is not given: name a run's folder, a SavedModel or a server's address"
        )
    if is_address(model):
        return RemoteColorizer(model)
    if not Path(model).exists():
        raise UserError(f"--model={model}: there is no such folder")
    if is_saved_model(model):
        return SavedColorizer(model)
    return load_run_colorizer(model, checkpoint, decoding, size)[0]


def load_run_colorizer(
    run_dir: str,
    checkpoint: str,
    decoding: DecodingOptions,
    size: SizeOptions,
    policy: str | None = None,
) -> tuple[Colorizer, dict[str, Any]]:
    """Returns the colorizer that a run trained.

    Args:
      run_dir: the run's folder.
      checkpoint: "best", "last" or a step.
      decoding: from histograms to color.
      size: limits of the network's input.
      policy: precision to compute in; see `load_network`.

    Returns:
      The colorizer, and where it comes from; see `load_network`.

    Raises:
      UserError: if the folder is not a run of the colorization task.
    """
    task = load_experiment(run_dir).task
    if not isinstance(task, ColorizationOptions):
        raise UserError(f"{run_dir} is not a run of the task colorization: it cannot color")
    network, origin = load_network(run_dir, checkpoint, policy)
    return Colorizer(network, build_output_space(task), decoding, size), origin
