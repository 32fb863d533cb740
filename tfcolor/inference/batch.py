"""Coloring an archive: one bad file stops no other, and a killed job goes on."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tfcolor.core.errors import UserError
from tfcolor.core.files import part_path, sweep_parts
from tfcolor.core.options import check_options, option
from tfcolor.core.progress import say, track
from tfcolor.data.video_files import is_video
from tfcolor.inference.conveyor import Conveyor, Limits
from tfcolor.inference.gallery import Gallery
from tfcolor.inference.jobs import Job, JobList
from tfcolor.inference.loading import GrayToColor
from tfcolor.inference.manifest import DONE, MANIFEST_FILE, Manifest
from tfcolor.inference.one_photograph import Settings, make_folder
from tfcolor.inference.stations import AGAIN, ColoringStations, StoppedJobError
from tfcolor.inference.video.options import VideoOptions

PIXELS_PER_THREAD = 16_000_000
"""How many pixels are in memory for every thread. A larger photograph is alone."""


@dataclasses.dataclass(frozen=True)
class JobOptions:
    """How a job of many photographs is done and remembered."""

    manifest: str = option(
        "",
        "JSON Lines file that remembers what is done; empty for tfcolor_manifest.jsonl in"
        " --output, or in the folder of all originals; none for one photograph without a folder",
    )
    overwrite: bool = option(
        False, "whether to color again what is done already, by the same settings"
    )
    batch_size: int = option(
        1,
        "photographs of one size that the network looks at together; more may be faster on a"
        " GPU, but then the last bits of a prediction depend on who is in a batch",
        minimum=1,
    )
    num_threads: int = option(
        0,
        "threads that read photographs, and as many that write results; 0 for one per core;"
        " each takes about 300 MB",
        minimum=0,
    )

    def __post_init__(self) -> None:
        """Raises UsageError if a value is not accepted."""
        check_options(self)


def color_files(
    colorizer: GrayToColor,
    jobs: JobList,
    settings: Settings,
    options: JobOptions | None = None,
    galleries: Sequence[Gallery] = (),
    video: VideoOptions | None = None,
    stop: Callable[[], int] = lambda: 0,
) -> None:
    """Colors files and remembers what is done: several photographs at a time, then videos.

    A photograph is passed over if an earlier job has colored it by the same
    settings, it has not changed, and its results are there.

    Args:
      colorizer: a network or a SavedModel.
      jobs: what to read and where to write.
      settings: with as many decodings as the jobs have samples.
      options: how.
      galleries: that show the photographs.
      video: how videos are colored.
      stop: asked again and again whether to stop; returns the exit status for that,
        or 0 to go on.

    Raises:
      UserError: at once, if the results cannot be written or the colorizer
        cannot do what is asked for; after all others are done, if some could
        not be colored. Each of these is reported when it fails.
      ServerError: at once, if the colorizer's server is gone. What is finished
        stays.
      StoppedJobError: if it was asked to stop; what was begun is finished.
    """
    options = options or JobOptions()
    settings.wishes.check(colorizer)
    photographs = [job for job in jobs.jobs if not is_video(job.source)]
    films = [job for job in jobs.jobs if is_video(job.source)]
    make_room(jobs)
    path = manifest_path(jobs, options)
    with contextlib.nullcontext() if path is None else open_manifest(path, jobs) as manifest:
        for problem in jobs.problems:
            say(problem)
        stations = ColoringStations(colorizer, settings, manifest, galleries, jobs.jobs[0].root)
        num_failed = _color_photographs(stations, photographs, options, stop)
        for gallery in galleries:
            gallery.write()
        num_failed += _color_films(colorizer, films, settings, options, manifest, video, stop)
        if manifest is not None:
            manifest.compact()
    check_complete(jobs, num_failed)


def _color_photographs(
    stations: ColoringStations, jobs: Sequence[Job], options: JobOptions, stop: Callable[[], int]
) -> int:
    """Colors photographs and returns how many failed."""
    total = len(jobs)
    if not total:
        return 0
    tasks = stations.plan(jobs, options.overwrite)
    num_before = total - len(tasks)
    if num_before:
        say(f"{num_before} of {total} photographs are done already")
    results = Conveyor(stations, _limits(options), lambda: bool(stop())).run(tasks)
    statuses = [each.status for each in track(results, "coloring", len(tasks), "photographs")]
    num_done = statuses.count(DONE)
    if len(statuses) < len(tasks):
        done = f"{num_before + num_done} of {total} photographs are done"
        raise StoppedJobError(f"stopped by a signal: {done}; {AGAIN}", stop())
    earlier = f", {num_before} were done already" if num_before else ""
    say(f"colored {num_done} of {total} photographs{earlier}")
    return total - num_done - num_before


def _color_films(
    colorizer: GrayToColor,
    films: Sequence[Job],
    settings: Settings,
    options: JobOptions,
    manifest: Manifest | None,
    video: VideoOptions | None,
    stop: Callable[[], int],
) -> int:
    """Colors videos and returns how many failed or are not complete."""
    if not films:
        return 0
    # PyAV takes long to import; most jobs have no videos.
    from tfcolor.inference.video.jobs import color_videos

    video = video or VideoOptions()
    counts = color_videos(colorizer, films, settings, video, manifest, options.overwrite, stop)
    earlier = f", {counts.before} were done already" if counts.before else ""
    say(f"colored {counts.done} of {len(films)} videos{earlier}")
    return counts.failed


def _limits(options: JobOptions) -> Limits:
    """Returns how much is done at once."""
    num_threads = options.num_threads or max(os.cpu_count() or 1, 2)
    return Limits(num_threads, options.batch_size, num_threads * PIXELS_PER_THREAD)


def make_room(jobs: JobList) -> None:
    """Makes the folder of the results, and sees that a file can be written there.

    Args:
      jobs: what is to be colored.

    Raises:
      UserError: if nothing can be written.
    """
    first = jobs.jobs[0]
    try:
        if first.root is not None:
            first.root.mkdir(parents=True, exist_ok=True)
        make_folder(first)
        part = part_path(first.target)
        part.unlink(missing_ok=True)
        part.open("xb").close()
        part.unlink()
    except OSError as error:
        raise UserError(f"cannot write {first.target}: {error.strerror}") from error


def manifest_path(jobs: JobList, options: JobOptions) -> Path | None:
    """Returns where the manifest of a job is, or None if it has none."""
    if options.manifest:
        return Path(options.manifest)
    return None if jobs.folder is None else jobs.folder / MANIFEST_FILE


@contextlib.contextmanager
def open_manifest(path: Path, jobs: JobList) -> Iterator[Manifest]:
    """Yields a manifest, once what a killed job left half written is gone.

    Args:
      path: of the manifest.
      jobs: whose results it remembers.

    Yields:
      The manifest, which no other job may write meanwhile.

    Raises:
      UserError: if it is no manifest, or cannot be written.
    """
    with Manifest(path) as manifest:
        for folder in {path.parent, *(job.target.parent for job in jobs.jobs)}:
            sweep_parts(folder)
        yield manifest


def check_complete(jobs: JobList, num_failed: int) -> None:
    """Raises UserError at the end of a job that has not done everything.

    Args:
      jobs: what was to be colored.
      num_failed: those of them that were not.
    """
    complaints = []
    if num_failed:
        has_films = any(is_video(job.source) for job in jobs.jobs)
        unit = "files" if has_films else "photographs"
        complaints.append(f"{num_failed} of {len(jobs.jobs)} {unit} could not be colored")
    if jobs.problems:
        complaints.append(f"{len(jobs.problems)} folders could not be read")
    if complaints:
        raise UserError(", and ".join(complaints))
