"""One optimization step, on one replica or many."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfcolor.tasks.base import Task, Tensors
from tfcolor.training.optimizers import Update


class TrainStep:
    """Forward, backward and update of one task on one global batch.

    Every loss is the sum over this replica's examples divided by the number of
    samples in the *global* batch, so that slices of unequal size weigh as they
    should and any number of replicas gives the same step.

    Args:
      strategy: where the replicas are.
      network: called as `network(inputs, training=True)`.
      task: gives the losses.
      update: applies the gradients.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        network: tf.keras.Model,
        task: Task,
        update: Update,
    ) -> None:
        self._strategy, self._network, self._task = strategy, network, task
        self._update = update

    @tf.function(autograph=False, reduce_retracing=True)
    def __call__(self, batch: Any, stop: tf.Tensor) -> Mapping[str, tf.Tensor]:
        """Runs the step.

        Args:
          batch: per-replica (inputs, targets).
          stop: float32 [], 1 where this process was asked to stop.

        Returns:
          float32 scalars: `loss`, the loss terms by name, `gradient_norm`,
          and `stop`, the number of workers that were asked to stop.
        """
        inputs, targets = batch
        figures = self._strategy.run(self._replica_step, args=(inputs, targets, stop))
        return {
            name: self._strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None)
            if name == "gradient_norm"
            else self._strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)
            for name, value in figures.items()
        }

    def _replica_step(self, inputs: Tensors, targets: Tensors, stop: tf.Tensor) -> Tensors:
        """Runs one replica's share and returns its summands of the figures."""
        replica = tf.distribute.get_replica_context()
        count = tf.reduce_sum(self._task.count_samples(targets))
        count = tf.maximum(replica.all_reduce(tf.distribute.ReduceOp.SUM, count), 1.0)
        with tf.GradientTape() as tape:
            outputs = self._network(inputs, training=True)
            terms = {
                name: tf.reduce_sum(tf.cast(loss, tf.float32)) / count
                for name, loss in self._task.compute_losses(targets, outputs).items()
            }
            loss = tf.add_n(list(terms.values()))
            scaled = self._update.scale_loss(loss)
        gradients = tape.gradient(
            scaled, self._update.variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        norm = self._update.apply(gradients)
        losses = {f"loss_{name}": term for name, term in terms.items()}
        # A tensor of its own for each replica: one and the same cannot be reduced.
        stop = tf.identity(stop)
        return {"loss": loss, **losses, "gradient_norm": norm, "stop": stop}
