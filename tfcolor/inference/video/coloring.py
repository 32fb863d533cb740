"""Coloring of videos: colors that stay, sound as it was, and no frame done twice."""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
import tensorflow as tf

from tfcolor import __version__
from tfcolor.core.errors import UserError
from tfcolor.core.files import check_writable
from tfcolor.core.progress import ProgressReport, say
from tfcolor.inference.loading import GrayToColor
from tfcolor.inference.provenance import DIGITAL_SOURCE_TYPE, SOFTWARE, Provenance
from tfcolor.inference.stations import AGAIN, StoppedJobError
from tfcolor.inference.variations import Wishes
from tfcolor.inference.video.frame_colors import FrameColors, check_wishes
from tfcolor.inference.video.options import VideoOptions
from tfcolor.inference.video.reading import Film, FilmReader, Frame, open_film
from tfcolor.inference.video.segments import Segments, identify
from tfcolor.inference.video.smoothing import TrackSmoother, lookahead
from tfcolor.inference.video.writing import PartWriter, check_result, join_parts

MEMORY_BYTES = 2**30
"""What the frames of a segment and those after it may take together."""

_MIN_SEGMENT = 8
_READ_AHEAD = 4

Item = TypeVar("Item")


@dataclasses.dataclass(frozen=True, eq=False)
class VideoSettings:
    """What holds for all videos of a job.

    Args:
      wishes: which colors are asked for, one decoding among it.
      options: how videos are smoothed and written.
      provenance: what the files say of where their colors come from.
      digest: what two jobs share that give the same colors: of the model, the
        wishes and the size at which the network looks.
    """

    wishes: Wishes = dataclasses.field(default_factory=Wishes)
    options: VideoOptions = dataclasses.field(default_factory=VideoOptions)
    provenance: Provenance = dataclasses.field(default_factory=Provenance)
    digest: str = ""


@dataclasses.dataclass(frozen=True)
class ColoredVideo:
    """What became of a video.

    Args:
      num_frames: that were colored.
      num_shots: that they belong to; as many as frames without smoothing.
      size: (height, width) in pixels, upright.
      doubt: mean uncertainty in [0, 1].
      seconds: that this process took.
      problem: what is missing or damaged in the original, in one line; "" for
        nothing.
    """

    num_frames: int
    num_shots: int
    size: tuple[int, int]
    doubt: float
    seconds: float
    problem: str


@dataclasses.dataclass(frozen=True, eq=False)
class _Moment:
    """A frame that waits for those after it.

    Args:
      frame: to be painted.
      sight: uint8 [h, w], as links need it.
      prediction: float32 [h, w, K].
    """

    frame: Frame
    sight: np.ndarray
    prediction: np.ndarray

    @property
    def num_bytes(self) -> int:
        """Returns what it takes, with the sums over its future."""
        return self.frame.samples.nbytes + self.sight.nbytes + 2 * self.prediction.nbytes


def color_video(
    colorizer: GrayToColor,
    source: Path,
    target: Path,
    settings: VideoSettings,
    stop: Callable[[], int] = lambda: 0,
) -> ColoredVideo:
    """Colors a video.

    Segments of some seconds are kept beside the result until it is whole. If the
    process ends before, the next one goes on after the last of them, and writes the
    same file.

    Args:
      colorizer: a network or a SavedModel.
      source: the video, gray or color; only its lightness is used.
      target: the file to write, whose ending says the container.
      settings: colors and quality.
      stop: asked after every segment whether to stop; returns the exit status for
        that, or 0 to go on.

    Returns:
      What became of it. A video that is cut off or damaged is colored as far as it
      can be read; the record says so.

    Raises:
      UserError: if the video cannot be read at all, or the result not be written.
      UsageError: if something is asked for that videos do not have.
      ServerError: if the colorizer's server is gone; what is finished stays.
      StoppedJobError: if it was asked to stop; finished segments stay.
    """
    started = time.monotonic()
    check_wishes(settings.wishes, colorizer)
    film = open_film(source)
    check_result(film, target, settings.options)
    check_writable(target)
    segments = Segments(target, _fingerprint(source, settings))
    reader = FilmReader(film)
    is_exact = settings.options.codec == "ffv1"
    colors = FrameColors(colorizer, film, settings.wishes, is_exact=is_exact)
    job = _Job(film, colors, settings.options, segments.state)
    try:
        with ProgressReport(f"coloring {source.name}", film.num_frames, "frames", job.done) as bar:
            for window, number in job.windows(reader):
                segments.add(functools.partial(job.write_segment, window, number))
                bar.advance(number, is_milestone=True)
                _stop_if_asked(stop, source)
    except tf.errors.ResourceExhaustedError as error:
        raise UserError(f"{source}: too large for the memory of this machine") from error
    segments.finish(
        functools.partial(join_parts, film, segments.parts, comment=_comment(settings)), target
    )
    if reader.problem:
        say(f"{source}: {reader.problem}")
    return job.record(time.monotonic() - started, reader.problem)


def _stop_if_asked(stop: Callable[[], int], source: Path) -> None:
    """Raises StoppedJobError if a signal has come."""
    if stop():
        raise StoppedJobError(f"stopped by a signal at {source}; {AGAIN}", stop())


