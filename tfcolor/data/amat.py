"""Reads the text files that the variations of MNIST were published in."""

import contextlib
import itertools
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from tfcolor.core.errors import UserError

_SIDE = 28
_NUM_VALUES = _SIDE * _SIDE + 1
_NUM_CLASSES = 10


def find_amat(folder: Path, name: str, archive: str) -> tuple[Path, str] | None:
    """Returns where a published file lies.

    Args:
      folder: the file is in it, in a folder below, or in the archive.
      name: the file's name.
      archive: the name of the zip file that it was published in.

    Returns:
      (path, member): the file and "", or the archive and the name in it; None
      if there is neither.

    Raises:
      UserError: if there is an archive that is damaged or lacks the file.
    """
    for path in (folder / name, *sorted(folder.glob(f"*/{name}"))):
        if path.is_file():
            return path, ""
    path = folder / archive
    if not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as opened:
            members = opened.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    found = [member for member in members if member.rpartition("/")[2] == name]
    if not found:
        raise UserError(f"{path} holds no {name}")
    return path, found[0]


def count_amat(place: tuple[Path, str]) -> int:
    """Returns the number of examples in a file.

    Args:
      place: as `find_amat` gives it.

    Returns:
      At least 1.

    Raises:
      UserError: if the file cannot be read or holds none.
    """
    with _open(place) as file:
        count = sum(1 for _ in _rows(file))
    if not count:
        raise UserError(f"{_name(place)} holds no example")
    return count


def read_amat(
    place: tuple[Path, str], begin: int, end: int, *, is_column_major: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Reads some examples of a published file.

    A line is an example: 784 pixels in [0, 1] and the class. Empty lines, and
    those that begin with `#`, are none.

    Args:
      place: as `find_amat` gives it.
      begin: the first example.
      end: the one after the last, at most the file's number of examples.
      is_column_major: whether a line goes down the columns.

    Returns:
      (images, labels): uint8 [N, 28, 28, 1], rounded down, and int64 [N].

    Raises:
      UserError: if the file cannot be read or holds something else.

    References:
      Larochelle et al. An Empirical Evaluation of Deep Architectures on
      Problems with Many Factors of Variation. ICML 2007.
    """
    images = np.empty([end - begin, _SIDE, _SIDE], np.uint8)
    labels = np.empty([end - begin], np.int64)
    with _open(place) as file:
        chosen = itertools.islice(_rows(file), begin, end)
        for index, (number, line) in enumerate(chosen):
            images[index], labels[index] = _parse(line, f"{_name(place)}, line {number}")
    images = images.swapaxes(1, 2) if is_column_major else images
    return np.ascontiguousarray(images)[..., np.newaxis], labels


def quantize(values: np.ndarray) -> np.ndarray:
    """Rounds values down to whole 255ths, as the published experiments do.

    Args:
      values: float [...] in [0, 1].

    Returns:
      uint8 [...].

    Example:
      >>> quantize(np.array([0.5, 0.999, 1.0]))
      array([127, 254, 255], dtype=uint8)
    """
    return np.floor(255 * values).astype(np.uint8)


def _parse(line: bytes, where: str) -> tuple[np.ndarray, int]:
    """Returns the image, uint8 [28, 28], and the class on one line."""
    try:
        values = np.fromiter(map(float, line.split()), np.float64)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error
    if len(values) != _NUM_VALUES:
        raise UserError(f"{where}: {len(values)} numbers; expected {_NUM_VALUES}")
    pixels, label = values[:-1], values[-1]
    if not (pixels.min() >= 0 and pixels.max() <= 1):
        raise UserError(f"{where}: a pixel is not in [0, 1]")
    if label not in range(_NUM_CLASSES):
        raise UserError(f"{where}: the class is {label}; expected 0 to {_NUM_CLASSES - 1}")
    return quantize(pixels).reshape(_SIDE, _SIDE), int(label)


def _rows(file: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yields the lines that are examples, and their numbers from 1."""
    for number, line in enumerate(file, 1):
        if line.strip() and not line.lstrip().startswith(b"#"):
            yield number, line


@contextlib.contextmanager
def _open(place: tuple[Path, str]) -> Iterator[IO[bytes]]:
    """Opens a file, or one in an archive, and names it where reading fails."""
    path, member = place
    try:
        if not member:
            with open(path, "rb") as file:
                yield file
            return
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            yield file
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise UserError(f"cannot read {_name(place)}: {error}") from error


def _name(place: tuple[Path, str]) -> str:
    """Returns what messages call a file."""
    path, member = place
    return f"{path}/{member}" if member else str(path)
