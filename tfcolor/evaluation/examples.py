"""Images with what is known about them, one by one or in batches."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.progress import say, track
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.options import DataOptions, open_readers
from tfcolor.data.pipeline import Annotation
from tfcolor.data.reading import ExampleReader

Item = TypeVar("Item")


class LabelledImage(NamedTuple):
    """An image and the truth about it.

    Attributes:
      position: where the reader has it.
      name: what messages call it.
      image: uint8 [H, W, 3].
      truth: its annotation: a label, the classes it shows, or a label map.
    """

    position: int
    name: str
    image: np.ndarray
    truth: Any


class LabelledImages:
    """The images of a reader with their annotations, without unreadable ones.

    Iterating shows the progress. An image is unreadable if it or its annotation
    cannot be read; it is named on standard error and left out.

    Args:
      reader: the images.
      annotation: what is known about each.
      positions: which of them, in order; None for all.
      num_images: only the first so many; 0 for all.

    Attributes:
      num_unreadable: how many the last iteration has left out.

    Raises:
      UserError: when iterated over without `positions`, if none can be read.
    """

    def __init__(
        self,
        reader: ExampleReader,
        annotation: Annotation,
        positions: Iterable[int] | None = None,
        num_images: int = 0,
    ) -> None:
        self._reader, self._annotation = reader, annotation
        self._is_chosen = positions is not None
        chosen = list(range(reader.num_examples) if positions is None else positions)
        self._positions = chosen[: num_images or None]
        self.num_unreadable = 0

    def __iter__(self) -> Iterator[LabelledImage]:
        """Yields every readable image."""
        self.num_unreadable = 0
        total = len(self._positions)
        for position in track(self._positions, "evaluating", total, "images"):
            example = self._read(position)
            if example is None:
                self.num_unreadable += 1
            else:
                yield example
        if self.num_unreadable == total and not self._is_chosen:
            raise UserError(f"none of the first {total} images could be read")

    def _read(self, position: int) -> LabelledImage | None:
        """Returns an image with its truth, None if either cannot be read."""
        image, used = self._reader.read(position)
        if used != position:  # the next readable one, which counts by itself
            return None
        try:
            truth = self._annotation.read(position)
        except UnreadableImageError as error:
            say(f"skipped {error}")
            return None
        return LabelledImage(position, self._reader.name_of(position), image, truth)


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yields items in lists of `size`, the last one perhaps shorter.

    Args:
      items: what to group.
      size: how many go together, at least 1.

    Yields:
      Lists of at least one item.

    Example:
      >>> list(in_batches("abcde", 2))
      [['a', 'b'], ['c', 'd'], ['e']]
    """
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def open_test_images(place: str, protocol: str) -> ExampleReader:
    """Opens the images that a protocol measures on, where --images are to learn from.

    Args:
      place: as `--images` takes it.
      protocol: its name, for the error.

    Returns:
      A reader of all of them.

    Raises:
      UsageError: if no place is given.
      UserError: if it holds no image.
    """
    if not place:
        raise UsageError(f"--{protocol}_test_images is not given: name images to measure on")
    return open_readers(DataOptions(images=place, heldout_fraction=0.0))["train"]
