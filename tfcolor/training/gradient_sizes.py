"""How large each task's gradient is, for updates that do not depend on it."""

from collections.abc import Sequence

import tensorflow as tf

DECAY = 0.99
LEAST_SIZE = 1e-12


class GradientSizes(tf.Module):
    """The mean absolute gradient of each task, until it is frozen.

    The size that divides a gradient is its own until the freeze, and then the
    average over the steps before it, each step weighing 1 % less than the next.
    All of it lives in variables, for the checkpoint.

    Args:
      num_tasks: M.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, equation 4.11 (NormSGD).
    """

    def __init__(self, num_tasks: int) -> None:
        super().__init__(name="gradient_sizes")
        self._averages, self._counts = (
            [_replicated_variable(f"{name}_{task}") for task in range(num_tasks)]
            for name in ("average", "count")
        )

    def observe(self, task: int, gradients: Sequence[tf.Tensor], is_frozen: tf.Tensor) -> tf.Tensor:
        """Takes note of a task's gradient and returns what it is to be divided by.

        To be called in each replica with the gradient over all of them. A gradient
        that is not finite leaves no trace.

        Args:
          task: number of the task.
          gradients: float32, of its loss by all variables of the backbone.
          is_frozen: bool [], whether to return the average and leave it as it is.

        Returns:
          float32 [], at least 1e-12; infinite or NaN as the gradient is.
        """
        size = mean_size(gradients)
        average, count = self._averages[task], self._counts[task]
        is_noted = tf.math.is_finite(size) & ~is_frozen
        moved = DECAY * average + (1 - DECAY) * size
        average.assign(tf.where(is_noted, moved, average))
        count.assign_add(tf.where(is_noted, 1.0, 0.0))
        frozen = average / tf.maximum(1 - DECAY**count, 1 - DECAY)
        # A gradient that is not finite must not pass, whatever divides it.
        is_kept = is_frozen & (count > 0) & tf.math.is_finite(size)
        return tf.maximum(tf.where(is_kept, frozen, size), LEAST_SIZE)


def mean_size(gradients: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the mean absolute value of all numbers in some tensors.

    Args:
      gradients: float32, of any shapes, not all of them empty.

    Returns:
      float32 [].
    """
    count = sum(gradient.shape.num_elements() for gradient in gradients)
    return tf.add_n([tf.reduce_sum(tf.abs(gradient)) for gradient in gradients]) / count


def _replicated_variable(name: str) -> tf.Variable:
    """Returns a float32 [] variable to which all replicas assign the same value."""
    return tf.Variable(
        0.0,
        trainable=False,
        name=name,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
