"""What every evaluation asks of a network: named maps with known geometry."""

from collections.abc import Mapping
from typing import Protocol

import tensorflow as tf

from tfcolor.core.taps import Scalar, Tap


class FeatureExtractor(Protocol):
    """A network that gives named feature maps of an image."""

    canonical_size: int

    def taps(self, height: Scalar, width: Scalar) -> Mapping[str, Tap]:
        """Returns the geometry of each map for an input of this size."""

    def __call__(self, images: tf.Tensor, *, training: bool = False) -> Mapping[str, tf.Tensor]:
        """Returns float [B, H, W, C] maps by tap name, from images in [0, 1]."""
