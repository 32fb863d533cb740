"""Streaming metrics that compare predicted with true colors.

Images of one update share a size; updates may differ in theirs. All sums are
float64.
"""

from typing import Any

import tensorflow as tf

from tfcolor.color.spaces import rgb_to_alpha_beta
from tfcolor.metrics import definitions


class ImageMean(tf.keras.metrics.Mean):
    """The arithmetic mean over images of one number per image.

    Args:
      name: the metric's name.
      dtype: type of the sums.
    """

    def score(self, target_rgb: tf.Tensor, predicted_rgb: tf.Tensor) -> tf.Tensor:
        """Returns float [B] from the true and predicted colors [B, H, W, 3]."""
        raise NotImplementedError

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
        super().update_state(self.score(target_rgb, predicted_rgb), sample_weight)


class PeakSignalToNoise(ImageMean):
    """The mean PSNR in dB; identical images count as `definitions.PSNR_CAP_DB`.

    Args:
      name: the metric's name.
      dtype: type of the sums.
    """

    def __init__(self, name: str = "psnr_db", dtype: str = "float64") -> None:
        super().__init__(name=name, dtype=dtype)

    def score(self, target_rgb: tf.Tensor, predicted_rgb: tf.Tensor) -> tf.Tensor:
        """Returns the PSNR of each image [B, H, W, 3] as float [B]."""
        return definitions.peak_signal_to_noise(target_rgb, predicted_rgb)


class StructuralSimilarity(ImageMean):
    """The mean structural similarity (SSIM), with a Gaussian window of 11 pixels.

    Args:
      name: the metric's name.
      dtype: type of the sums.
    """

    def __init__(self, name: str = "ssim", dtype: str = "float64") -> None:
        super().__init__(name=name, dtype=dtype)

    def score(self, target_rgb: tf.Tensor, predicted_rgb: tf.Tensor) -> tf.Tensor:
        """Returns the SSIM of each image [B, H, W, 3] as float [B]."""
        return definitions.structural_similarity(target_rgb, predicted_rgb)


class Colorfulness(ImageMean):
    """The mean colorfulness of the predicted images; the true ones do not count.

    Args:
      name: the metric's name.
      dtype: type of the sums.
    """

    def __init__(self, name: str = "colorfulness", dtype: str = "float64") -> None:
        super().__init__(name=name, dtype=dtype)

    def score(self, target_rgb: tf.Tensor, predicted_rgb: tf.Tensor) -> tf.Tensor:
        """Returns the colorfulness of each prediction [B, H, W, 3] as float [B]."""
        del target_rgb
        return definitions.colorfulness(predicted_rgb)


class AlphaBetaRmse(tf.keras.metrics.Mean):
    """The root mean squared alpha-beta error over the pixels of all images.

    The value depends strongly on `eps`, which belongs in every report of it.

    Args:
      eps: added to the lightness that divides, as in `rgb_to_alpha_beta`.
      name: the metric's name.
      dtype: type of the sums.

    References:
      Deshpande, Rock, Forsyth. Learning Large-Scale Automatic Image
      Colorization. ICCV 2015.
    """

    def __init__(self, eps: float, name: str = "rmse_alphabeta", dtype: str = "float64") -> None:
        super().__init__(name=name, dtype=dtype)
        self.eps = eps

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
        predicted = rgb_to_alpha_beta(predicted_rgb, self.eps)
        if sample_weight is not None:
            sample_weight = tf.convert_to_tensor(sample_weight)[:, None, None, None]
        super().update_state(tf.math.squared_difference(target, predicted), sample_weight)

    def result(self) -> tf.Tensor:
        """Returns the error so far, float64 []."""
        return tf.sqrt(super().result())

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "eps": self.eps}
