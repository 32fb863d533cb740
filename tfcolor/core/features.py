"""What every evaluation asks of a network: named maps with known geometry."""

from collections.abc import Mapping
from typing import Protocol

import tensorflow as tf

from tfcolor.core.taps import Scalar, Tap

UNRECTIFIED_TOP = "unrectified_top"
"""The top of a backbone's canonical mode before its nonlinearity and dropout."""


class FeatureExtractor(Protocol):
    """A network that gives named feature maps of an image."""

    canonical_size: int

    def taps(self, height: Scalar, width: Scalar) -> Mapping[str, Tap]:
        """Returns the geometry of each map for an input of this size."""

    def __call__(self, images: tf.Tensor, *, training: bool = False) -> Mapping[str, tf.Tensor]:
        """Returns float [B, H, W, C] maps by tap name, from images in [0, 1]."""


def unrectified_top(features: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Returns what a backbone's top is made of by the last ReLU, if there is one.

    Args:
      features: what the canonical mode of a backbone gives.

    Returns:
      float [B, D]; the top itself where no ReLU comes last, as where it is an
      average.
    """
    return features.get(UNRECTIFIED_TOP, features["top"])
