"""Image files: one, a folder of them, a glob, or a text file that lists them."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from tfcolor.core.errors import UserError
from tfcolor.data.images import IMAGE_SUFFIXES, read_file


class FileSource:
    """Images that are one file each.

    Args:
      paths: the files, in the order of their positions; they need not exist.
    """

    def __init__(self, paths: Iterable[str | os.PathLike[str]]) -> None:
        self._paths = [os.fspath(path) for path in paths]

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


def open_images(place: str) -> FileSource:
    """Opens a folder (recursively), an image file, a glob or a list of paths.

    Hidden files and folders are skipped. Files come in the order of their
    paths, whatever the file system says; a list keeps its own order.

    Args:
      place: a folder, an image file, a pattern with `*`, `?`, `[` or `**`, or a
        text file with one path per line, relative to its own folder or else to
        the working directory; lines that start with `#` are comments.

    Returns:
      The files. Listed files that do not exist are reported when read.

    Raises:
      UserError: if `place` does not exist or holds no image.
    """
    path = Path(place).expanduser()
    if path.is_dir():
        return FileSource(_found(sorted(_walk(path)), f"the folder {place}"))
    if path.is_file():
        if path.suffix.lower() in IMAGE_SUFFIXES:
            return FileSource([path])
        return FileSource(_read_list(path))
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


def _read_list(path: Path) -> list[str]:
    """Returns the paths in a text file, relative ones resolved."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path} as a list of images: {error}") from error
    entries = [line.strip() for line in lines]
    names = [entry for entry in entries if entry and not entry.startswith("#")]
    if not names:
        raise UserError(f"the list {path} names no image")
    return [_resolve(name, path.parent) for name in names]


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
