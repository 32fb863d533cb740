"""What became of every photograph of an archive: one line of JSON for each.

A line is appended when its photograph is done: a job that is killed goes on from
there. Every result was renamed into place before its line was written. Neither is
synced to the disk one by one, which would take longer than coloring: a killed
process loses nothing, and what a power failure cut off does not have the size
that its line says, so it is colored again.
"""

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from tfcolor.core.errors import UserError
from tfcolor.core.files import write_bytes
from tfcolor.core.progress import say
from tfcolor.inference.jobs import Job

MANIFEST_FILE = "tfcolor_manifest.jsonl"
DONE, FAILED = "done", "failed"
_FIRST_BYTES = b'{"path": '


@dataclasses.dataclass(frozen=True)
class SourceState:
    """What tells whether a photograph is still the one that was colored.

    Args:
      size: of the file in bytes.
      mtime_ns: when it was changed, in nanoseconds.
      sha256: of its content; empty where that could not be read.
    """

    size: int = 0
    mtime_ns: int = 0
    sha256: str = ""


@dataclasses.dataclass(frozen=True)
class ResultFile:
    """A file that was written.

    Args:
      path: the file.
      size: in bytes.
      sha256: of its content.
    """

    path: Path
    size: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one photograph.

    Args:
      source: the photograph.
      target: where its result goes, or would go.
      status: `DONE` or `FAILED`.
      seconds: of work on it.
      settings: digest of what decides the result, see `Settings.digest`.
      error: why it failed, in one line; None if it did not.
      state: of the source when it was read.
      results: the files that were written, in this order.
      lightness_deviation: the largest of any pixel of any colorization, in steps
        of the photograph's depth; None where there is no lightness to keep.
      doubt: mean uncertainty in [0, 1]; None if it failed.
    """

    source: Path
    target: Path
    status: str
    seconds: float
    settings: str
    error: str | None = None
    state: SourceState = SourceState()
    results: tuple[ResultFile, ...] = ()
    lightness_deviation: float | None = None
    doubt: float | None = None


def format_outcome(outcome: Outcome, folder: Path) -> str:
    """Returns an outcome as one line of a manifest.

    Args:
      outcome: what to write.
      folder: of the manifest; the names of files are relative to it.

    Returns:
      JSON in ASCII with a line break, whatever bytes the names hold.
    """

    def name(path: Path) -> str:
        return os.path.relpath(path, folder)

    record = {
        "path": name(outcome.source),
        "target": name(outcome.target),
        "status": outcome.status,
        "seconds": round(outcome.seconds, 3),
        "error": outcome.error,
        "settings": outcome.settings,
        **{f"source_{key}": value for key, value in dataclasses.asdict(outcome.state).items()},
        "results": [
            {"path": name(file.path), "size": file.size, "sha256": file.sha256}
            for file in outcome.results
        ],
        "lightness_deviation": outcome.lightness_deviation,
        "doubt": None if outcome.doubt is None else round(outcome.doubt, 6),
    }
    return json.dumps(record) + "\n"


def parse_outcome(line: str | bytes, folder: Path) -> Outcome:
    """Returns the outcome of a line of a manifest.

    Args:
      line: as `format_outcome` gave it.
      folder: of the manifest.

    Returns:
      The outcome.

    Raises:
      ValueError: if the line is torn or not one of a manifest.
    """
    try:
        return _to_outcome(json.loads(line), folder)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError("not a line of a manifest") from error


def _to_outcome(record: dict[str, Any], folder: Path) -> Outcome:
    """Returns the outcome of a record, or raises KeyError or TypeError."""
    files = [
        ResultFile(folder / file["path"], file["size"], file["sha256"])
        for file in record["results"]
    ]
    state = (record[f"source_{field.name}"] for field in dataclasses.fields(SourceState))
    return Outcome(
        source=folder / record["path"],
        target=folder / record["target"],
        state=SourceState(*state),
        results=tuple(files),
        **{
            key: record[key]
            for key in ("status", "seconds", "settings", "error", "lightness_deviation", "doubt")
        },
    )


class Manifest:
    """A manifest that this process alone writes.

    Of several lines of one target the last counts. A torn last line, left by a
    killed process, is cut off. Threads may share it.

    Args:
      path: the file; created if there is none.

    Raises:
      UserError: if another process holds it, it cannot be written, or is no
        manifest.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.Lock()
        try:
            self._file = _open_locked(path)
            self._lines = self._read()
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror or error}") from error

    def __enter__(self) -> "Manifest":
        """Returns itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Closes the file, which lets others write it."""
        self._file.close()

    def find(self, job: Job) -> Outcome | None:
        """Returns what became of a photograph in earlier calls, if that is known."""
        line = self._lines.get(self._key(job.target))
        return None if line is None else parse_outcome(line, self.path.parent)

    def add(self, outcome: Outcome) -> None:
        """Appends an outcome; it is in the hands of the system on return.

        Args:
          outcome: of a photograph whose results are in place.

        Raises:
          OSError: if the line cannot be written, of which then nothing stays.
        """
        line = format_outcome(outcome, self.path.parent).encode()
        with self._mutex:
            size = os.fstat(self._file.fileno()).st_size
            try:
                if self._file.write(line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError as error:
                with contextlib.suppress(OSError):
                    os.truncate(self._file.fileno(), size)
                raise OSError(error.errno, error.strerror, str(self.path)) from error
            self._lines[self._key(outcome.target)] = line

    def compact(self) -> None:
        """Rewrites the file, synced, with one line for each target, sorted by photograph.

        Raises:
          OSError: if it cannot be written; then it is as it was.
        """
        with self._mutex:
            lines = sorted(self._lines.values())
            write_bytes(self.path, b"".join(lines), is_synced=True)

    def outcomes(self) -> Iterator[Outcome]:
        """Yields the last outcome of every target."""
        for line in self._lines.values():
            yield parse_outcome(line, self.path.parent)

    def _key(self, target: Path) -> str:
        """Returns what the lines of one target share."""
        return os.path.relpath(target, self.path.parent)

    def _read(self) -> dict[str, bytes]:
        """Returns the last line of every target; cuts a torn one off."""
        content = self._file.read()
        if content and not content.startswith(_FIRST_BYTES[: len(content)]):
            raise UserError(f"{self.path} is no manifest; choose another --manifest")
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self._file.fileno(), whole)
        lines, num_damaged = {}, 0
        for line in content[:whole].splitlines(keepends=True):
            try:
                lines[self._key(parse_outcome(line, self.path.parent).target)] = line
            except ValueError:
                num_damaged += 1
        if num_damaged:
            say(f"{self.path}: {num_damaged} damaged lines, whose photographs are colored again")
        return lines


def read_manifest(path: Path) -> list[Outcome]:
    """Reads a manifest that another process may be writing.

    Args:
      path: the file.

    Returns:
      The last outcome of every target, in the order of the file; what is torn or
      damaged is left out.

    Raises:
      UserError: if it cannot be read.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    outcomes = {}
    for line in lines:
        if line.endswith(b"\n"):
            with contextlib.suppress(ValueError):
                outcome = parse_outcome(line, path.parent)
                outcomes[outcome.target] = outcome
    return list(outcomes.values())


def _open_locked(path: Path) -> BinaryIO:
    """Opens a file, unbuffered, to read it and to append to it, for this process alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = open(path, "a+b", buffering=0)  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it may have replaced it meanwhile.
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                file.seek(0)
                return file
        except BlockingIOError as error:
            file.close()
            raise UserError(f"another process writes {path}; wait for it, or stop it") from error
        except FileNotFoundError:
            pass
        except BaseException:
            file.close()
            raise
        file.close()
