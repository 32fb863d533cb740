"""How well hidden pixels are painted. All sums are float64."""

from collections.abc import Mapping

import tensorflow as tf

from tfcolor.metrics.regression import ConstantSquaredError

Tensors = Mapping[str, tf.Tensor]


class HiddenError(tf.keras.metrics.Mean):
    """The mean squared error of the pixels under the holes.

    Args:
      name: what the metric is called.
      dtype: type of the sums.
    """

    def __init__(self, name: str = "hidden_error", dtype: str = "float64") -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `image` and `hidden`, and `painted`, all float32 [B, T, T, C or 1]."""
        errors = tf.math.squared_difference(targets["image"], outputs["painted"])
        super().update_state(tf.reduce_mean(errors, axis=-1), targets["hidden"][..., 0])


class ExplainedError(tf.keras.metrics.Metric):
    """The share of the error under the holes that painting takes away.

    Compared with each view's mean visible color: 0 for that color, 1 where
    nothing is wrong, less than 0 for what is worse.

    Args:
      name: what the metric is called.
      dtype: type of the sums.
    """

    def __init__(self, name: str = "explained", dtype: str = "float64") -> None:
        super().__init__(name=name, dtype=dtype)
        self._painted = HiddenError("painted", dtype)
        self._plain = HiddenError("plain", dtype)

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds what `HiddenError` takes, and `color`, float32 [B, C], of the targets."""
        self._painted.update_state(targets, outputs)
        plain = targets["color"][:, tf.newaxis, tf.newaxis]
        self._plain.update_state(targets, {"painted": plain})

    def result(self) -> tf.Tensor:
        """Returns the share so far, float64 []."""
        return 1 - tf.math.divide_no_nan(self._painted.result(), self._plain.result())


class ConstantColorError(tf.keras.metrics.Metric):
    """The loss of painting every pixel of every image in one color.

    Args:
      num_channels: C of the images.
      constant: float64 [C], the color; None for the best.
      name: what the metric is called.
      dtype: type of the sums.
    """

    def __init__(
        self,
        num_channels: int,
        constant: tf.Tensor | None = None,
        name: str = "constant_loss",
        dtype: str = "float64",
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._error = ConstantSquaredError(num_channels, dtype=dtype)
        self._constant = constant

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `image` and `weight`, float32 [B, T, T, C or 1], of the targets."""
        del outputs
        self._error.update_state(targets["image"], targets["weight"])

    def best_constant(self) -> tf.Tensor:
        """Returns the color that is best for what was seen, float64 [C]."""
        return self._error.best_constant()

    def result(self) -> tf.Tensor:
        """Returns the loss so far, float64 []."""
        constant = self.best_constant() if self._constant is None else self._constant
        return self._error.loss_of(constant) / self._error.size
