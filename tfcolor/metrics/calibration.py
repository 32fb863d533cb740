"""A streaming metric of whether predicted histograms mean what they say."""

from typing import Any

import tensorflow as tf


class ExpectedCalibrationError(tf.keras.metrics.Metric):
    """How far the confidence of predictions is from how often they are right.

    The confidence is the probability of the predicted bin, the most probable one
    (the first of several). Predictions are grouped by confidence into equal bins;
    the result is the mean over all of `|accuracy - confidence|` of their group.
    All sums are float64.

    Args:
      num_groups: the number of equal bins of confidence on [0, 1]; group g holds
        `g / num_groups <= confidence < (g + 1) / num_groups`, the last also 1.
      name: the metric's name.
      dtype: type of the sums.

    Raises:
      ValueError: if `num_groups` is not positive.

    References:
      Guo et al. On Calibration of Modern Neural Networks. ICML 2017, eq. 5.
    """

    def __init__(
        self, num_groups: int = 15, name: str = "calibration_error", dtype: str = "float64"
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if num_groups < 1:
            raise ValueError(f"num_groups {num_groups}: expected at least 1")
        self.num_groups = num_groups
        self._weight = self.add_weight("weight", shape=(num_groups,), initializer="zeros")
        self._confidence = self.add_weight("confidence", shape=(num_groups,), initializer="zeros")
        self._correct = self.add_weight("correct", shape=(num_groups,), initializer="zeros")

    def update_state(
        self, labels: tf.Tensor, probs: tf.Tensor, weights: tf.Tensor | None = None
    ) -> None:
        """Adds pixels.

        Args:
          labels: int32 [...], true bins in [0, K - 1].
          probs: float32 [..., K], predicted histograms that sum to 1.
          weights: float32 [...], the weight of each pixel, not negative; None
            weighs all alike.
        """
        sum_type = self._weight.dtype
        confidence = tf.reshape(tf.cast(tf.reduce_max(probs, axis=-1), sum_type), [-1])
        predicted = tf.argmax(probs, axis=-1, output_type=tf.int32)
        is_correct = tf.reshape(tf.equal(predicted, tf.cast(labels, tf.int32)), [-1])
        weights = tf.ones_like(confidence) if weights is None else weights
        weights = tf.reshape(tf.cast(weights, sum_type), [-1])
        scaled = tf.clip_by_value(confidence * self.num_groups, 0, self.num_groups - 1)
        groups = tf.cast(tf.floor(scaled), tf.int32)
        for total, values in (
            (self._weight, weights),
            (self._confidence, weights * confidence),
            (self._correct, weights * tf.cast(is_correct, sum_type)),
        ):
            total.assign_add(tf.math.unsorted_segment_sum(values, groups, self.num_groups))

    def result(self) -> tf.Tensor:
        """Returns the error so far, float64 [] in [0, 1], 0 before the first pixel."""
        gaps = tf.reduce_sum(tf.abs(self._correct - self._confidence))
        return tf.math.divide_no_nan(gaps, tf.reduce_sum(self._weight))

    def reliability(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns what a reliability diagram shows.

        Returns:
          (confidence, accuracy, share): float64 [num_groups] each; the means over
          each group, 0 where it is empty, and its share of all pixels.
        """
        return (
            tf.math.divide_no_nan(self._confidence, self._weight),
            tf.math.divide_no_nan(self._correct, self._weight),
            tf.math.divide_no_nan(self._weight, tf.reduce_sum(self._weight)),
        )

    def reset_state(self) -> None:
        """Forgets all pixels."""
        for variable in self.variables:
            variable.assign(tf.zeros_like(variable))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_groups": self.num_groups}
