"""The stations that a photograph of a job passes: read, network, paint and write."""

import contextlib
import dataclasses
import errno
import os
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.core.progress import say
from tfcolor.inference.conveyor import Early, Stations
from tfcolor.inference.gallery import Gallery
from tfcolor.inference.jobs import Job
from tfcolor.inference.loading import GrayToColor
from tfcolor.inference.manifest import DONE, Manifest, Outcome
from tfcolor.inference.one_photograph import (
    Reading,
    Settings,
    decode,
    failed_outcome,
    finish_job,
    predict_jobs,
    read_source,
)
from tfcolor.inference.remote import ServerError
from tfcolor.inference.variations import PredictedColors, see

AGAIN = "what is finished stays; run the same command again to continue"

_HOPELESS = frozenset(
    {
        errno.EDQUOT,
        errno.EIO,
        errno.ENODEV,
        errno.ENOSPC,
        errno.ENOTCONN,
        errno.ENXIO,
        errno.EROFS,
        errno.ESTALE,
    }
)
"""Errors of writing that the next photograph would meet as well."""

_BYTES_PER_PIXEL = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """A photograph that is to be colored, unless it proves to be done.

    Args:
      job: what to read and where to write.
      recorded: what an earlier job says of it, or None.
      may_be_done: whether it is done if its content is what it was then.
    """

    job: Job
    recorded: Outcome | None = None
    may_be_done: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """A photograph that waits for the network.

    Args:
      reading: the photograph.
      gray: float32 [1, h, w, 1] in [0, 1], as the network sees it.
    """

    reading: Reading
    gray: tf.Tensor


class HopelessError(UserError):
    """What stops a job, as no other photograph could be colored either."""


class StoppedJobError(UserError):
    """A job that was asked to stop.

    Args:
      message: how far it came.
      exit_status: for the process.
    """

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class TakenError(UserError):
    """A photograph whose results would replace those of another one."""


