"""One optimization step, of one task or several, on one replica or many."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfcolor.tasks.base import Tensors, complete_targets
from tfcolor.training.members import Member
from tfcolor.training.optimizers import Update

Batch = tuple[Tensors, Tensors]


class TrainStep:
    """Forward, backward and update of some tasks, each on one global batch of its own.

    Every loss is the sum over this replica's examples divided by the number of
    samples in the *global* batch, so that slices of unequal size weigh as they
    should and any number of replicas gives the same step. A network's own `losses`
    (penalties on its weights) are added as one more term. Tasks are run one after
    the other: the activations of one are gone before those of the next.

    Args:
      strategy: where the replicas are.
      members: the tasks of the run.
      update: applies the gradients.
    """

    def __init__(
        self, strategy: tf.distribute.Strategy, members: Sequence[Member], update: Update
    ) -> None:
        self._strategy, self._members, self._update = strategy, members, update

    @tf.function(autograph=False, reduce_retracing=True)
    def __call__(
        self,
        batches: Mapping[int, Any],
        stop: tf.Tensor,
        is_frozen: tf.Tensor | bool = False,
        *,
        compares: bool = False,
    ) -> Mapping[str, tf.Tensor]:
        """Runs the step.

        Args:
          batches: per-replica (inputs, targets) of the step's tasks, by number.
          stop: float32 [], 1 where this process was asked to stop.
          is_frozen: bool [], whether gradients are divided by constants.
          compares: whether to compare the tasks' gradients.

        Returns:
          float32 scalars: `loss`, the mean over tasks; `loss_TERM`, or
          `TASK/loss` and `TASK/loss_TERM` where there are several tasks; what
          the update gives; and `stop`, the number of workers that were asked to
          stop.
        """
        sums, means = self._strategy.run(
            self._replica_step, args=(batches, stop, is_frozen), kwargs={"compares": compares}
        )
        reduce = self._strategy.reduce
        sum_op, mean_op = tf.distribute.ReduceOp.SUM, tf.distribute.ReduceOp.MEAN
        figures = {name: reduce(sum_op, value, axis=None) for name, value in sums.items()}
        return figures | {name: reduce(mean_op, value, axis=None) for name, value in means.items()}

    def _replica_step(
        self,
        batches: Mapping[int, Batch],
        stop: tf.Tensor,
        is_frozen: tf.Tensor | bool,
        *,
        compares: bool,
    ) -> tuple[Tensors, Tensors]:
        """Runs one replica's share; returns summands of figures, and figures."""
        figures: dict[str, tf.Tensor] = {}
        gradients: dict[int, list[tf.Tensor]] = {}
        losses: list[tf.Tensor] = []
        before: list[tf.Tensor] = []
        for task, (inputs, targets) in batches.items():
            with tf.control_dependencies(before):
                terms, gradients[task] = self._differentiate(task, inputs, targets)
            before = gradients[task]
            losses.append(tf.add_n(list(terms.values())))
            label = self._members[task].label
            if len(self._members) > 1:
                figures[label("loss")] = losses[-1]
            figures |= {label(f"loss_{name}"): term for name, term in terms.items()}
        figures["loss"] = tf.add_n(losses) / len(losses)
        # A tensor of its own for each replica: one and the same cannot be reduced.
        figures["stop"] = tf.identity(stop)
        return figures, self._update.apply(gradients, is_frozen, compares=compares)

    def _differentiate(
        self, task: int, inputs: Tensors, targets: Tensors
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Returns this replica's share of a task's loss terms, and of its gradients."""
        member = self._members[task]
        targets = complete_targets(member.task, inputs, targets)
        replica = tf.distribute.get_replica_context()
        count = tf.reduce_sum(member.task.count_samples(targets))
        count = tf.maximum(replica.all_reduce(tf.distribute.ReduceOp.SUM, count), 1.0)
        with tf.GradientTape() as tape:
            outputs = member.network(inputs, training=True)
            terms = {
                name: tf.reduce_sum(tf.cast(loss, tf.float32)) / count
                for name, loss in member.task.compute_losses(targets, outputs).items()
            }
            if penalties := member.network.losses:
                # The gradients of all replicas are added up.
                terms["penalty"] = tf.add_n(penalties) / replica.num_replicas_in_sync
            scaled = self._update.scale_loss(tf.add_n(list(terms.values())), task)
        gradients = tape.gradient(
            scaled,
            self._update.variables_of(task),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return terms, gradients
