"""CIFAR-100 in its official Python layout: the pickles "train", "test" and "meta"."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.data.sources.array import ArraySource
from tfcolor.data.sources.places import split_place

_SIDE = 32

_ALLOWED = {("numpy", "ndarray"), ("numpy", "dtype")} | {
    (f"numpy.{core}.{module}", name)
    for core in ("core", "_core")
    for module, name in (("multiarray", "_reconstruct"), ("numeric", "_frombuffer"))
}
"""What a pickled array of numbers consists of. None of these runs other code."""


def open_cifar100(place: str) -> ArraySource:
    """Opens one split of CIFAR-100 with its 100 fine classes.

    Args:
      place: "FOLDER[:train|test]"; the folder holds the pickle of that name and
        the pickle "meta".

    Returns:
      The images in the order of the file.

    Raises:
      UserError: if a file is missing, damaged or holds something else.
    """
    return _open(place, "fine")


def open_cifar100_coarse(place: str) -> ArraySource:
    """Opens one split of CIFAR-100 with its 20 coarse classes.

    Args:
      place: as for `open_cifar100`.

    Returns:
      The images in the order of the file.

    Raises:
      UserError: as `open_cifar100`.
    """
    return _open(place, "coarse")


def _open(place: str, kind: str) -> ArraySource:
    """Returns one split with its fine or its coarse classes."""
    folder, split = split_place(place, "train")
    path, meta_path = folder / split, folder / "meta"
    class_names = _entry(_read_pickle(meta_path), f"{kind}_label_names", meta_path)
    content = _read_pickle(path)
    images = _images(_entry(content, "data", path), path)
    labels = _entry(content, f"{kind}_labels", path)
    files = content.get("filenames") or list(map(str, range(len(images))))
    if not len(images) == len(labels) == len(files):
        counts = f"{len(images)} images, {len(labels)} labels and {len(files)} names"
        raise UserError(f"{path} is no CIFAR-100 file: it has {counts}")
    unknown = [label for label in labels if label not in range(len(class_names))]
    if unknown:
        expected = f"expected 0 to {len(class_names) - 1}"
        raise UserError(f"{path} has the {kind} label {unknown[0]!r}: {expected}")
    names = [f"{path}/{_text(file)}" for file in files]
    return ArraySource(images, names, labels, map(_text, class_names))


def _images(data: Any, path: Path) -> np.ndarray:
    """Returns rows of pixels as images, uint8 [N, 32, 32, 3]."""
    length = 3 * _SIDE * _SIDE
    is_array = isinstance(data, np.ndarray) and data.dtype == np.uint8
    if not is_array or data.shape[1:] != (length,) or not len(data):
        raise UserError(f"{path} is no CIFAR-100 file: its data is no uint8 [N, {length}]")
    return data.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)


def _entry(content: Mapping[str, Any], key: str, path: Path) -> Any:
    """Returns an entry of a pickled dictionary, a list or an array."""
    if not isinstance(content.get(key), list | np.ndarray):
        raise UserError(f"{path} is no CIFAR-100 file: it has no {key}")
    return content[key]


def _read_pickle(path: Path) -> dict[str, Any]:
    """Returns the dictionary in a pickle of lists, strings and arrays alone."""
    try:
        with open(path, "rb") as file:
            content = _ArrayUnpickler(file, encoding="latin1").load()
    except FileNotFoundError as error:
        raise UserError(f"no file {path}; CIFAR-100 has the files train, test and meta") from error
    except Exception as error:  # damaged pickles raise a dozen types
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"cannot read {path} as a file of CIFAR-100: {reason}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is no CIFAR-100 file: it holds a {type(content).__name__}")
    return {_text(key): value for key, value in content.items()}


def _text(value: Any) -> str:
    """Returns a string that Python 2 or 3 may have pickled as bytes."""
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


class _ArrayUnpickler(pickle.Unpickler):
    """Refuses every object that is no array."""

    def __init__(self, file: BinaryIO, *, encoding: str) -> None:
        super().__init__(file, encoding=encoding)

    def find_class(self, module: str, name: str) -> Any:
        """Returns a part of arrays, or raises UnpicklingError."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it wants {module}.{name}, which is not allowed")
        return super().find_class(module, name)