class _Job:
    """The coloring of one film from a state on.

    Args:
      film: what is colored.
      colors: predicts and paints.
      options: how it is smoothed and written.
      state: in which the next segment begins; empty for the first.
    """

    def __init__(
        self,
        film: Film,
        colors: FrameColors,
        options: VideoOptions,
        state: Mapping[str, np.ndarray],
    ) -> None:
        self._film, self._colors, self._options = film, colors, options
        self._state = state
        self._smoother: TrackSmoother | None = None
        self.done, self._num_shots = (int(state.get(name, 0)) for name in ("done", "shots"))
        self._doubt = float(state.get("doubt", 0))
        colors.bias = {
            name.removeprefix("bias_"): value
            for name, value in state.items()
            if name.startswith("bias_")
        }

    def windows(self, reader: FilmReader) -> Iterator[tuple[list[_Moment], int]]:
        """Yields the frames of each segment with those after it, and its length."""
        ahead = lookahead(self._options.smoothing)
        window: list[_Moment] = []
        number = 0
        for moment in _prefetch(map(self._look, reader.frames(self.done)), _READ_AHEAD):
            window.append(moment)
            number = number or self._segment_length(moment, ahead)
            if len(window) == number + ahead:
                yield window, number
                del window[:number]
        while window:
            length = min(number, len(window))
            yield window, length
            del window[:length]

    def write_segment(
        self, window: list[_Moment], number: int, path: Path
    ) -> dict[str, np.ndarray]:
        """Colors a segment, and returns the state in which the next one begins."""
        smoother = self._smoother or self._resumed_smoother(window[0])
        smoothed = smoother.smooth(
            [moment.sight for moment in window],
            [moment.prediction for moment in window],
            number,
        )
        writer = PartWriter(path, self._film, self._options)
        try:
            for moment, (prediction, begins_shot) in zip(window, smoothed, strict=False):
                frame = moment.frame
                rgb, doubt = self._colors.paint(frame, prediction, begins_shot=begins_shot)
                writer.write(rgb, frame.time, frame.duration)
                self._doubt += doubt
                self._num_shots += begins_shot
        finally:
            writer.close()
        self.done += number
        self._smoother = smoother
        state: dict[str, Any] = {"done": self.done, "shots": self._num_shots, "doubt": self._doubt}
        state |= {f"bias_{name}": value for name, value in self._colors.bias.items()}
        if smoother.frame is not None:
            state |= {"sight": smoother.frame, "past": smoother.past}
        return {name: np.asarray(value) for name, value in state.items()}

    def record(self, seconds: float, problem: str) -> ColoredVideo:
        """Returns what became of the film."""
        doubt = self._doubt / max(self.done, 1)
        return ColoredVideo(self.done, self._num_shots, self._film.size, doubt, seconds, problem)

    def _look(self, frame: Frame) -> _Moment:
        """Lets the network look at a frame."""
        seen, prediction = self._colors.predict(frame)
        return _Moment(frame, self._colors.cells(prediction).shrink(seen), prediction)

    def _segment_length(self, moment: _Moment, ahead: int) -> int:
        """Returns the frames of a segment: those of some seconds, if they fit in memory."""
        wished = round(self._options.segment_seconds * self._film.rate)
        fitting = MEMORY_BYTES // moment.num_bytes - ahead
        return max(min(wished, fitting), _MIN_SEGMENT)

    def _resumed_smoother(self, moment: _Moment) -> TrackSmoother:
        """Returns what smooths from the job's first state on."""
        cells = self._colors.cells(moment.prediction)
        smoother = TrackSmoother(cells, self._options.smoothing)
        smoother.frame, smoother.past = self._state.get("sight"), self._state.get("past")
        return smoother


def _prefetch(items: Iterable[Item], number: int) -> Iterator[Item]:
    """Yields items that a thread makes, some of them before they are asked for."""
    source = iter(items)
    end = object()
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(next, source, end) for _ in range(number)]
        try:
            while (item := waiting.pop(0).result()) is not end:
                waiting.append(pool.submit(next, source, end))
                yield item  # type: ignore[misc]
        finally:
            for future in waiting:
                future.cancel()


def _fingerprint(source: Path, settings: VideoSettings) -> dict[str, Any]:
    """Returns whatever decides on the content of the result."""
    versions = {name: list(version) for name, version in av.library_versions.items()}
    return {
        "source": identify(source),
        "colors": settings.digest,
        "options": dataclasses.asdict(settings.options),
        "comment": _comment(settings),
        "tfcolor": __version__,
        "libraries": {"av": av.__version__, **versions},
    }


def _comment(settings: VideoSettings) -> str:
    """Returns what the metadata says of where the colors come from."""
    told = settings.provenance
    parts = {
        "model": told.model,
        "checkpoint sha256": told.checkpoint_sha256,
        "seed": "" if told.seed is None else str(told.seed),
        "flags": told.flags,
        "digital source type": DIGITAL_SOURCE_TYPE,
    }
    details = ", ".join(f"{name} {value}" for name, value in parts.items() if value)
    return f"Colors predicted from the lightness by {SOFTWARE}: {details}"
