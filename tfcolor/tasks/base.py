"""The Task protocol: what is learned, without how it is updated."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader

Tensors = Mapping[str, tf.Tensor]

TRAIN_SPLIT = "train"
HELDOUT_SPLIT = "heldout"


class Task(Protocol):
    """What is learned: examples, a head, losses and metrics. Owns no update.

    Everything a loss needs travels in `targets`; nothing is kept on the task
    between calls, so two batches in flight cannot corrupt each other.

    `convolutional` is False where the head reads the collapsed "top" of a
    backbone in its canonical mode. `score` names the metric by which a network
    is judged, higher for better; None where there is only the loss.
    """

    name: str
    convolutional: bool
    input_channels: int
    splits: tuple[str, ...]
    score: str | None

    def make_dataset(self, split: str, plan: BatchPlan) -> tf.data.Dataset:
        """Yields (inputs, targets), two dicts of tensors with leading axis B.

        The plan fixes global batch, seed, first batch and the slices of each
        global batch that this worker's replicas take.
        """

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the network from feature maps (and inputs) to outputs."""

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns named loss terms, each float32 [B]: sums over an example's samples."""

    def count_samples(self, targets: Tensors) -> tf.Tensor:
        """Returns how many samples the losses of each example sum, float32 [B].

        The loss of a batch is the sum of its terms over the sum of these.
        """

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns fresh metrics, updated with the same (targets, outputs).

        `fitted` are metrics that have seen the training split, for baselines
        that must not be fitted to what they are measured on.
        """


@dataclasses.dataclass(frozen=True)
class Panel:
    """A picture of one thing that a network sees, should answer or answers.

    Args:
      caption: what it shows, a few words.
      pixels: uint8 [H, W, 3].
    """

    caption: str
    pixels: np.ndarray


@runtime_checkable
class DepictedTask(Protocol):
    """A task whose examples can be looked at."""

    def depict(self, inputs: Tensors, targets: Tensors, outputs: Tensors) -> list[list[Panel]]:
        """Returns what the network sees of each example, and what it must answer.

        Args:
          inputs: of one batch as `make_dataset` yields them, `image` float32
            [B, H, W, C] and more; eager.
          targets: all of them, likewise.
          outputs: the network's, likewise.

        Returns:
          For each of the B examples the same number of panels.
        """


@runtime_checkable
class ComparingTask(Protocol):
    """A task whose losses compare the examples of a batch with each other.

    The replicas of a step run the losses together and compare all examples of its
    global batch. Workers of parameter servers compute theirs apart: each compares
    the examples of its own share only, which is another loss.
    """

    name: str
    least_compared: int
    """How many examples the losses need at least."""


def check_share(task: object, batch_size: int, num_workers: int = 1) -> None:
    """Checks that losses which compare examples have some to compare.

    Args:
      task: any, or its class.
      batch_size: examples per step.
      num_workers: among whom a batch is shared out, each with losses of its own.

    Raises:
      UsageError: if a share is too small.
    """
    if not isinstance(task, ComparingTask) or batch_size // num_workers >= task.least_compared:
        return
    compared = "the examples of a batch"
    if num_workers > 1:
        compared = f"the examples of each of {num_workers} workers"
    raise UsageError(
        f"--batch_size={batch_size}: --task={task.name} compares {compared} with each other;"
        f" expected at least {num_workers * task.least_compared}"
    )


@runtime_checkable
class RoundTask(Protocol):
    """A task whose targets are made anew from its network, round by round.

    The training loop calls `begin_round` before the first step of each round,
    forgets the momentum of what that has drawn anew, and asks for the data set
    again, from that step on. The data set depends on nothing but its plan and
    `state`, so that a run resumes in mid-round.
    """

    state: tf.Module

    def steps_per_round(self, batch_size: int) -> int:
        """Returns how many of the task's own steps a round has, at least 1."""

    def begin_round(self, network: Any, number: int, batch_size: int) -> Mapping[str, float]:
        """Makes the targets of a round.

        Args:
          network: of the task, as it is now; `models.network.Network`.
          number: of the round, from 0.
          batch_size: examples per step, over all replicas.

        Returns:
          Figures for the records, by name.
        """

    def redrawn_variables(self, network: Any) -> Sequence[Any]:
        """Returns the variables of a network's head that `begin_round` draws anew."""


@runtime_checkable
class IncompleteOptions(Protocol):
    """Options of a task that the images or the backbone complete.

    They are completed once, where training starts, and recorded in full: a run
    can then be loaded without its images.
    """

    def completed(self, readers: Mapping[str, ExampleReader], canonical_size: int) -> Any:
        """Returns options of the same class that need nothing else.

        `readers` are the images by split, `canonical_size` is the side of the
        images that the backbone takes in its canonical mode, in pixels.
        """


@runtime_checkable
class TargetCompleter(Protocol):
    """A task whose targets are partly computed on the device, as by a frozen network."""

    def complete_targets(self, inputs: Tensors, targets: Tensors) -> Tensors:
        """Returns the targets that the losses need, by name, with a leading axis B.

        Called in each replica before the network, with what `make_dataset`
        yields: `image` float32 [B, H, W, C], and the targets so far. No gradient
        goes through it.
        """


def complete_targets(task: Task, inputs: Tensors, targets: Tensors) -> Tensors:
    """Returns all targets of a batch, of whatever task.

    Args:
      task: any.
      inputs: as its data set yields them, `image` float32 [B, H, W, C] and more.
      targets: likewise, by name, with a leading axis B.

    Returns:
      The targets, with those that the task computes on the device, float32
      [B, ...].
    """
    if not isinstance(task, TargetCompleter):
        return targets
    completed = task.complete_targets(inputs, targets)
    return {name: tf.stop_gradient(value) for name, value in completed.items()}


def count_examples(targets: Tensors) -> tf.Tensor:
    """Counts every example as one sample.

    Args:
      targets: of a task whose losses are means over an example.

    Returns:
      float32 [B], ones.
    """
    return tf.ones([tf.shape(next(iter(targets.values())))[0]])