class ColoringStations(Stations[Task, Seen, PredictedColors, Outcome]):
    """Colors photographs and remembers what became of them.

    Args:
      colorizer: a network or a SavedModel.
      settings: of the job.
      manifest: remembers; None if nothing is to be remembered.
      galleries: that show the photographs.
      root: the folder that the results share, if they do. It exists.
    """

    def __init__(
        self,
        colorizer: GrayToColor,
        settings: Settings,
        manifest: Manifest | None = None,
        galleries: Sequence[Gallery] = (),
        root: Path | None = None,
    ) -> None:
        self._colorizer, self._settings, self._manifest = colorizer, settings, manifest
        self._galleries, self._root = galleries, root
        self._identity = None if root is None else _identify(root)

    def plan(self, jobs: Sequence[Job], must_overwrite: bool) -> list[Task]:
        """Returns what is left to do; the galleries learn of the rest.

        Args:
          jobs: all photographs.
          must_overwrite: whether to do again what is done.

        Returns:
          In the order of the jobs.
        """
        tasks = []
        for job in jobs:
            recorded = self._manifest.find(job) if self._manifest is not None else None
            is_needed = must_overwrite or any(gallery.needs(job) for gallery in self._galleries)
            if recorded is None or is_needed or not self._has_results(job, recorded):
                tasks.append(Task(job, None if must_overwrite else recorded))
            elif _is_untouched(job, recorded):
                for gallery in self._galleries:
                    gallery.conclude(job, recorded)
            else:
                tasks.append(Task(job, recorded, may_be_done=True))
        return tasks

    def measure(self, item: Task) -> int:
        """Returns the pixels of a photograph, by its header and its size as a file."""
        num_bytes = num_pixels = 0
        with contextlib.suppress(Exception):  # what is wrong with it, `load` will say
            num_bytes = os.stat(item.job.source).st_size
            with Image.open(item.job.source) as frame:
                num_pixels = frame.width * frame.height
        return max(num_pixels, num_bytes // _BYTES_PER_PIXEL)

    def load(self, item: Task) -> Seen | Early[Outcome]:
        """Reads a photograph and shrinks it for the network, unless it is done."""
        content, state = read_source(item.job)
        recorded = item.recorded
        if recorded is not None and item.may_be_done and recorded.state.sha256 == state.sha256:
            outcome = dataclasses.replace(recorded, source=item.job.source, state=state)
            return Early(self._settle(item.job, outcome))
        if recorded is not None and recorded.state.sha256 != state.sha256:
            _check_owner(item.job, recorded)
        reading = decode(item.job, content, state)
        return Seen(reading, see(self._colorizer.painter, reading.photograph))

    def shape(self, loaded: Seen) -> object:
        """Returns the size at which the network looks at a photograph."""
        return tuple(loaded.gray.shape)

    def predict(self, batch: Sequence[Seen]) -> Sequence[PredictedColors]:
        """Lets the network look at photographs of one size."""
        readings = [seen.reading for seen in batch]
        grays = [seen.gray for seen in batch]
        return predict_jobs(self._colorizer, readings, grays, self._settings.wishes)

    def finish(self, item: Task, loaded: Seen, predicted: PredictedColors) -> Outcome:
        """Paints and writes a photograph, then remembers that.

        Args:
          item: what to write.
          loaded: the photograph.
          predicted: what the network says of it.

        Returns:
          A record of what was done.

        Raises:
          HopelessError: if the folder of all results is gone.
        """
        if self._root is not None and _identify(self._root) != self._identity:
            raise HopelessError(f"the folder {self._root} has gone; {AGAIN}")
        outcome = finish_job(item.job, loaded.reading, predicted, self._settings, self._galleries)
        return self._settle(item.job, outcome)

    def fail(self, item: Task, error: Exception) -> Outcome:
        """Says why a photograph failed and remembers that.

        Args:
          item: the photograph.
          error: what was raised.

        Returns:
          A record of the failure.

        Raises:
          ServerError: if the colorizer's server is gone, which stops all.
          HopelessError: if the disk is full, or as gone as the folder of all
            results: no other photograph could be colored either.
        """
        job = item.job
        if isinstance(error, ServerError):
            raise ServerError(f"{error}; stopped at {job.source}; {AGAIN}") from error
        if isinstance(error, HopelessError):
            raise error
        if isinstance(error, OSError) and error.errno in _HOPELESS:
            place = error.filename or job.target
            raise HopelessError(f"cannot write {place}: {error.strerror}; {AGAIN}") from error
        outcome = failed_outcome(job, error, self._settings)
        say(f"skipped {outcome.error}")
        if isinstance(error, TakenError):  # the manifest tells of the other one
            return outcome
        try:
            return self._settle(job, outcome)
        except OSError as unwritten:
            raise HopelessError(f"{unwritten.filename}: {unwritten.strerror}; {AGAIN}") from error

    def _settle(self, job: Job, outcome: Outcome) -> Outcome:
        """Remembers what became of a photograph, tells the galleries and returns it."""
        if self._manifest is not None:
            self._manifest.add(outcome)
        for gallery in self._galleries:
            gallery.conclude(job, outcome)
        return outcome

    def _has_results(self, job: Job, recorded: Outcome) -> bool:
        """Says whether the results of a job are there, made by the same settings."""
        if recorded.status != DONE or recorded.settings != self._settings.digest:
            return False
        sizes = {os.path.abspath(file.path): file.size for file in recorded.results}
        if sizes.keys() != {os.path.abspath(path) for path in job.files}:
            return False
        with contextlib.suppress(OSError):
            return all(os.stat(path).st_size == size for path, size in sizes.items())
        return False


def _is_untouched(job: Job, recorded: Outcome) -> bool:
    """Says whether a file has the size and the time that it had then."""
    with contextlib.suppress(OSError, ValueError):
        status = os.stat(job.source)
        state = recorded.state
        return (status.st_size, status.st_mtime_ns) == (state.size, state.mtime_ns)
    return False


def _check_owner(job: Job, recorded: Outcome) -> None:
    """Raises TakenError if the results in place are those of another photograph."""
    if recorded.status != DONE or not os.path.exists(recorded.source):
        return
    if not os.path.samefile(recorded.source, job.source):
        raise TakenError(
            f"{job.source}: {job.target} is the result of {os.path.normpath(recorded.source)};"
            " choose another --output, or --overwrite"
        )


def _identify(folder: Path) -> tuple[int, int] | None:
    """Returns what tells a folder from another one that has taken its place."""
    with contextlib.suppress(OSError):
        status = os.stat(folder)
        return status.st_dev, status.st_ino
    return None
