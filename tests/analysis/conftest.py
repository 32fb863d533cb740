"""A network whose activations can be told by looking, and photographs with spots."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.analysis.observation import ObservedNetwork, PhotographOptions, Views
from tfcolor.backbones.chain import ChainBackbone, ChainOptions
from tfcolor.backbones.stages import Conv, Pool
from tfcolor.color.spaces import rgb_to_lightness
from tfcolor.data.options import DataOptions, open_readers
from tfcolor.inference.painting import SizeOptions

SPOTS = {  # height, width, (row, column) and color of the spot
    "a.png": (24, 40, (5, 30), (250, 180, 20)),
    "b.png": (32, 28, (20, 9), (255, 190, 80)),
    "c.png": (20, 20, (11, 12), (90, 160, 200)),
}


class TinyChain(ChainBackbone):
    """Two convolutions with a pool between them."""

    Options = ChainOptions
    canonical_size = 16


@pytest.fixture
def build_chain():
    """Returns what builds an observed chain; feature 0 of its conv1 is the gray value itself.

    Features 1 to 3 are random; feature 3 is dead.
    """

    def build(name="chain", *, second="conv2", input_channels=1, seed=0, **options):
        stages = (Conv("conv1", 4, 3), Pool(2, 2), Conv(second, 8, 3))
        chain_options = ChainOptions(use_batch_norm=False, **options)
        backbone = TinyChain("tiny", "x", stages, chain_options, input_channels, seed)
        kernel = backbone.convolutions["conv1"].kernel.numpy()
        kernel[..., 0] = 0
        kernel[1, 1, :, 0] = 1 / input_channels
        kernel[..., 3] = 0
        bias = [backbone.input_mean[0], 0, 0.3, -1]
        backbone.convolutions["conv1"].set_weights([kernel, np.array(bias, np.float32)])
        inputs = rgb_to_lightness if input_channels == 1 else tf.identity
        return ObservedNetwork(name, backbone, inputs)

    return build


@pytest.fixture
def spotted(tmp_path):
    """Views of three dark pictures, each with one bright spot; see `SPOTS`."""
    generator = np.random.default_rng(5)
    for name, (height, width, place, color) in SPOTS.items():
        image = generator.integers(0, 60, (height, width, 3), np.uint8)
        image[place] = color
        Image.fromarray(image).save(tmp_path / name)
    return open_views(tmp_path)


def open_views(folder, *, num_images=0):
    """Opens the pictures of a folder at their own size."""
    reader = open_readers(DataOptions(images=str(folder), heldout_fraction=0.0))["train"]
    size = SizeOptions(min_side=8, max_side=64)
    return Views(reader, PhotographOptions(num_images=num_images), size)
