"""Measuring a task's losses on a fixed set of examples of one split."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.data.pipeline import BatchPlan
from tfcolor.tasks.base import Tensors, complete_targets
from tfcolor.training.members import Member

Metrics: TypeAlias = Mapping[str, tf.keras.metrics.Metric]
Forward: TypeAlias = Callable[[Tensors, Tensors], tuple[Tensors, Tensors, Tensors]]


class SplitMeasurement:
    """Losses and metrics of a network on the same examples every time.

    Dropout is off and batch normalization uses its moving statistics, so that
    the training split and the held-out split are measured alike.

    Args:
      member: the network and the task, which gives examples, losses and metrics.
      split: the split to read.
      num_examples: how many views, rounded up to whole batches.
      forward: computes losses, targets and outputs of the member's batches.

    Attributes:
      sample: inputs, targets and outputs of the first batch when last measured.
    """

    def __init__(self, member: Member, split: str, num_examples: int, forward: Forward) -> None:
        self.member, self.split = member, split
        self._num_examples, self._forward = num_examples, forward
        self._examples: tf.data.Dataset | None = None
        self.sample: tuple[Tensors, Tensors, Tensors] | None = None

    def measure(self, fitted: Metrics | None = None) -> tuple[Mapping[str, float], Metrics]:
        """Measures the network as it is now.

        Args:
          fitted: metrics that have seen the training split, if this is another.

        Returns:
          `loss`, every loss term by name and every metric of the task; and the
          metrics themselves.
        """
        task = self.member.task
        metrics = task.build_metrics(fitted)
        sums: dict[str, float] = {}
        count = 0.0
        self.sample = None
        # Built at the first look, which a resumed run may not reach.
        self._examples = self._examples or self._build_dataset()
        for inputs, targets in self._examples:
            terms, targets, outputs = self._forward(inputs, targets)
            self.sample = self.sample or (inputs, targets, outputs)
            for metric in metrics.values():
                metric.update_state(targets, outputs)
            for name, term in terms.items():
                sums[f"loss_{name}"] = sums.get(f"loss_{name}", 0.0) + float(tf.reduce_sum(term))
            count += float(tf.reduce_sum(task.count_samples(targets)))
        means = {name: total / max(count, 1.0) for name, total in sums.items()}
        figures = {"loss": sum(means.values()), **means}
        figures |= {name: float(metric.result()) for name, metric in metrics.items()}
        return figures, metrics

    def forget_examples(self) -> None:
        """Makes the next look ask the task for its examples again."""
        self._examples = None

    def _build_dataset(self) -> tf.data.Dataset:
        """Returns the examples, always the same while the task does not change its targets."""
        batch_size = self.member.batch_size
        plan = BatchPlan(
            batch_size,
            derive_seed(self.member.seed, f"measure/{self.split}"),
            num_batches=-(-self._num_examples // batch_size),
            shards=((0, batch_size),),
        )
        return self.member.task.make_dataset(self.split, plan)


def build_measurements(member: Member, num_examples: int) -> list[SplitMeasurement]:
    """Returns a measurement for every split of a task; they share one graph.

    Args:
      member: the network and the task.
      num_examples: how many views of each split, rounded up to whole batches.

    Returns:
      In the order of the task's splits.
    """
    forward = build_forward(member)
    return [SplitMeasurement(member, split, num_examples, forward) for split in member.task.splits]


def build_forward(member: Member) -> Forward:
    """Returns the graph of a network as it is measured.

    Args:
      member: the network and the task.

    Returns:
      From the inputs and targets of a batch to unreduced losses, all targets and
      outputs.
    """

    def compute(inputs: Tensors, targets: Tensors) -> tuple[Tensors, Tensors, Tensors]:
        targets = complete_targets(member.task, inputs, targets)
        outputs = member.network(inputs, training=False)
        return member.task.compute_losses(targets, outputs), targets, outputs

    return tf.function(compute, autograph=False, reduce_retracing=True)
