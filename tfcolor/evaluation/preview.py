"""Pictures of held-out photographs while a network trains: colored or reconstructed."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from PIL import Image

from tfcolor.data.images import Photograph
from tfcolor.data.reading import ExampleReader
from tfcolor.inference.loading import GrayToColor
from tfcolor.inference.sheet import build_sheet, colored_row
from tfcolor.inference.variations import color_photograph
from tfcolor.models.network import Network
from tfcolor.tasks.autoencoder import AutoencoderTask
from tfcolor.tasks.image_task import image_pixels

NUM_PHOTOGRAPHS = 4
MAX_SIDE = 256


class Preview:
    """Colors a few photographs and lays them out beside the originals.

    Args:
      colorizer: shares its variables with the network in training.
      reader: photographs in color.
    """

    def __init__(self, colorizer: GrayToColor, reader: ExampleReader) -> None:
        self._colorizer = colorizer
        self._photographs = [_small(photograph) for photograph in _choose(reader)]

    def __call__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yields one (name, picture): a sheet uint8 [H, W, 3]."""
        rows = []
        for pixels in self._photographs:
            photograph = Photograph("preview", pixels, None, "PNG")
            colored = color_photograph(self._colorizer, photograph)
            rows.append({**colored_row(colored), "original": pixels})
        yield "colorized", build_sheet(rows)


class ReconstructionPreview:
    """Lays the middle of a few photographs out beside what is left of them.

    Args:
      network: in training.
      task: whose images and entries they are.
      reader: photographs in color.
    """

    def __init__(self, network: Network, task: AutoencoderTask, reader: ExampleReader) -> None:
        self._network, self._entries = network, task.entries
        examples = [task.make_center_example(tf.constant(one))[0] for one in _choose(reader)]
        self._images = tf.stack([inputs["image"] for inputs in examples])

    def __call__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yields one (name, picture): a sheet uint8 [H, W, 3]."""
        outputs = self._network({"image": self._images}, training=False)
        pictures = {"input": image_pixels(self._images)}
        pictures |= {
            entry: image_pixels(outputs[f"{entry}_reconstruction"]) for entry in self._entries
        }
        count = len(self._images)
        rows = [{name: some[row] for name, some in pictures.items()} for row in range(count)]
        yield "reconstructed", build_sheet(rows)


def _choose(reader: ExampleReader) -> list[np.ndarray]:
    """Reads a few photographs uint8 [H, W, 3], evenly from all of them."""
    count = min(NUM_PHOTOGRAPHS, reader.num_examples)
    positions = [index * reader.num_examples // count for index in range(count)]
    return [reader.read(position)[0] for position in positions]


def _small(image: np.ndarray) -> np.ndarray:
    """Shrinks uint8 [H, W, 3] so that its longer side is at most `MAX_SIDE`."""
    picture = Image.fromarray(image)
    picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    return np.array(picture)
