"""How much better predictions are than the mean. All sums are float64."""

from collections.abc import Callable, Mapping

import tensorflow as tf

Tensors = Mapping[str, tf.Tensor]
Comparison = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
"""Truth and predictions, float32 [..., D], and weights, float32 [...]."""


class ExplainedVariance(tf.keras.metrics.Metric):
    """The share of the variance that predictions explain, averaged over coordinates.

    Also called R^2: 1 where nothing is wrong, 0 for the mean of the truth, less
    for what is worse. A coordinate that does not vary counts as 0.

    Args:
      size: D, the number of coordinates.
      compare: from a task's targets and outputs to what is compared.
      name: what the metric is called.
      dtype: type of the sums.
    """

    def __init__(
        self,
        size: int,
        compare: Callable[[Tensors, Tensors], Comparison],
        name: str = "explained",
        dtype: str = "float64",
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._size, self._compare = size, compare
        self._weight = self.add_weight("weight", initializer="zeros")
        self._total, self._squares, self._errors = (
            self.add_weight(part, shape=(size,), initializer="zeros")
            for part in ("total", "squares", "errors")
        )

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds the predictions of a batch.

        Args:
          targets: of the task, float32 [B, ...] by name.
          outputs: of its network, likewise.
        """
        truth, predictions, weights = (
            tf.cast(one, self._total.dtype) for one in self._compare(targets, outputs)
        )
        truth, predictions = (tf.reshape(one, [-1, self._size]) for one in (truth, predictions))
        weights = tf.reshape(weights, [-1, 1])
        self._weight.assign_add(tf.reduce_sum(weights))
        self._total.assign_add(tf.reduce_sum(weights * truth, axis=0))
        self._squares.assign_add(tf.reduce_sum(weights * truth**2, axis=0))
        self._errors.assign_add(tf.reduce_sum(weights * (truth - predictions) ** 2, axis=0))

    def result(self) -> tf.Tensor:
        """Returns the share so far, float64 [], 0 before the first batch."""
        variance = self._squares - tf.math.divide_no_nan(self._total**2, self._weight)
        return tf.reduce_mean(tf.math.divide_no_nan(variance - self._errors, variance))

    def reset_state(self) -> None:
        """Forgets all predictions."""
        for variable in self.variables:
            variable.assign(tf.zeros_like(variable))
