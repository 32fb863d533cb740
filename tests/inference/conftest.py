"""A colorizer without a network, so that files can be tested fast."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs.hue_chroma import HueChroma
from tfcolor.core.taps import Tap
from tfcolor.inference.painting import Painter, SizeOptions


class TintColorizer:
    """Tints every photograph by the same difference, as far as it fits."""

    decoding = DecodingOptions()
    painter = Painter(HueChroma(), SizeOptions(), Tap("grid", 4, 1.5))

    def colorize(self, gray: tf.Tensor) -> dict[str, tf.Tensor]:
        room = tf.minimum(gray, 1 - gray)
        rgb = gray + tf.minimum(room, 0.1) * tf.constant([1.0, 0.0, -1.0])
        return {"rgb": rgb, "uncertainty": gray[..., 0]}

    def histograms(self, gray: tf.Tensor) -> dict[str, tf.Tensor]:
        raise NotImplementedError


@pytest.fixture
def tint() -> TintColorizer:
    return TintColorizer()


@pytest.fixture
def write_image():
    """Returns what writes a random image and gives its pixels back."""

    def write(path, height=6, width=9, channels=3, seed=0):
        shape = (height, width, channels) if channels > 1 else (height, width)
        pixels = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return pixels

    return write
