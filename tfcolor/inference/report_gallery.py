"""The report as something that watches a job."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tfcolor.core.progress import say, track
from tfcolor.inference.gallery import Gallery
from tfcolor.inference.jobs import Job, uncertainty_path
from tfcolor.inference.manifest import Outcome
from tfcolor.inference.photographs import ColoredPhotograph
from tfcolor.inference.report import ReportEntry, ReportOptions, ReportWriter
from tfcolor.inference.report_pictures import Pictures


class ReportGallery(Gallery):
    """A page of all photographs of a job, also of those that were done before.

    Args:
      options: where to, and how large the pictures are.
      jobs: all photographs.
      settings: what held for the whole job, by title: model, seed, flags.
      is_layer: whether the results are color alone, to be laid over the original.

    Raises:
      UserError: if the report cannot be written.
    """

    def __init__(
        self,
        options: ReportOptions,
        jobs: Sequence[Job],
        settings: Mapping[str, str],
        is_layer: bool = False,
    ) -> None:
        self._writer = ReportWriter(options, settings)
        self._side = options.report_side
        self._is_layer = is_layer
        folders = [os.path.dirname(os.path.abspath(job.source)) for job in jobs]
        self._folder = os.path.commonpath(folders) if folders else ""
        self._pictures: dict[Path, Pictures] = {}
        self._done_before: list[ReportEntry] = []

    def show(self, job: Job, index: int, colored: ColoredPhotograph) -> None:
        """Keeps small pictures of a colorization until its photograph is done.

        Args:
          job: the photograph.
          index: of the colorization, in turn.
          colored: the colorization.
        """
        if index == 0:
            self._pictures[job.target] = Pictures(colored.photograph, self._side)
        self._pictures[job.target].add_result(colored.rgb, colored.uncertainty)

    def conclude(self, job: Job, outcome: Outcome) -> None:
        """Puts a photograph on the page; one that was done before waits for the end.

        Args:
          job: the photograph.
          outcome: what became of it.

        Raises:
          UserError: if the disk is full.
        """
        pictures = self._pictures.pop(job.target, None)
        entry = self._describe(job, outcome)
        if pictures is None and not entry.error:
            self._done_before.append(entry)
        else:
            self._writer.add(entry, pictures)

    def write(self) -> None:
        """Reads what was done before, and writes the page.

        Raises:
          UserError: if it cannot be written.
        """
        entries = self._done_before
        if entries:
            with ThreadPoolExecutor(os.cpu_count()) as threads:
                added = threads.map(self._writer.add, entries)
                for _ in track(added, "looking at earlier results", len(entries), "photographs"):
                    pass
        say(f"wrote {self._writer.finish()}")

    def _describe(self, job: Job, outcome: Outcome) -> ReportEntry:
        """Returns what the page says of a photograph."""
        digests = {"Original, SHA-256": outcome.state.sha256}
        if outcome.results:
            digests["Result, SHA-256"] = outcome.results[0].sha256
        return ReportEntry(
            name=Path(os.path.relpath(job.source, self._folder)).as_posix(),
            source=job.source,
            results=() if outcome.error else job.colored,
            uncertainty=uncertainty_path(job.colored[0]) if job.has_uncertainty else None,
            seconds=outcome.seconds,
            doubt=outcome.doubt,
            lightness_deviation=outcome.lightness_deviation,
            is_layer=self._is_layer,
            details={title: digest for title, digest in digests.items() if digest},
            error=outcome.error or "",
        )
