"""Image files: one, a folder of them, a glob, or a text file that lists them.

Images in sub-folders have the name of their sub-folder as their class, and a
list may name the class of each image.
"""

import copy
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

from tfcolor.core.errors import UserError
from tfcolor.data.images import IMAGE_SUFFIXES, read_file


class FileSource:
    """Images that are one file each.

    Args:
      paths: the files, in the order of their positions; they need not exist.
      labels: the class of each file; None if they have none.
      class_names: the name of each class.
    """

    def __init__(
        self,
        paths: Iterable[str | os.PathLike[str]],
        labels: Sequence[int] | None = None,
        class_names: Iterable[str] = (),
    ) -> None:
        self._paths = [os.fspath(path) for path in paths]
        self._labels = labels
        self._class_names = tuple(class_names)

    @property
    def num_examples(self) -> int:
        """Returns the number of files."""
        return len(self._paths)

    def name_of(self, index: int) -> str:
        """Returns the path of one file."""
        return self._paths[index]

    def read_bytes(self, index: int) -> bytes:
        """Returns the content of one file.

        Raises:
          UnreadableImageError: if it is missing, unreadable or empty.
        """
        return read_file(self._paths[index])

    @property
    def class_names(self) -> tuple[str, ...]:
        """Returns the name of each class by label."""
        return self._class_names

    def label_of(self, index: int) -> int | None:
        """Returns the class of one file, or None if the files have none."""
        return None if self._labels is None else self._labels[index]

    def select(self, positions: Sequence[int]) -> Self:
        """Returns some of the files with all that is known of them, in the given order."""
        chosen = copy.copy(self)
        chosen._paths = [self._paths[position] for position in positions]
        if self._labels is not None:
            chosen._labels = [self._labels[position] for position in positions]
        return chosen

    def join(self, others: Sequence[Self]) -> Self:
        """Returns these files and then those of others with the same classes."""
        joined = copy.copy(self)
        joined._paths = [path for part in (self, *others) for path in part._paths]
        known = [part._labels for part in (self, *others) if part._labels is not None]
        has_all = len(known) == 1 + len(others)
        joined._labels = [label for labels in known for label in labels] if has_all else None
        return joined


def open_images(place: str) -> FileSource:
    """Opens a folder (recursively), an image file, a glob or a list of paths.

    Hidden files and folders are skipped. Files come in the order of their
    paths, whatever the file system says; a list keeps its own order.

    If a folder has all its images in sub-folders, the sub-folder right below it
    is the class of an image, and classes are numbered in the order of their
    names. In a list, a path may be followed by a tab and its class: whole
    numbers if all are, which are then the labels themselves, or else names,
    numbered in their order.

    Args:
      place: a folder, an image file, a pattern with `*`, `?`, `[` or `**`, or a
        text file with one path per line, relative to its own folder or else to
        the working directory; lines that start with `#` are comments.

    Returns:
      The files. Listed files that do not exist are reported when read.

    Raises:
      UserError: if `place` does not exist or holds no image, or if a list has a
        class for some images only.
    """
    path = Path(place).expanduser()
    if path.is_dir():
        files = _found(sorted(_walk(path)), f"the folder {place}")
        return _file_source(files, [_class_folder(file, path) for file in files])
    if path.is_file():
        if path.suffix.lower() in IMAGE_SUFFIXES:
            return FileSource([path])
        return _open_list(path)
    if glob.has_magic(place):
        matches = sorted(glob.glob(str(path), recursive=True))
        files = [match for match in matches if os.path.isfile(match)]
        if not files:
            raise UserError(f"no file matches {place}")
        return FileSource(files)
    raise UserError(f"no such folder, image or list of images: {place}")


def _walk(folder: Path) -> Iterator[str]:
    """Yields the visible image files below a folder."""
    for parent, folders, names in os.walk(folder, onerror=_refuse_folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."):
                yield os.path.join(parent, name)


def _refuse_folder(error: OSError) -> None:
    """Reports a folder that cannot be listed, which `os.walk` would skip."""
    raise UserError(f"cannot list {error.filename}: {error.strerror}") from error


def _file_source(files: list[str], classes: list[str]) -> FileSource:
    """Returns files with the classes of these names, or without where one is empty."""
    if not all(classes):
        return FileSource(files)
    names = sorted(set(classes))
    number_of = {name: number for number, name in enumerate(names)}
    return FileSource(files, [number_of[name] for name in classes], names)


def _class_folder(file: str, folder: Path) -> str:
    """Returns the sub-folder that a file lies in, empty if it lies in `folder`."""
    return os.path.relpath(file, folder).rpartition(os.sep)[0].partition(os.sep)[0]


def _open_list(path: Path) -> FileSource:
    """Returns the files that a text file lists, with their classes if it names any."""
    rows = [line.rpartition("\t") if "\t" in line else (line, "", "") for line in _read_list(path)]
    files = [_resolve(name.strip(), path.parent) for name, _, _ in rows]
    classes = [label.strip() for _, _, label in rows]
    if any(classes) and not all(classes):
        without = rows[classes.index("")][0]
        raise UserError(f"the list {path} has a class for some images but none for {without}")
    if all(label.isdecimal() for label in classes):
        labels = [int(label) for label in classes]
        return FileSource(files, labels, map(str, range(max(labels) + 1)))
    return _file_source(files, classes)


def _read_list(path: Path) -> list[str]:
    """Returns the lines of a text file that are no comments."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path} as a list of images: {error}") from error
    entries = [line.strip() for line in lines]
    names = [entry for entry in entries if entry and not entry.startswith("#")]
    if not names:
        raise UserError(f"the list {path} names no image")
    return names


def _resolve(name: str, folder: Path) -> str:
    """Returns a listed path relative to the list, or to the working directory."""
    beside = folder / Path(name).expanduser()
    is_elsewhere = not beside.exists() and Path(name).exists()
    return os.path.abspath(name) if is_elsewhere else str(beside)


def _found(paths: list[str], where: str) -> list[str]:
    """Returns `paths`, or says what was looked for if there are none."""
    if not paths:
        raise UserError(f"no image in {where}; looked for {', '.join(IMAGE_SUFFIXES)}")
    return paths
