"""Starting a backbone from the backbone of another run, whole or not at all."""

import dataclasses
from collections import Counter
from pathlib import Path

import tensorflow as tf

from tfcolor.backbones.base import Backbone
from tfcolor.config.assembly import build_task
from tfcolor.config.experiment import Experiment, load_experiment
from tfcolor.core.errors import UserError
from tfcolor.core.progress import say
from tfcolor.training.checkpoints import checkpoint_folder, newest_prefix, restore_newest

_OBJECT = "network/backbone/"
_SLOT = "/.OPTIMIZER_SLOT"


def load_initial_weights(backbone: Backbone, experiment: Experiment) -> None:
    """Gives a backbone the weights and statistics of the run it is to start from.

    Tensors are matched by their place among the objects of the backbone, and all
    of them must have a fellow of the same shape on the other side.

    Args:
      backbone: of a new run; its variables change.
      experiment: of the new run; its `initial_weights` name the other run, whose
        best checkpoint is taken.

    Raises:
      UserError: if the folder is not a run, has no whole checkpoint, or its
        backbone is another one.
    """
    run_dir = experiment.run.initial_weights
    other = load_experiment(run_dir)
    if other.run.backbone != experiment.run.backbone:
        raise UserError(
            f"--initial_weights={run_dir} is a run with --backbone={other.run.backbone}; "
            f"this one has {experiment.run.backbone}"
        )
    _check_channels(backbone.input_channels, other, run_dir)
    folder = checkpoint_folder(Path(run_dir), "best")
    prefix = newest_prefix(folder)
    if prefix is None:
        raise UserError(f"--initial_weights={run_dir} has no checkpoint yet: train it first")
    if _saved_shapes(prefix) != Counter(tuple(one.shape) for one in backbone.variables):
        raise UserError(
            f"--initial_weights={run_dir} has other layers{_differences(other, experiment)}"
        )
    _check_mean(other, experiment)
    holder = tf.train.Checkpoint(network=tf.train.Checkpoint(backbone=backbone))
    step = restore_newest(holder, folder)
    say(f"{other.run.backbone} starts from step {step} of {run_dir}")


def _check_channels(channels: int, other: Experiment, run_dir: str) -> None:
    """Raises UserError if the other run's first layer takes another kind of image."""
    found = build_task(other, {}).input_channels
    if found == channels:
        return
    kind, wanted = ("gray" if count == 1 else "color" for count in (found, channels))
    raise UserError(
        f"--initial_weights={run_dir} has a first layer for {kind} images ({found} channels), and "
        f"this run has {wanted} ones ({channels}): start from a run on {wanted} images; "
        "--classification_input chooses those of a classification run"
    )


def _check_mean(other: Experiment, experiment: Experiment) -> None:
    """Raises UserError if the other backbone expects images less another mean."""
    theirs, ours = other.backbone.input_mean, experiment.backbone.input_mean
    if theirs != ours:
        name, value = experiment.run.backbone, ",".join(map(str, theirs))
        raise UserError(
            f"--initial_weights={experiment.run.initial_weights} was made with"
            f" --{name}_input_mean={value}: give this run the same"
        )


def _saved_shapes(prefix: str) -> Counter[tuple[int, ...]]:
    """Returns how often each shape occurs in the backbone of a checkpoint."""
    try:
        shapes = tf.train.load_checkpoint(prefix).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise UserError(f"cannot read the checkpoint {prefix}: {error}") from error
    return Counter(
        tuple(shape)
        for key, shape in shapes.items()
        if key.startswith(_OBJECT) and _SLOT not in key
    )


def _differences(other: Experiment, experiment: Experiment) -> str:
    """Returns the backbone's flags that differ between two runs, in words."""
    name = experiment.run.backbone
    theirs, ours = (dataclasses.asdict(one.backbone) for one in (other, experiment))
    rows = [
        f"--{name}_{field} was {theirs[field]}, is {ours[field]}"
        for field in ours
        if theirs[field] != ours[field]
    ]
    return f": {'; '.join(rows)}" if rows else ""
