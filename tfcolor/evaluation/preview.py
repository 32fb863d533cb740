"""Colored pictures of held-out photographs while a network trains."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from tfcolor.data.images import Photograph
from tfcolor.data.reading import ExampleReader
from tfcolor.inference.loading import GrayToColor
from tfcolor.inference.photographs import color_photograph
from tfcolor.inference.sheet import build_sheet, colored_row

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
        count = min(NUM_PHOTOGRAPHS, reader.num_examples)
        positions = [index * reader.num_examples // count for index in range(count)]
        self._photographs = [_small(reader.read(position)[0]) for position in positions]

    def __call__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yields one (name, picture): a sheet uint8 [H, W, 3]."""
        rows = []
        for pixels in self._photographs:
            photograph = Photograph("preview", pixels, None, "PNG")
            colored = color_photograph(self._colorizer, photograph)
            rows.append({**colored_row(colored), "original": pixels})
        yield "colorized", build_sheet(rows)


def _small(image: np.ndarray) -> np.ndarray:
    """Shrinks uint8 [H, W, 3] so that its longer side is at most `MAX_SIDE`."""
    picture = Image.fromarray(image)
    picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    return np.array(picture)
