"""The videos of a job, one after the other: done ones are passed over."""

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from tfcolor.core.errors import UserError
from tfcolor.core.progress import say
from tfcolor.inference.jobs import Job
from tfcolor.inference.loading import GrayToColor
from tfcolor.inference.manifest import DONE, FAILED, Manifest, Outcome, ResultFile, SourceState
from tfcolor.inference.one_photograph import Settings
from tfcolor.inference.remote import ServerError
from tfcolor.inference.stations import StoppedJobError
from tfcolor.inference.video.coloring import VideoSettings, color_video
from tfcolor.inference.video.options import VideoOptions


@dataclasses.dataclass
class VideoCounts:
    """What became of the videos of a job.

    Args:
      done: that are colored now.
      before: that an earlier job has colored.
      failed: that could not be colored, or not to their end.
    """

    done: int = 0
    before: int = 0
    failed: int = 0


def color_videos(
    colorizer: GrayToColor,
    jobs: Sequence[Job],
    settings: Settings,
    options: VideoOptions,
    manifest: Manifest | None = None,
    must_overwrite: bool = False,
    stop: Callable[[], int] = lambda: 0,
) -> VideoCounts:
    """Colors videos and remembers what is done.

    Args:
      colorizer: a network or a SavedModel.
      jobs: what to read and where to write.
      settings: of the job; one decoding among them.
      options: how videos are smoothed and written.
      manifest: that remembers them, or None.
      must_overwrite: whether to color again what is done.
      stop: asked after every segment whether to stop; returns the exit status for
        that, or 0 to go on.

    Returns:
      How many videos were done. Each that fails is reported when it does.

    Raises:
      ServerError: if the colorizer's server is gone; what is finished stays.
      StoppedJobError: if it was asked to stop.
    """
    digest = _digest(settings, options)
    video = VideoSettings(settings.wishes, options, settings.provenance, digest)
    counts = VideoCounts()
    for job in jobs:
        recorded = manifest.find(job) if manifest is not None else None
        if recorded is not None and not must_overwrite and _is_done(job, recorded, digest):
            counts.before += 1
            continue
        outcome = _color(colorizer, job, video, stop)
        if manifest is not None:
            manifest.add(outcome)
        counts.done += outcome.status == DONE and outcome.error is None
        counts.failed += outcome.error is not None
    return counts


def _color(
    colorizer: GrayToColor, job: Job, settings: VideoSettings, stop: Callable[[], int]
) -> Outcome:
    """Colors one video and returns what became of it."""
    try:
        status = os.stat(job.source)
        record = color_video(colorizer, job.source, job.target, settings, stop)
        state = SourceState(status.st_size, status.st_mtime_ns, _hash(job.source))
        result = ResultFile(job.target, job.target.stat().st_size, _hash(job.target))
    except (ServerError, StoppedJobError):
        raise
    except (UserError, OSError) as error:
        text = str(error) if isinstance(error, UserError) else f"{job.source}: {error.strerror}"
        say(f"skipped {text}")
        return Outcome(job.source, job.target, FAILED, 0.0, settings.digest, text)
    return Outcome(
        source=job.source,
        target=job.target,
        status=DONE,
        seconds=record.seconds,
        settings=settings.digest,
        error=record.problem or None,
        state=state,
        results=(result,),
        doubt=record.doubt,
    )


def _is_done(job: Job, recorded: Outcome, digest: str) -> bool:
    """Says whether a video was colored by the same settings and has not changed since."""
    if recorded.status != DONE or recorded.settings != digest:
        return False
    with contextlib.suppress(OSError, ValueError):
        status, state = os.stat(job.source), recorded.state
        is_untouched = (status.st_size, status.st_mtime_ns) == (state.size, state.mtime_ns)
        return is_untouched and job.target.stat().st_size == recorded.results[0].size
    return False


def _digest(settings: Settings, options: VideoOptions) -> str:
    """Returns what two jobs share that give the same videos."""
    text = json.dumps([settings.digest, dataclasses.asdict(options)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _hash(path: Path) -> str:
    """Returns the SHA-256 of a file of any length."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
