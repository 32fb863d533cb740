"""One HTML file that shows every photograph of a job before and after."""

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.files import atomic_path, check_writable
from tfcolor.core.options import check_options, option
from tfcolor.inference.report_page import build_page, relative_link, to_inert_json
from tfcolor.inference.report_pictures import Pictures, read_pictures
from tfcolor.inference.report_spool import PictureSpool

MAX_PICTURE_BYTES = 400_000_000
"""What browsers still open; photographs beyond it are shown from their files."""


@dataclasses.dataclass(frozen=True)
class ReportOptions:
    """A page to look at the results."""

    report: str = option(
        "",
        "HTML file that shows every photograph before and after; opens from disk; empty for none",
    )
    report_side: int = option(
        480,
        "longer side of the pictures in the report, in pixels; the files are read where more is"
        " needed",
        minimum=64,
        maximum=2048,
    )

    def __post_init__(self) -> None:
        """Raises UsageError if a value is not accepted."""
        check_options(self)
        if self.report and not self.report.lower().endswith((".html", ".htm")):
            raise UsageError(f"--report={self.report}: expected a name that ends in .html")


@dataclasses.dataclass(frozen=True)
class ReportEntry:
    """What a report says of one photograph.

    Args:
      name: what the user knows it by: its path below the folder that was given.
      source: the file before.
      results: the colored files, the one to compare first; none if it failed.
      uncertainty: the file of the map of the first of these, if there is one.
      seconds: spent on it; None where unknown, as the next two.
      doubt: mean uncertainty, in [0, 1].
      lightness_deviation: the largest, in steps of the photograph's depth.
      is_layer: whether the results are color alone, to be laid over the original.
      details: what else to tell, by title.
      error: why it failed; empty if it did not.
    """

    name: str
    source: Path
    results: Sequence[Path] = ()
    uncertainty: Path | None = None
    seconds: float | None = None
    doubt: float | None = None
    lightness_deviation: float | None = None
    is_layer: bool = False
    details: Mapping[str, str] = dataclasses.field(default_factory=dict)
    error: str = ""


class ReportWriter:
    """Collects photographs in any order, from any thread, and writes the page.

    Pictures wait in a hidden file beside the report. The next writer finds there
    what a killed one left, and in the report itself what an earlier job put there,
    and takes it for all photographs whose files have not changed since.

    Args:
      options: where to, and how large the pictures are.
      settings: what held for the whole job, by title: model, seed, flags.

    Raises:
      UserError: if the report cannot be written.
    """

    def __init__(self, options: ReportOptions, settings: Mapping[str, str]) -> None:
        self._path = Path(options.report)
        self._side = options.report_side
        self._settings = dict(settings)
        self._lock = threading.Lock()
        self._records: list[tuple[str, str, str]] = []
        self._num_bytes = 0
        check_writable(self._path)
        with self._explained():
            self._spool = PictureSpool(self._path)

    def add(self, entry: ReportEntry, pictures: Pictures | None = None) -> None:
        """Adds a photograph that is finished or has failed.

        Args:
          entry: what to say of it; its results are written.
          pictures: of it. Without, they are those of an earlier job if the files
            are as they were then, or else read from the files.

        Raises:
          UserError: if the disk is full.
        """
        is_full = self._num_bytes >= MAX_PICTURE_BYTES
        key = "" if entry.error or is_full else self._fingerprint(entry)
        if key and pictures is None and key not in self._spool:
            pictures = self._read(entry)
        text = pictures.as_json() if key and pictures is not None else ""
        with self._lock, self._explained():
            if text:
                self._spool.append(key, text)
            if key not in self._spool:
                key = ""
            self._num_bytes += self._spool.size(key) if key else 0
            record = describe_entry(entry, self._path.parent) | {"pictures": key}
            self._records.append((entry.name, key, to_inert_json(record)))

    def finish(self) -> Path:
        """Writes the page; to be called once, after the last photograph.

        Returns:
          The report, with the photographs sorted by name.

        Raises:
          UserError: if it cannot be written.
        """
        with self._lock, self._explained():
            self._records.sort()
            settings = to_inert_json(self._settings)
            head, tail = build_page([record for *_, record in self._records], settings)
            keys = dict.fromkeys(key for _, key, _ in self._records if key)
            with atomic_path(self._path) as temporary, temporary.open("wb") as page:
                page.write(head)
                self._spool.copy(keys, page)
                page.write(tail)
            self._spool.remove()
        return self._path

    def _read(self, entry: ReportEntry) -> Pictures | None:
        """Returns the pictures of the files, or None if one cannot be read."""
        try:
            return read_pictures(entry.source, entry.results, entry.uncertainty, self._side)
        except UserError:
            return None

    def _fingerprint(self, entry: ReportEntry) -> str:
        """Returns a key that changes with the files, or nothing if one is gone."""
        try:
            stats = [path.stat() for path in (entry.source, *entry.results)]
        except OSError:
            return ""
        versions = [(stat.st_size, stat.st_mtime_ns) for stat in stats]
        paths = [os.path.abspath(path) for path in (entry.source, *entry.results)]
        facts = [paths, versions, self._side]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns failures to write into one clear line."""
        try:
            yield
        except OSError as error:
            raise UserError(f"cannot write {self._path}: {error.strerror or error}") from error


def describe_entry(entry: ReportEntry, folder: Path) -> dict[str, Any]:
    """Returns what the page is told of a photograph, but for its pictures.

    Args:
      entry: the photograph.
      folder: where the page is.

    Returns:
      Texts and numbers for JSON; the files as relative links.
    """
    return {
        "name": entry.name,
        "source": relative_link(entry.source, folder),
        "results": [relative_link(path, folder) for path in entry.results],
        "seconds": _rounded(entry.seconds),
        "doubt": _rounded(entry.doubt),
        "deviation": _rounded(entry.lightness_deviation),
        "isLayer": entry.is_layer,
        "details": dict(entry.details),
        "error": entry.error.removeprefix(f"{entry.source}: "),
    }


def _rounded(value: float | None) -> float | None:
    """Returns a number for JSON, which has no NaN."""
    return round(value, 4) if value is not None and math.isfinite(value) else None
