"""Files that appear whole or not at all."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfcolor.core.errors import UserError

PART_SUFFIX = ".tfcolor-part"
"""How the temporary file of a job ends, which no other program uses."""

_MAX_NAME_BYTES = 255


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside `path` that replaces it on success.

    Args:
      path: the file to create or replace; its folder is created. The
        temporary file keeps the suffix, so writers that look at it work.

    Yields:
      The temporary path to write to. It is removed if the block raises.

    Raises:
      UserError: if the folder cannot be created or written.
    """
    target = Path(path)
    temporary = _make_temporary(target)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Makes sure that a file can be written, before hours go into its content.

    Args:
      path: the file; its folder is created, the file itself is not touched.

    Raises:
      UserError: if the folder cannot be created or written.
    """
    _make_temporary(Path(path)).unlink()


def part_path(path: str | os.PathLike[str]) -> Path:
    """Returns the temporary file of `write_bytes`, which depends on the target alone.

    Args:
      path: the target.

    Returns:
      A hidden name beside it, short enough for a file system.

    Example:
      >>> part_path("album/a.png").as_posix()
      'album/.a.png.tfcolor-part'
    """
    target = Path(path)
    name = f".{target.name}{PART_SUFFIX}"
    if len(os.fsencode(name)) > _MAX_NAME_BYTES:
        name = f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()}{PART_SUFFIX}"
    return target.with_name(name)


def write_bytes(path: str | os.PathLike[str], content: bytes, *, is_synced: bool = False) -> None:
    """Writes a file atomically, in a long job that may be killed at any time.

    Other than that of `atomic_path`, the temporary file has a name of its own kind:
    what a killed process leaves is replaced by the next one that writes the
    file, or found by `sweep_parts`.

    Args:
      path: the file to create or replace, in a folder that exists.
      content: its whole content.
      is_synced: whether it is on the disk when this returns. A process may be
        killed without it; it takes a power failure to lose what is not synced.

    Raises:
      OSError: if the file cannot be written; it names `path`.
    """
    part = part_path(path)
    try:
        part.unlink(missing_ok=True)
        # A new file: a link that someone has put there is not followed.
        with open(part, "xb") as file:
            file.write(content)
            if is_synced:
                file.flush()
                os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def sweep_parts(folder: str | os.PathLike[str]) -> int:
    """Removes what killed processes left of `write_bytes`.

    Args:
      folder: where nobody else writes now; one that is missing holds nothing.

    Returns:
      How many temporary files were removed.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        found = [entry.path for entry in entries if _is_part(entry.name)]
        for path in found:
            os.unlink(path)
        return len(found)
    return 0


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text file atomically.

    Args:
      path: the file to create or replace.
      text: its whole content, written as UTF-8.

    Raises:
      UserError: if the file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def format_json(value: Any) -> str:
    """Returns a value as JSON text; NaN and infinities become null.

    Args:
      value: anything `json` accepts, with floats that may not be finite.

    Returns:
      Indented lines, with a line break at the end.

    Example:
      >>> format_json(float("nan")).strip()
      'null'
    """
    return json.dumps(_without_nan(value), indent=2) + "\n"


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes a JSON file atomically; NaN becomes null.

    Args:
      path: the file to create or replace.
      value: anything `json` accepts, with floats that may be NaN.

    Raises:
      UserError: if the file cannot be written.
    """
    write_text(path, format_json(value))


def _is_part(name: str) -> bool:
    """Says whether a file's name is one that `part_path` gives."""
    return name.startswith(".") and name.endswith(PART_SUFFIX)


def _make_temporary(target: Path) -> Path:
    """Creates an empty file of the same suffix beside `target`."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{target.stem[:64]}.", suffix=target.suffix, dir=target.parent
        )
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"cannot write {target}: a file is in the place of its folder") from error
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror or error}") from error
    os.close(handle)
    return Path(name)


def _without_nan(value: Any) -> Any:
    """Replaces non-finite floats, which JSON does not have, by None."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def _umask() -> int:
    """Returns the process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
