"""Streaming measures of predicted depth. All sums are float64."""

import math
from typing import Any

import tensorflow as tf

from tfcolor.core.lookup import lookup

MIN_DEPTH = 1e-3
"""Meters; predictions below are raised to it, so that ratios are defined."""

RATIO = 1.25
"""Base of the thresholds of the shares `delta_1`, `delta_2` and `delta_3`."""

DEPTH_MEASURES: dict[str, bool] = {
    "delta_1": True,
    "delta_2": True,
    "delta_3": True,
    "mae": False,
    "mre": False,
    "rmse": False,
    "log10": False,
}
"""The measures by name, and whether a higher value is better."""


def depth_errors(depth: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """Returns what each valid pixel contributes to each measure.

    A pixel is valid if its true depth is finite and positive.

    Args:
      depth: float [...], true depth in meters.
      predicted: float [...], predicted depth in meters; raised to `MIN_DEPTH`.

    Returns:
      float64 [N, M], for N valid pixels in the order of `DEPTH_MEASURES`: 1 or 0
      for the three shares, absolute error (meters), relative error, squared
      error (square meters), and the difference of the decadic logarithms.

    Example:
      >>> depth_errors([2.0, 0.0], [3.0, 1.0])[:, :6].numpy().tolist()
      [[0.0, 1.0, 1.0, 1.0, 0.5, 1.0]]
    """
    depth = tf.reshape(tf.cast(depth, tf.float64), [-1])
    predicted = tf.reshape(tf.cast(predicted, tf.float64), [-1])
    is_valid = is_valid_depth(depth)
    depth = tf.boolean_mask(depth, is_valid)
    predicted = tf.maximum(tf.boolean_mask(predicted, is_valid), tf.constant(MIN_DEPTH, tf.float64))
    ratio = tf.maximum(predicted / depth, depth / predicted)
    error = tf.abs(predicted - depth)
    shares = [tf.cast(ratio < RATIO**power, tf.float64) for power in (1, 2, 3)]
    magnitude = tf.math.log(ratio) / math.log(10)
    return tf.stack([*shares, error, error / depth, error**2, magnitude], axis=-1)


def finish_depth_measure(name: str, mean: Any) -> Any:
    """Returns a measure from the mean of what pixels contribute to it.

    Args:
      name: one of `DEPTH_MEASURES`.
      mean: float64 of any shape, as a tensor or an array.

    Returns:
      Its root for `rmse`, else the mean itself.
    """
    return mean**0.5 if name == "rmse" else mean


def is_valid_depth(depth: tf.Tensor) -> tf.Tensor:
    """Returns where the depth is known.

    Args:
      depth: float [...], meters; 0, negative or not finite where it is not known.

    Returns:
      bool [...].
    """
    return tf.math.is_finite(depth) & (depth > 0)


class DepthMetric(tf.keras.metrics.Metric):
    """One measure of depth over the valid pixels of all images.

    Sums and counts add up over replicas and merged metrics. Every pixel counts
    the same, whatever image it is of.

    Args:
      measure: one of `DEPTH_MEASURES`: `delta_k`, the share of pixels with
        `max(d / d*, d* / d) < 1.25^k`; `mae`, mean absolute error in meters;
        `mre`, mean of `|d - d*| / d*`; `rmse`, root of the mean squared error in
        meters; `log10`, mean of `|log10 d - log10 d*|`.
      name: the metric's name; empty for that of the measure.
      dtype: type of the sums.

    Raises:
      UsageError: if there is no such measure.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      appendix A.
    """

    def __init__(self, measure: str, name: str = "", dtype: str = "float64") -> None:
        super().__init__(name=name or measure, dtype=dtype)
        lookup(DEPTH_MEASURES, measure, "measure of depth")
        self.measure = measure
        self._total = self.add_weight("total", initializer="zeros")
        self._count = self.add_weight("count", initializer="zeros")

    def update_state(self, depth: tf.Tensor, predicted: tf.Tensor) -> None:
        """Adds pixels.

        Args:
          depth: float [...], true depth in meters; 0 where it is not known.
          predicted: float [...], predicted depth in meters.
        """
        errors = depth_errors(depth, predicted)[:, list(DEPTH_MEASURES).index(self.measure)]
        self._total.assign_add(tf.cast(tf.reduce_sum(errors), self._total.dtype))
        self._count.assign_add(tf.cast(tf.size(errors), self._count.dtype))

    def result(self) -> tf.Tensor:
        """Returns the measure so far, float64 [], 0 before the first valid pixel."""
        mean = tf.math.divide_no_nan(self._total, self._count)
        return finish_depth_measure(self.measure, mean)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "measure": self.measure}
