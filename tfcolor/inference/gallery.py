"""Pictures of a job that are collected while they are in memory: a contact sheet."""

import abc
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.core.files import check_writable, write_bytes
from tfcolor.core.progress import say
from tfcolor.data.raster import narrow, shrink
from tfcolor.inference.jobs import Job
from tfcolor.inference.manifest import Outcome
from tfcolor.inference.photographs import ColoredPhotograph
from tfcolor.inference.sheet import CELL, build_sheet, colored_row

MAX_SHEET_ROWS = 50


class Gallery(abc.ABC):
    """What collects something of the photographs of a job; by itself, nothing.

    `show` and `conclude` are called in any of several threads.
    """

    def needs(self, job: Job) -> bool:
        """Says whether a photograph must be shown, though it is done since an earlier job."""
        del job
        return False

    def show(self, job: Job, index: int, colored: ColoredPhotograph) -> None:  # noqa: B027
        """Takes a colorization that was written.

        Args:
          job: the photograph.
          index: which of its colorizations, from 0, in turn.
          colored: that colorization.
        """

    def conclude(self, job: Job, outcome: Outcome) -> None:  # noqa: B027
        """Takes what became of a photograph, also if it failed or was done before."""

    @abc.abstractmethod
    def write(self) -> None:
        """Writes what was collected; the job has come to its end."""


class SheetGallery(Gallery):
    """A sheet of input, output and uncertainty of the first photographs of a job.

    Args:
      path: the PNG file.
      jobs: all photographs; those beyond the first 50 are not shown.

    Raises:
      UserError: if the file cannot be written.
    """

    def __init__(self, path: Path, jobs: Sequence[Job]) -> None:
        check_writable(path)
        self._path = path
        self._rows: dict[Path, dict[str, np.ndarray]] = {
            job.target: {} for job in jobs[:MAX_SHEET_ROWS]
        }

    def needs(self, job: Job) -> bool:
        """Says whether a photograph is among the first."""
        return job.target in self._rows

    def show(self, job: Job, index: int, colored: ColoredPhotograph) -> None:
        """Keeps pictures of a colorization that are as large as in the sheet.

        Args:
          job: the photograph.
          index: which of its colorizations, from 0.
          colored: that colorization.
        """
        if not self.needs(job):
            return
        if index == 0:
            self._rows[job.target] = colored_row(colored)
        else:
            picture = narrow(shrink(colored.rgb, CELL))
            self._rows[job.target][f"output {index + 1}"] = picture

    def write(self) -> None:
        """Writes the sheet, if there is anything in it.

        Raises:
          UserError: if the file cannot be written.
        """
        rows = [row | {"uncertainty": row.pop("uncertainty")} for row in self._rows.values() if row]
        if not rows:
            return
        buffer = io.BytesIO()
        Image.fromarray(build_sheet(rows)).save(buffer, format="PNG")
        try:
            write_bytes(self._path, buffer.getvalue())
        except OSError as error:
            raise UserError(f"cannot write {self._path}: {error.strerror}") from error
        say(f"wrote {self._path}")
