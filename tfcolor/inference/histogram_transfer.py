"""Coloring a photograph with the distribution of colors of another one."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfcolor.color.lightness import fit_gamut
from tfcolor.color.outputs.base import OutputSpace
from tfcolor.color.transfer import QuantileTransfer, fit_bias
from tfcolor.core.errors import UsageError
from tfcolor.inference.painting import Painter

QUANTILE_EPS = 0.05
"""Guard against dark pixels when colors are matched by quantiles. With 1e-4 the
relative colors of nearly black pixels, which are noise, spoil the matching, which
may then be worse than no transfer at all."""

NUM_SAMPLES = 4000
"""Cells of a predicted map that a bias is fitted to; more change nothing."""


def require_histograms(space: OutputSpace) -> None:
    """Raises UsageError unless a network predicts histograms, which can be biased.

    Args:
      space: what the network predicts.

    Raises:
      UsageError: if it is a regression.
    """
    if not space.histograms:
        raise UsageError(
            f"the network predicts {space.name}, which has no histograms to move by energy; "
            "expected another network, or transfer by quantiles"
        )


def target_histograms(painter: Painter, rgb: tf.Tensor) -> dict[str, np.ndarray]:
    """Counts the colors of a photograph in the bins that a network predicts.

    A hue counts as much as its pixel has chroma, as in the loss by which the
    network learned: it says little about the hue of what is nearly gray.

    Args:
      painter: knows the bins, and at which size the network sees a photograph.
      rgb: float32 [B, H, W, 3], true colors in [0, 1].

    Returns:
      float64 [K] by name of histogram, each sums to 1. Pixels without a true bin
      do not count; a histogram without any pixel (the hue of a gray photograph)
      is left out.
    """
    space, small = painter.space, painter.shrink(rgb)
    labels, weights = space.labels(small), space.target_weights(small)
    targets = {}
    for name, num_bins in space.histograms.items():
        counts = np.bincount(
            np.ravel(labels[name]), np.ravel(weights[name]).astype(np.float64), num_bins
        )
        if counts.sum() > 0:
            targets[name] = counts / counts.sum()
    return targets


def energy_bias(
    predictions: Mapping[str, tf.Tensor],
    targets: Mapping[str, np.ndarray],
    weight: float = 10.0,
    max_samples: int = NUM_SAMPLES,
) -> dict[str, np.ndarray]:
    """Finds the biases that bring predicted histograms closest to known ones.

    Each kind of histogram has its own bias, fitted to the cells of the network's
    grid: they are the pixels that lie on it.

    Args:
      predictions: float32 [..., K] by name, as the network gave them.
      targets: float [K] by name; the histograms that have none are left alone.
      weight: of the distance from the target against that from the prediction.
      max_samples: how many cells are used.

    Returns:
      float64 [K] for each target, to be given to `Painter.paint`.

    References:
      Larsson, Maire, Shakhnarovich. Learning Representations for Automatic
      Colorization. ECCV 2016; eq. 2.6 of the first author's dissertation.
    """
    return {
        name: fit_bias(
            np.reshape(predictions[name], [-1, len(target)]),
            target,
            weight=weight,
            max_samples=max_samples,
        )
        for name, target in targets.items()
    }


class ReferenceMatch:
    """Moves the colors of a colored photograph to those of a reference.

    The quantiles of the colors relative to lightness are matched; the lightness
    stays as it was.

    Args:
      gray: float32 [H, W, 1], lightness of the photograph in [0, 1].
      rgb: float32 [H, W, 3], its colors in [0, 1].
      reference_rgb: float32 [I, J, 3], of any size, in [0, 1].
      eps: guard against dark pixels.
    """

    def __init__(
        self, gray: tf.Tensor, rgb: tf.Tensor, reference_rgb: tf.Tensor, eps: float = QUANTILE_EPS
    ) -> None:
        pixels = (np.asarray(array) for array in (gray, rgb, reference_rgb))
        self._transfer = QuantileTransfer(*pixels, eps=eps)

    def __call__(self, gray: tf.Tensor, rgb: tf.Tensor) -> tf.Tensor:
        """Moves the colors of the photograph, or of rows of it, at any size.

        Args:
          gray: float32 [H, W, 1], lightness in [0, 1].
          rgb: float32 [H, W, 3], colors in [0, 1].

        Returns:
          float32 [H, W, 3] in [0, 1], whose mean over the channels is `gray`.
        """
        moved = self._transfer(np.asarray(gray), np.asarray(rgb))
        difference = moved - moved.mean(axis=-1, keepdims=True)
        return fit_gamut(gray, tf.constant(difference, tf.float32))
