"""Building tasks, networks and colorizers from options, runs and exports."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.backbones.base import Backbone
from tfcolor.backbones.field_of_view import WidenedBackbone
from tfcolor.color.decoding import DecodingOptions
from tfcolor.config.experiment import Experiment, load_experiment
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.seeds import derive_seed
from tfcolor.data.options import open_readers
from tfcolor.data.reading import ExampleReader
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.loading import GrayToColor, SavedColorizer, is_saved_model
from tfcolor.inference.painting import SizeOptions
from tfcolor.inference.remote import RemoteColorizer
from tfcolor.models.head_input import HeadInput, mixable_taps, readable_taps
from tfcolor.models.network import JointNetwork, Network
from tfcolor.models.task_statistics import TaskStatistics
from tfcolor.tasks import TASKS
from tfcolor.tasks.base import Task
from tfcolor.tasks.colorization import ColorizationOptions, build_output_space
from tfcolor.training.checkpoints import find_checkpoints, restore_first_whole
from tfcolor_client.address import is_address

COLORIZATION = "colorization"


def build_task(experiment: Experiment, readers: Mapping[str, ExampleReader], **parts: Any) -> Task:
    """Returns the selected task of an experiment.

    Args:
      experiment: its options.
      readers: images by split; none for a task that is only to be built upon.
      **parts: what this task takes besides (`teacher`).

    Returns:
      A task that owns no variable. Where another task of the run sees colors, it
      sees its gray images in three channels.
    """
    member, color_input = experiment.member, sees_color(experiment)
    return TASKS[member.name](member.options, readers, color_input=color_input, **parts)


def sees_color(experiment: Experiment) -> bool:
    """Returns whether any task of an experiment sees colors, or its flags ask for them."""
    if experiment.run.three_channels:
        return True
    tasks = [TASKS[member.name](member.options, {}) for member in experiment.members]
    return any(task.input_channels > 1 for task in tasks)


def open_experiment_readers(experiment: Experiment) -> tuple[dict[str, ExampleReader], ...]:
    """Opens the images that each task learns from and measures on, by split.

    Args:
      experiment: its options. Tasks with the same images share one reader.

    Returns:
      Readers by split, for each task.

    Raises:
      UserError: if there is nothing to read.
    """
    opened = {data: open_readers(data) for data in {one.data: None for one in experiment.members}}
    return tuple(opened[member.data] for member in experiment.members)


def build_network(experiment: Experiment, task: Task) -> Network:
    """Returns the network of an experiment's selected task with its initial weights.

    Args:
      experiment: backbone, further blocks and seed.
      task: gives the head.

    Returns:
      Backbone and head, with all their variables made.

    Raises:
      UsageError: if a task that reads the collapsed top is given further blocks.
    """
    return _build_upon(build_backbone(experiment, task), experiment, task)


def build_backbone(experiment: Experiment, task: Task) -> Backbone:
    """Returns the backbone of an experiment with its initial weights.

    Args:
      experiment: backbone, further blocks and seed.
      task: says how many channels its images have.

    Returns:
      The backbone, with all its variables made.
    """
    seed, num_blocks = experiment.training.seed, experiment.run.field_of_view_blocks
    backbone_class: Callable[..., Backbone] = BACKBONES[experiment.run.backbone]
    backbone = backbone_class(experiment.backbone, input_channels=task.input_channels, seed=seed)
    return WidenedBackbone(backbone, num_blocks, seed) if num_blocks else backbone


def build_networks(experiment: Experiment, tasks: Sequence[Task]) -> tuple[Network, ...]:
    """Returns a network for each task of an experiment, upon one backbone.

    Args:
      experiment: its options.
      tasks: in its order.

    Returns:
      Networks that share the backbone's object and variables, but for the moving
      statistics of batch norm: each of several tasks has its own.

    Raises:
      UsageError: as `build_network`.
    """
    backbone = build_backbone(experiment, tasks[0])
    return tuple(
        _build_upon(
            backbone,
            dataclasses.replace(experiment, selected=index),
            task,
            TaskStatistics(backbone) if len(tasks) > 1 else None,
        )
        for index, task in enumerate(tasks)
    )


def _build_upon(
    backbone: Backbone,
    experiment: Experiment,
    task: Task,
    statistics: TaskStatistics | None = None,
) -> Network:
    """Returns a network of a backbone and the head of the selected task."""
    num_blocks, name = experiment.run.field_of_view_blocks, experiment.member.name
    if num_blocks and not task.convolutional:
        raise UsageError(
            f"--field_of_view_blocks={num_blocks}: expected 0, since the task {name} reads the"
            " base network's top"
        )
    size, seed = backbone.canonical_size, experiment.training.seed
    if len(experiment.members) > 1:
        seed = derive_seed(seed, f"task/{experiment.labels[experiment.selected]}")
    taps = backbone.taps(size, size) if task.convolutional else backbone.canonical_taps()
    run = experiment.run
    mixed = mixable_taps(backbone, run.mixed_taps) if run.mixed_taps else ()
    head = task.build_head(readable_taps(taps, mixed), seed)
    # A mixture is not what a head of residual units was to normalize itself.
    leaves = mixed or not getattr(head, "normalizes_input", False)
    is_activated = backbone.has_raw_taps and bool(leaves)
    head_input = (
        HeadInput(
            backbone,
            mixed,
            run.mixture_penalty,
            run.mixture_rate,
            is_activated=is_activated,
            read_taps=getattr(head, "read_taps", None),
        )
        if mixed or is_activated
        else None
    )
    return Network(
        backbone,
        head,
        convolutional=task.convolutional,
        head_input=head_input,
        statistics=statistics,
    )


def joint_network(networks: Sequence[Network]) -> JointNetwork:
    """Returns what is saved of the networks of several tasks, with one backbone."""
    inputs = {
        task: one.head_input for task, one in enumerate(networks) if one.head_input is not None
    }
    statistics = [one.statistics for one in networks if one.statistics is not None]
    return JointNetwork(networks[0].backbone, [one.head for one in networks], inputs, statistics)


def trackable_network(
    experiment: Experiment, network: Network, statistics: TaskStatistics | None = None
) -> Any:
    """Returns what stands for a network in the checkpoints of its run.

    Args:
      experiment: of the run.
      network: of its selected task.
      statistics: of batch norm, of this task; None to leave them out.

    Returns:
      For `tf.train.Checkpoint(network=...)`: the network, or in a run of several
      tasks the backbone and one of the heads.
    """
    if len(experiment.members) == 1:
        return network
    place = str(experiment.selected)
    parts = {"heads": tf.train.Checkpoint(**{place: network.head})}
    if network.head_input is not None:
        parts["head_inputs"] = tf.train.Checkpoint(**{place: network.head_input})
    if statistics is not None:
        parts["statistics"] = tf.train.Checkpoint(**{place: statistics.state})
    return tf.train.Checkpoint(backbone=network.backbone, **parts)


def load_network(
    run_dir: str | Path, checkpoint: str = "best", policy: str | None = None, task: str = ""
) -> tuple[Network, dict[str, Any]]:
    """Restores the network of a run.

    Args:
      run_dir: the run's folder.
      checkpoint: "best" (by held-out loss or score), "last", or a step.
      policy: Keras's name of the precision to compute in; None for that of the
        training.
      task: whose head to take, and whose statistics of batch norm, where the run
        has several tasks; the first one's where it is none of them. Without one,
        the head is that of `Experiment.select` and the statistics are the mean of
        all tasks'.

    Returns:
      The network, and where it comes from: run, task, backbone and step.

    Raises:
      UserError: if the folder is not a run or has no whole checkpoint.
    """
    experiment = load_experiment(run_dir).select(task)
    tf.keras.mixed_precision.set_global_policy(policy or experiment.training.precision)
    network = build_network(experiment, build_task(experiment, {}))
    prefixes = find_checkpoints(Path(run_dir), checkpoint)
    statistics = TaskStatistics(network.backbone) if len(experiment.members) > 1 else None
    holder = tf.train.Checkpoint(network=trackable_network(experiment, network, statistics))
    step = restore_first_whole(holder, prefixes)
    if step is None:
        raise UserError(f"{run_dir} has no checkpoint yet: train it first")
    if statistics is not None and task:
        statistics.copy_to_layers()
    origin = {
        "run": str(run_dir),
        "task": experiment.member.name,
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
    task = load_experiment(run_dir).select(COLORIZATION).task
    if not isinstance(task, ColorizationOptions):
        raise UserError(f"{run_dir} is not a run of the task colorization: it cannot color")
    network, origin = load_network(run_dir, checkpoint, policy, COLORIZATION)
    return Colorizer(network, build_output_space(task), decoding, size), origin
