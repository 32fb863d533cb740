"""Images with a label map each: PNG files whose gray or palette index is the class."""

import io
import os
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError, read_file
from tfcolor.data.sources.image_folder import FileSource

VOID_LABEL = 255
"""The label of pixels that belong to no class, or to several."""

_ORIENTATION = 0x0112
_FIRST_TURNED = 5


class LabelMapSource(FileSource):
    """Images whose every pixel has a class, or none.

    Args:
      paths: the images.
      map_paths: the label map of each, an 8-bit gray or palette image.
      class_names: the name of each class by label.
      extra_void_label: a label besides `VOID_LABEL` that means the same.

    Raises:
      ValueError: if there are not as many label maps as images.
      UserError: if a label map is missing.
    """

    def __init__(
        self,
        paths: Iterable[str | os.PathLike[str]],
        map_paths: Iterable[str | os.PathLike[str]],
        class_names: Iterable[str],
        extra_void_label: int = VOID_LABEL,
    ) -> None:
        super().__init__(paths, class_names=class_names)
        maps = [os.fspath(path) for path in map_paths]
        if len(maps) != self.num_examples:
            raise ValueError(
                f"{len(maps)} label maps: expected one for each of the {self.num_examples} images"
            )
        missing = [path for path in maps if not os.path.isfile(path)]
        if missing:
            count = f"{len(missing)} of {self.num_examples}"
            raise UserError(f"{count} images have no label map; the first missing: {missing[0]}")
        self._maps = [(path, extra_void_label) for path in maps]

    def select(self, positions: Sequence[int]) -> Self:
        """Returns some of the images with their label maps, in the given order."""
        chosen = super().select(positions)
        chosen._maps = [self._maps[position] for position in positions]
        return chosen

    def join(self, others: Sequence[Self]) -> Self:
        """Returns these images and then those of others with the same classes."""
        joined = super().join(others)
        joined._maps = [one for part in (self, *others) for one in part._maps]
        return joined

    def label_map_of(self, index: int) -> np.ndarray:
        """Returns the class of each pixel of one image.

        Args:
          index: position of the image.

        Returns:
          uint8 [H, W], in [0, K) or `VOID_LABEL`, of the size of the image.

        Raises:
          UnreadableImageError: if the label map or the header of its image cannot
            be read, or if their sizes differ.
          UserError: if the label map has a label that is no class.
        """
        name, extra_void_label = self._maps[index]
        labels = _read_labels(name, upright_size(self._paths[index]))
        labels[labels == extra_void_label] = VOID_LABEL
        # Not np.unique, which took four fifths of the time with its sorting.
        unknown = labels[(labels >= len(self.class_names)) & (labels != VOID_LABEL)]
        if unknown.size:
            expected = f"expected 0 to {len(self.class_names) - 1} or {VOID_LABEL} for void"
            raise UserError(f"{name} has the label {unknown.min()}: {expected}")
        return labels


def upright_size(path: str) -> tuple[int, int]:
    """Returns the width and height of an image from its header.

    Args:
      path: the image.

    Returns:
      (width, height) in pixels, as the image is shown: turned if its header says so.

    Raises:
      UnreadableImageError: if the file or its header cannot be read.
    """
    content = read_file(path)
    try:
        with Image.open(io.BytesIO(content)) as frame:
            is_turned = frame.getexif().get(_ORIENTATION, 1) >= _FIRST_TURNED
            return frame.size[::-1] if is_turned else frame.size
    except Exception as error:  # as `read_photograph`: decoders raise a dozen types
        raise UnreadableImageError(path, f"damaged image ({error})") from error


def _read_labels(path: str, size: tuple[int, int]) -> np.ndarray:
    """Returns the indices of a gray or palette image, uint8 [H, W], writeable."""
    content = read_file(path)
    try:
        with Image.open(io.BytesIO(content)) as frame:
            _check_header(frame, path, size)
            return np.array(frame, np.uint8)
    except UnreadableImageError:
        raise
    except Exception as error:  # as above
        raise UnreadableImageError(path, f"damaged label map ({error})") from error


def _check_header(frame: Image.Image, path: str, size: tuple[int, int]) -> None:
    """Refuses colors, and another size than the image's, before decoding."""
    if frame.mode not in ("L", "P"):
        reason = f"a label map of mode {frame.mode}; expected 8 bits, gray or with a palette"
        raise UnreadableImageError(path, reason)
    if frame.size != size:
        found, wanted = ("x".join(map(str, pair)) for pair in (frame.size, size))
        raise UnreadableImageError(path, f"a label map of {found} for an image of {wanted} pixels")
