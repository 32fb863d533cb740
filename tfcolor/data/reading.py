"""Reads decoded images by position, past those that cannot be read."""

import collections
import logging
import threading

import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError, read_rgb
from tfcolor.data.sources.base import Source

_LOGGER = logging.getLogger(__name__)


class ExampleReader:
    """Decodes the images of a source and keeps the latest ones in memory.

    An unreadable image is logged once and the next readable one takes its
    place, so what a position gives depends on the position alone. May be called
    from several threads.

    Args:
      source: the images.
      cache_bytes: the memory that decoded images may take; 0 keeps none.
    """

    def __init__(self, source: Source, cache_bytes: int = 0) -> None:
        if cache_bytes < 0:
            raise ValueError(f"cache_bytes={cache_bytes}: expected at least 0")
        self._source = source
        self._cache_bytes = cache_bytes
        self._cached_bytes = 0
        self._cache: collections.OrderedDict[int, np.ndarray] = collections.OrderedDict()
        self._unreadable: dict[int, UnreadableImageError] = {}
        self._skipped: dict[str, UnreadableImageError] = {}
        self._lock = threading.Lock()

    @property
    def source(self) -> Source:
        """Returns where the images come from; it may know more than classes."""
        return self._source

    @property
    def num_examples(self) -> int:
        """Returns the number of positions, unreadable ones included."""
        return self._source.num_examples

    @property
    def unreadable(self) -> dict[str, str]:
        """Returns the reason for each file found unreadable or skipped so far, by name."""
        with self._lock:
            errors = [*self._skipped.values(), *self._unreadable.values()]
        return {error.name: error.reason for error in errors}

    def name_of(self, position: int) -> str:
        """Returns what messages call the image at a position."""
        return self._source.name_of(position)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Returns the name of each class by label; empty if there are none known."""
        return self._source.class_names

    def label_of(self, position: int) -> int | None:
        """Returns the class of the image at a position, or None if it has none.

        Raises:
          UnreadableImageError: if it cannot be read.
        """
        return self._source.label_of(position)

    def read(self, position: int) -> tuple[np.ndarray, int]:
        """Returns the image at a position, or else the next readable one.

        Args:
          position: in [0, num_examples).

        Returns:
          (image, used): uint8 [H, W, 3], not writeable, and where it lies.

        Raises:
          UserError: if no image of the source can be read.
        """
        for step in range(self.num_examples):
            used = (position + step) % self.num_examples
            image = self._read_one(used)
            if image is not None:
                return image, used
        first = self._unreadable[min(self._unreadable)]
        raise UserError(f"none of the {self.num_examples} images could be read; first: {first}")

    def skip(self, error: UnreadableImageError) -> None:
        """Notes what else of an image cannot be read, and logs it the first time.

        The image itself stays: tasks that share the reader may not need the rest.

        Args:
          error: names the file, or the image, and says why.
        """
        with self._lock:
            is_new = error.name not in self._skipped
            self._skipped[error.name] = error
        if is_new:
            _LOGGER.warning("skipped %s", error)

    def _read_one(self, position: int) -> np.ndarray | None:
        """Returns one image, or None if it cannot be read."""
        with self._lock:
            if position in self._unreadable:
                return None
            if position in self._cache:
                self._cache.move_to_end(position)
                return self._cache[position]
        try:
            image = read_rgb(self._source.read_bytes(position), self._source.name_of(position))
        except UnreadableImageError as error:
            self._remember_unreadable(position, error)
            return None
        image.setflags(write=False)
        self._remember(position, image)
        return image

    def _remember(self, position: int, image: np.ndarray) -> None:
        """Puts an image into the cache and drops those unused for longest."""
        if image.nbytes > self._cache_bytes:
            return
        with self._lock:
            if position in self._cache:  # another thread was faster
                return
            self._cache[position] = image
            self._cached_bytes += image.nbytes
            while self._cached_bytes > self._cache_bytes:
                _, dropped = self._cache.popitem(last=False)
                self._cached_bytes -= dropped.nbytes

    def _remember_unreadable(self, position: int, error: UnreadableImageError) -> None:
        """Notes an unreadable image, and logs it the first time."""
        with self._lock:
            is_new = position not in self._unreadable
            self._unreadable[position] = error
        if is_new:
            _LOGGER.warning("skipped %s", error)
