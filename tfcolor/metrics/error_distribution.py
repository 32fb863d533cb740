"""A streaming metric of how the color errors of single pixels are distributed."""

from typing import Any

import tensorflow as tf

from tfcolor.color.spaces import rgb_to_alpha_beta


class ErrorDistribution(tf.keras.metrics.Metric):
    """The distribution of alpha-beta errors over the pixels of all images.

    The error of a pixel is the Euclidean length of the difference of (alpha,
    beta): its mean square is twice the square of `AlphaBetaRmse`, which averages
    over the two channels. As there, the value depends strongly on `eps`. All sums
    are float64.

    Args:
      eps: added to the lightness that divides, as in `rgb_to_alpha_beta`.
      num_bins: equal bins of error.
      maximum: upper end of the bins; larger errors are counted, not resolved.
      name: the metric's name.
      dtype: type of the sums.

    Raises:
      ValueError: if `num_bins` or `maximum` is not positive.
    """

    def __init__(
        self,
        eps: float,
        num_bins: int = 2000,
        maximum: float = 2.0,
        name: str = "median_error_alphabeta",
        dtype: str = "float64",
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if num_bins < 1 or not maximum > 0:
            raise ValueError(
                f"num_bins {num_bins} and maximum {maximum}: expected positive numbers"
            )
        self.eps, self.num_bins, self.maximum = eps, num_bins, maximum
        self._mass = self.add_weight("mass", shape=(num_bins + 1,), initializer="zeros")

    def update_state(
        self,
        target_rgb: tf.Tensor,
        predicted_rgb: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
    ) -> None:
        """Adds images.

        Args:
          target_rgb: float32 [B, H, W, 3], the true colors in [0, 1].
          predicted_rgb: float32 [B, H, W, 3], the predicted colors in [0, 1].
          sample_weight: float32 [B], 0 leaves an image out; None counts all.
        """
        target = rgb_to_alpha_beta(target_rgb, self.eps)
        difference = rgb_to_alpha_beta(predicted_rgb, self.eps) - target
        errors = tf.cast(tf.norm(difference, axis=-1), self._mass.dtype)
        weights = tf.ones_like(errors)
        if sample_weight is not None:
            weights *= tf.cast(sample_weight, errors.dtype)[:, None, None]
        scaled = tf.minimum(errors * (self.num_bins / self.maximum), self.num_bins)
        bins = tf.cast(tf.floor(scaled), tf.int32)
        self._mass.assign_add(tf.math.unsorted_segment_sum(weights, bins, self.num_bins + 1))

    def cumulative(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the curve of how many pixels have an error below each edge.

        Returns:
          (edges, fractions): float64 [num_bins + 1] each; errors from 0 to
          `maximum`, and the share of pixels below, from 0 up to 1 less the share
          beyond `maximum`. All 0 before the first pixel.
        """
        width = tf.constant(self.maximum / self.num_bins, self._mass.dtype)
        edges = width * tf.range(self.num_bins + 1, dtype=width.dtype)
        below = tf.cumsum(self._mass, exclusive=True)
        return edges, tf.math.divide_no_nan(below, tf.reduce_sum(self._mass))

    def result(self) -> tf.Tensor:
        """Returns the median error so far, float64 [].

        It is interpolated within its bin; `maximum` if at least half of the pixels
        are beyond, 0 before the first pixel.
        """
        edges, fractions = self.cumulative()
        # One more than the last edge if less than half of the pixels are below it.
        above = tf.searchsorted(fractions, tf.constant([0.5], fractions.dtype))[0]
        low, high = fractions[above - 1], fractions[tf.minimum(above, self.num_bins)]
        step = tf.math.divide_no_nan(0.5 - low, high - low)
        median = edges[above - 1] + step * (edges[1] - edges[0])
        return tf.where(tf.reduce_sum(self._mass) > 0, median, tf.zeros_like(median))

    def reset_state(self) -> None:
        """Forgets all pixels."""
        self._mass.assign(tf.zeros_like(self._mass))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {"eps": self.eps, "num_bins": self.num_bins, "maximum": self.maximum}
        return {**super().get_config(), **own}
