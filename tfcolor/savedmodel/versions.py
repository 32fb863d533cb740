"""Version folders that appear whole, next to others that are being written."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tfcolor.core.errors import UserError

PREFIX = ".exporting_"
"""Of the folders of unfinished exports; TensorFlow Serving sees numbers only."""


def write_version(export_dir: str | os.PathLike[str], write: Callable[[Path], None]) -> Path:
    """Writes the next version; it appears by a rename.

    What killed exports have left behind is removed, unless another export into
    the same folder runs.

    Args:
      export_dir: holds one folder per version, named by increasing integers.
      write: fills an empty folder.

    Returns:
      The folder of the new version.

    Raises:
      UserError: if the folder cannot be written.
    """
    folder = Path(export_dir)
    with _sharing(folder), _temporary(folder) as temporary:
        write(temporary)
        return _publish(temporary, folder)


@contextlib.contextmanager
def _sharing(folder: Path) -> Iterator[None]:
    """Locks a folder against removal of leftovers, after removing them if alone.

    The lock is on the folder itself, goes with the process that holds it, and
    leaves no file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise UserError(f"cannot write in {folder}: {error.strerror}") from error
    try:
        # A network file system may know no locks; leftovers stay there.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for leftover in folder.glob(f"{PREFIX}*"):
                shutil.rmtree(leftover, ignore_errors=True)
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """Yields an empty folder in `folder`, which is removed if it is still there."""
    try:
        temporary = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
    except OSError as error:
        raise UserError(f"cannot write in {folder}: {error.strerror}") from error
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _publish(temporary: Path, folder: Path) -> Path:
    """Renames a folder to the first free version after the largest."""
    temporary.chmod(folder.stat().st_mode & 0o777)  # mkdtemp's is for its owner alone
    number = max((int(entry.name) for entry in folder.iterdir() if entry.name.isdigit()), default=0)
    while True:
        number += 1
        try:
            return temporary.rename(folder / str(number))
        except OSError:
            if not (folder / str(number)).exists():  # else another export was first
                raise
