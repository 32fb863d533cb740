"""Images that are kept in memory as one array."""

import copy
from collections.abc import Iterable, Sequence

import cv2
import numpy as np


class ArraySource:
    """Small images of one size that are kept in memory.

    Args:
      images: uint8 [N, H, W, 3], or [N, H, W, 1] if they are gray.
      names: what messages call each image.
      labels: the class of each.
      class_names: the name of each class.
    """

    def __init__(
        self,
        images: np.ndarray,
        names: Sequence[str],
        labels: Sequence[int] | np.ndarray,
        class_names: Iterable[str],
    ) -> None:
        self._images, self._names, self._labels = images, names, labels
        self._class_names = tuple(class_names)
        self._positions: Sequence[int] = range(len(images))

    @property
    def num_examples(self) -> int:
        """Returns the number of images."""
        return len(self._positions)

    def name_of(self, index: int) -> str:
        """Returns what messages call an image."""
        return self._names[self._positions[index]]

    def read_bytes(self, index: int) -> bytes:
        """Returns one image as PNG."""
        return encode_png(self._images[self._positions[index]])

    @property
    def class_names(self) -> tuple[str, ...]:
        """Returns the name of each class by label."""
        return self._class_names

    def label_of(self, index: int) -> int | None:
        """Returns the class of one image."""
        return int(self._labels[self._positions[index]])

    def select(self, positions: Sequence[int]) -> "ArraySource":
        """Returns some of the images, in the given order; shares their pixels."""
        chosen = copy.copy(self)
        chosen._positions = [self._positions[position] for position in positions]
        return chosen

    def images(self) -> np.ndarray:
        """Returns all images at once, uint8 [N, H, W, 1 or 3]; not to be written to."""
        if isinstance(self._positions, range):
            return self._images
        return self._images[self._positions]

    def labels(self) -> np.ndarray:
        """Returns the class of every image, int64 [N]."""
        return np.asarray(self._labels, np.int64)[np.asarray(self._positions, np.int64)]


def encode_png(image: np.ndarray) -> bytes:
    """Returns an image as PNG.

    Args:
      image: uint8 [H, W, 3], or [H, W, 1] if it is gray.

    Returns:
      The content of a file.
    """
    return cv2.imencode(".png", np.ascontiguousarray(image[:, :, ::-1]))[1].tobytes()
