"""A colorizer without a network, so that files can be tested fast."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs.hue_chroma import HueChroma
from tfcolor.core.taps import Tap
from tfcolor.inference.one_photograph import Settings
from tfcolor.inference.painting import Painter, SizeOptions
from tfcolor.inference.provenance import Provenance
from tfcolor.inference.result_files import ResultOptions
from tfcolor.inference.variations import Wishes


class TintColorizer:
    """Tints every photograph by the same difference, as far as it fits."""

    decoding = DecodingOptions()
    painter = Painter(HueChroma(), SizeOptions(min_side=1), Tap("grid", 4, 1.5))

    def histograms(self, gray: tf.Tensor) -> dict[str, tf.Tensor]:
        cells = [gray.shape[0], -(-gray.shape[1] // 4), -(-gray.shape[2] // 4)]
        bins = {"hue": 3, "chroma": 8}
        return {
            name: tf.one_hot(tf.fill(cells, bins[name]), size)
            for name, size in self.painter.space.histograms.items()
        }

    def colorize(self, gray: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.painter.paint(gray, self.histograms(self.painter.shrink(gray)), self.decoding)


@pytest.fixture
def tint() -> TintColorizer:
    return TintColorizer()


@pytest.fixture
def settings(tint) -> Settings:
    """Returns the settings of a job of `tint` without any wishes."""
    provenance = Provenance(model="tint", checkpoint_sha256="71")
    return Settings(Wishes(), ResultOptions(), provenance, tint.painter.size)


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
