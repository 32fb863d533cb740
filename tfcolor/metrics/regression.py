"""Streaming metrics of predicted coordinates. All sums are float64."""

from typing import Any

import tensorflow as tf


class ConstantSquaredError(tf.keras.metrics.Metric):
    """The loss of the best prediction that is the same everywhere.

    With targets y_i and weights w_i, `sum_i w_i |y_i - m|^2` is least at the
    weighted mean m. The result is that least value divided by the number of
    targets, as the training loss divides.

    Args:
      size: D, the number of coordinates.
      name: the metric's name.
      dtype: type of the sums.
    """

    def __init__(
        self, size: int, name: str = "constant_squared_error", dtype: str = "float64"
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.size = size
        self._total = self.add_weight("total", shape=(size,), initializer="zeros")
        self._squares = self.add_weight("squares", initializer="zeros")
        self._weight = self.add_weight("weight", initializer="zeros")
        self._count = self.add_weight("count", initializer="zeros")

    def update_state(self, targets: tf.Tensor, weights: tf.Tensor | None = None) -> None:
        """Adds targets.

        Args:
          targets: float32 [..., D].
          weights: float32 [...], not negative; None weighs all by 1.
        """
        values = tf.reshape(tf.cast(targets, self._total.dtype), [-1, self.size])
        weights = tf.ones_like(values[:, 0]) if weights is None else weights
        weights = tf.reshape(tf.cast(weights, values.dtype), [-1])
        self._total.assign_add(tf.reduce_sum(weights[:, None] * values, axis=0))
        self._squares.assign_add(tf.reduce_sum(weights * tf.reduce_sum(values**2, axis=-1)))
        self._weight.assign_add(tf.reduce_sum(weights))
        self._count.assign_add(tf.cast(tf.shape(values)[0], values.dtype))

    def result(self) -> tf.Tensor:
        """Returns the error so far, float64 [], 0 before the first target."""
        return self.loss_of(self.best_constant())

    def best_constant(self) -> tf.Tensor:
        """Returns the weighted mean of the targets, float64 [D]."""
        return tf.math.divide_no_nan(self._total, self._weight)

    def loss_of(self, constant: tf.Tensor) -> tf.Tensor:
        """Returns the targets' mean squared distance to a given constant.

        Args:
          constant: float64 [D]; `best_constant()` of a metric that saw other
            targets.

        Returns:
          float64 [], `sum_i w_i |y_i - constant|^2` by the number of targets.
        """
        error = self._squares - 2 * tf.reduce_sum(constant * self._total)
        error += self._weight * tf.reduce_sum(constant**2)
        return tf.maximum(tf.math.divide_no_nan(error, self._count), 0)

    def reset_state(self) -> None:
        """Forgets all targets."""
        for variable in self.variables:
            variable.assign(tf.zeros_like(variable))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "size": self.size}
