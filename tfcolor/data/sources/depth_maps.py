"""Images with a depth map each, and pairs of files in two folders."""

import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.images import IMAGE_SUFFIXES, UnreadableImageError, read_file
from tfcolor.data.sources.base import Source
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.data.sources.places import split_place

DEPTH_SUFFIXES = (".npy", ".png")

MILLIMETERS = 1000.0
"""Steps per meter of a PNG with 16 bits."""

_WIDE_MODES = ("I;16", "I;16B", "I")


@runtime_checkable
class DepthSource(Source, Protocol):
    """A collection of images whose depth is known."""

    def depth_of(self, index: int) -> np.ndarray:
        """Returns the depth of one image.

        Args:
          index: position of the image.

        Returns:
          float32 [H, W], meters; 0, negative or not finite where it is not known.

        Raises:
          UnreadableImageError: if it cannot be read.
        """


class DepthFileSource(FileSource):
    """Images that are one file each, with a file of depth each.

    Args:
      paths: the images.
      depth_paths: for each a NumPy array of meters (`.npy`), or a gray PNG of 16
        bits in millimeters, in which 0 is unknown.

    Raises:
      ValueError: if there are not as many depth maps as images.
      UserError: if a depth map is missing.
    """

    def __init__(
        self,
        paths: Iterable[str | os.PathLike[str]],
        depth_paths: Iterable[str | os.PathLike[str]],
    ) -> None:
        super().__init__(paths)
        self._depths = [os.fspath(path) for path in depth_paths]
        if len(self._depths) != self.num_examples:
            raise ValueError(
                f"{len(self._depths)} depth maps: expected one for each of the "
                f"{self.num_examples} images"
            )
        missing = [path for path in self._depths if not os.path.isfile(path)]
        if missing:
            count = f"{len(missing)} of {self.num_examples}"
            raise UserError(f"{count} images have no depth map; the first missing: {missing[0]}")

    def select(self, positions: Sequence[int]) -> Self:
        """Returns some of the images with their depth, in the given order."""
        chosen = super().select(positions)
        chosen._depths = [self._depths[position] for position in positions]
        return chosen

    def join(self, others: Sequence[Self]) -> Self:
        """Returns these images and then those of others."""
        joined = super().join(others)
        joined._depths = [one for part in (self, *others) for one in part._depths]
        return joined

    def depth_of(self, index: int) -> np.ndarray:
        """Returns the depth of one image.

        Args:
          index: position of the image.

        Returns:
          float32 [H, W], meters; 0 or not finite where it is not known.

        Raises:
          UnreadableImageError: if it cannot be read, or is no map of meters or
            millimeters.
        """
        path = self._depths[index]
        content = read_file(path)
        return _read_array(content, path) if path.endswith(".npy") else _read_png(content, path)


def open_depth_folder(place: str) -> DepthFileSource:
    """Opens one split: images in `SPLIT`, depth maps in `SPLIT_depth`.

    Args:
      place: "FOLDER[:SPLIT]", the split "train" if there is none.

    Returns:
      The images in the order of their names; each has the depth map of its name.

    Raises:
      UserError: if the folder, the split or a depth map is missing.
    """
    folder, split = split_place(place, "train")
    images, depths = folder / split, folder / f"{split}_depth"
    for needed in (images, depths):
        if not needed.is_dir():
            known = ", ".join(_splits(folder)) or "none"
            raise UserError(f"no folder {needed}; splits with depth maps in {folder}: {known}")
    files = sorted(path for path in images.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise UserError(f"no image in the folder {images}; looked for {', '.join(IMAGE_SUFFIXES)}")
    return DepthFileSource(files, [_depth_path(depths, file.stem) for file in files])


def _splits(folder: Path) -> list[str]:
    """Returns the folders of images that have a folder of depth maps."""
    candidates = sorted(path for path in folder.iterdir() if path.is_dir())
    return [path.name for path in candidates if path.with_name(f"{path.name}_depth").is_dir()]


def _depth_path(folder: Path, stem: str) -> Path:
    """Returns the file of a depth map; one ending in ".npy" if there is none."""
    paths = [folder / f"{stem}{suffix}" for suffix in DEPTH_SUFFIXES]
    return next(filter(Path.is_file, paths), paths[0])


def _read_array(content: bytes, path: str) -> np.ndarray:
    """Returns an array of meters, float32 [H, W]."""
    if not content.startswith(np.lib.format.MAGIC_PREFIX):
        raise UnreadableImageError(path, "not a single array, as `np.save` writes it")
    stream = io.BytesIO(content)
    try:
        depth = np.load(stream, allow_pickle=False)
    except Exception as error:  # the header is Python code, whose parser raises a dozen types
        raise UnreadableImageError(path, f"damaged array ({error})") from error
    if stream.tell() < len(content):
        rest = len(content) - stream.tell()
        raise UnreadableImageError(path, f"damaged array ({rest} bytes after its last number)")
    if not depth.size:
        raise UnreadableImageError(path, f"an empty depth map of shape {list(depth.shape)}")
    if depth.ndim != 2 or depth.dtype.kind != "f":
        found = f"{depth.dtype} with {depth.ndim} axes"
        raise UnreadableImageError(path, f"{found}; expected meters, float with two axes")
    return depth.astype(np.float32)


def _read_png(content: bytes, path: str) -> np.ndarray:
    """Returns the meters of a PNG of millimeters, float32 [H, W]."""
    try:
        with Image.open(io.BytesIO(content)) as frame:
            mode, steps = frame.mode, np.asarray(frame)
    except Exception as error:  # as `read_photograph`: decoders raise a dozen types
        raise UnreadableImageError(path, f"damaged depth map ({error})") from error
    if mode not in _WIDE_MODES:
        reason = f"a depth map of mode {mode}; expected gray with 16 bits, in millimeters"
        raise UnreadableImageError(path, reason)
    return (steps / MILLIMETERS).astype(np.float32)
