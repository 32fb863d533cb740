"""Tiny trained networks of each task, and images that they can be measured on."""

import numpy as np
import pytest
from PIL import Image

from tfcolor.backbones import BACKBONES
from tfcolor.backbones.field_of_view import WidenedBackbone
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.evaluation.subjects import TrainedNetwork
from tfcolor.models.network import Network
from tfcolor.tasks import TASKS

NAMES = ("sky", "tree", "house")


@pytest.fixture(scope="session")
def build_trained():
    """Returns what builds a `TrainedNetwork` with random weights of useful size.

    `build(task, options, seed, backbone, num_blocks, **backbone options)`.
    """

    def build(task_name, options, seed=0, backbone="cifar_shallow", num_blocks=0, **settings):
        kind = TASKS[task_name]
        chosen = kind.Options(**options)
        task = kind(chosen, {})
        network = BACKBONES[backbone](
            BACKBONES[backbone].Options(**settings), input_channels=task.input_channels, seed=seed
        )
        if num_blocks:
            network = WidenedBackbone(network, num_blocks, seed)
        side = network.canonical_size
        taps = network.taps(side, side) if task.convolutional else network.canonical_taps()
        whole = Network(network, task.build_head(taps, seed), convolutional=task.convolutional)
        random_numbers = np.random.default_rng(seed)
        for variable in whole.trainable_variables:
            fan_in = np.prod(variable.shape[:-1]) if len(variable.shape) > 1 else 100
            variable.assign(random_numbers.normal(0, 1.7 / fan_in**0.5, variable.shape))
        origin = {"run": f"runs/{task_name}{seed}", "task": task_name, "step": 7}
        return TrainedNetwork(whole, chosen, origin)

    return build


@pytest.fixture(scope="session")
def squares(tmp_path_factory):
    """Files of 30 squares of 32 pixels: ten red ones, ten green ones, ten blue ones.

    Noisy, in turn, and of different lightness, so that gray networks see them too.
    """
    folder = tmp_path_factory.mktemp("squares")
    random_numbers = np.random.default_rng(5)
    for number in range(30):
        pixels = random_numbers.normal(40, 20, (32, 32, 3))
        pixels[..., number % 3] += 60 + 60 * (number % 3)
        pixels[:: 2 + number % 3] += 40
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number:02}.png")
    return sorted(folder.iterdir())


@pytest.fixture(scope="session")
def labelled_squares(squares):
    """A reader of `squares` with three classes."""
    labels = [number % 3 for number in range(30)]
    return ExampleReader(FileSource(squares, labels=labels, class_names=NAMES), cache_bytes=10**7)
