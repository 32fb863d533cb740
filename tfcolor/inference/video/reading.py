"""Frames of a video of any format that FFmpeg reads: their lightness and their time."""

import dataclasses
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.inference.video.color_tags import (
    FULL_RANGE,
    LIMITED_RANGE,
    RGB,
    UNKNOWN,
    ColorTags,
    complete_tags,
    yuv_lightness,
)

_PLAYLISTS = frozenset(["hls", "applehttp", "dash", "concat", "concatf", "imf"])
_MISSING_SECONDS = 1.0
"""A video may end earlier than its header says by this, as rounding makes it."""


@dataclasses.dataclass(frozen=True)
class Film:
    """What is known of a video before all of it is read.

    Args:
      path: the file.
      stream: index of the stream of pictures.
      size: (height, width) in pixels, upright.
      pixel_aspect: width of a pixel by its height, upright.
      turn: (transposed, rows flipped, columns flipped): how stored pictures are
        made upright, in this order.
      tags: what its numbers mean, none unknown.
      bits: of each number.
      rate: mean frames per second.
      time_base: seconds per unit of time.
      num_frames: about how many; 0 if unknown.
    """

    path: Path
    stream: int
    size: tuple[int, int]
    pixel_aspect: Fraction
    turn: tuple[bool, bool, bool]
    tags: ColorTags
    bits: int
    rate: Fraction
    time_base: Fraction
    num_frames: int


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video.

    Args:
      samples: uint8 or uint16 [H, W], lightness, upright.
      limits: the integers that are black and white.
      time: when it is shown, in the film's units of time.
      duration: for how long, in the same; 0 if unknown.
    """

    samples: np.ndarray
    limits: tuple[int, int]
    time: int
    duration: int

    def gray(self) -> np.ndarray:
        """Returns the lightness, float32 [1, H, W, 1] in [0, 1]."""
        black, white = self.limits
        values = (self.samples.astype(np.float32) - black) / np.float32(white - black)
        return np.clip(values, 0, 1)[None, ..., None]


def open_container(path: Path) -> av.container.InputContainer:
    """Opens a video file, and nothing that it may refer to.

    Args:
      path: the file.

    Returns:
      The open container.

    Raises:
      UserError: if it cannot be read or holds no pictures.
    """
    try:
        container = av.open(
            str(path.resolve()), metadata_errors="replace", options={"protocol_whitelist": "file"}
        )
    except (av.error.FFmpegError, OSError) as error:
        reason = error.strerror or str(error)
        raise UserError(f"{path}: cannot be read as a video: {reason}") from error
    if _PLAYLISTS.intersection(container.format.name.split(",")):
        container.close()
        raise UserError(f"{path}: a playlist, not a video")
    if _main_stream(container) is None:
        container.close()
        raise UserError(f"{path}: there are no moving pictures in it")
    return container


def open_film(path: Path) -> Film:
    """Reads what a video is, and its first picture.

    Args:
      path: the file.

    Returns:
      What is known of it.

    Raises:
      UserError: if it cannot be read or holds no pictures.
    """
    with open_container(path) as container:
        stream = _main_stream(container)
        picture = next(_pictures(container, stream, []), None)
        if picture is None:
            raise UserError(f"{path}: not one of its pictures can be read")
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        turn = _turn(picture)
        size = (picture.height, picture.width)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        aspect = aspect if aspect > 0 else Fraction(1)
        is_full = picture.color_range == FULL_RANGE or (
            picture.color_range == 0 and picture.format.name.startswith(("yuvj", "gray", "ya"))
        )
        is_rgb = picture.format.is_rgb or picture.format.has_palette
        tags = ColorTags(
            UNKNOWN if picture.colorspace == RGB else picture.colorspace,
            picture.color_primaries,
            picture.color_trc,
            is_full and not is_rgb,
        )
        return Film(
            path=path,
            stream=stream.index,
            size=size[::-1] if turn[0] else size,
            pixel_aspect=1 / aspect if turn[0] else aspect,
            turn=turn,
            tags=complete_tags(tags, *size),
            bits=min(max(8, *(part.bits for part in picture.format.components)), 16),
            rate=rate,
            time_base=stream.time_base,
            num_frames=stream.frames or int((_expected_end(container, stream) or 0) * rate),
        )


class FilmReader:
    """Reads the frames of a film in the order in which they are shown.

    Args:
      film: what to read.

    Attributes:
      problem: what is missing at the end of the file, "" for nothing; known when
        all frames are read.
    """

    def __init__(self, film: Film) -> None:
        self.film = film
        self.problem = ""

    def frames(self, num_skipped: int = 0) -> Iterator[Frame]:
        """Yields the frames, none if the file has become unreadable.

        Args:
          num_skipped: how many to leave out at the beginning.

        Yields:
          Frames, each later than the one before.
        """
        film, last, count = self.film, None, 0
        step = max(round(1 / (film.rate * film.time_base)), 1)
        damage: list[str] = []
        with open_container(film.path) as container:
            stream: Any = container.streams[film.stream]
            stream.thread_type = "AUTO"
            for picture in _pictures(container, stream, damage):
                time = picture.pts
                if time is None or (last is not None and time <= last):
                    time = 0 if last is None else last + step
                last, count = time, count + 1
                if count > num_skipped:
                    yield self._frame(picture, time)
            end = None if last is None else (last + step) * film.time_base
            self.problem = _problem(damage, end, _expected_end(container, stream))

    def _frame(self, picture: av.VideoFrame, time: int) -> Frame:
        """Returns the lightness of a picture, upright."""
        film = self.film
        samples, limits = _lightness(picture, film)
        is_transposed, are_rows_flipped, are_columns_flipped = film.turn
        samples = samples.T if is_transposed else samples
        samples = samples[::-1] if are_rows_flipped else samples
        samples = samples[:, ::-1] if are_columns_flipped else samples
        return Frame(np.ascontiguousarray(samples), limits, time, picture.duration or 0)


def _main_stream(container: av.container.InputContainer) -> Any:
    """Returns the first stream of moving pictures; a cover is none."""
    still = av.stream.Disposition.attached_pic
    return next((item for item in container.streams.video if not item.disposition & still), None)


def _pictures(
    container: av.container.InputContainer, stream: Any, damage: list[str]
) -> Iterator[av.VideoFrame]:
    """Yields what can be decoded; adds a line to `damage` for what cannot."""
    packets = container.demux(stream)
    time = 0.0
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:
            damage.append(f"cannot be read after {_clock(time)} ({error.strerror})")
            return
        if packet is None:
            return
        try:
            pictures = packet.decode()
        except av.error.FFmpegError as error:
            damage.append(f"is damaged at {_clock(time)} ({error.strerror})")
            continue
        for picture in pictures:
            time = picture.time or time
            if picture.is_corrupt:
                damage.append(f"is damaged at {_clock(time)}")
            yield picture


def _expected_end(container: av.container.InputContainer, stream: Any) -> Fraction | None:
    """Returns when the pictures should end by the headers, in seconds; None if unknown."""
    if stream.duration and stream.time_base:
        return (stream.duration + (stream.start_time or 0)) * stream.time_base
    of_pictures = stream.metadata.get("DURATION", "")  # as Matroska has it: 00:01:02.345
    if re.fullmatch(r"\d+:\d+:[\d.]+", of_pictures):
        hours, minutes, seconds = map(Fraction, of_pictures.split(":"))
        return 3600 * hours + 60 * minutes + seconds
    if container.duration and len(container.streams) == 1:
        return Fraction(container.duration + max(container.start_time or 0, 0), av.time_base)
    return None


def _problem(damage: list[str], end: Fraction | None, expected: Fraction | None) -> str:
    """Returns one line on what is missing or damaged, or ""."""
    if expected is not None and end is not None and end < expected - _MISSING_SECONDS:
        return (
            f"ends at {_clock(float(end))} of {_clock(float(expected))}; what is there is colored"
        )
    if damage:
        more = f", and in {len(damage) - 1} more places" if len(damage) > 1 else ""
        return f"{damage[0]}{more}; what can be read is colored"
    return ""


def _clock(seconds: float) -> str:
    """Returns a time as hours, minutes and seconds."""
    whole, rest = divmod(seconds, 60)
    return f"{int(whole) // 60}:{int(whole) % 60:02d}:{rest:05.2f}"


def _turn(picture: av.VideoFrame) -> tuple[bool, bool, bool]:
    """Returns how a picture is made upright by its display matrix.

    The matrix takes (x, y) to (a x + c y, b x + d y), y downwards.
    """
    side_data: Any = picture.side_data
    data = next((item for item in side_data if item.type.name == "DISPLAYMATRIX"), None)
    if data is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].astype(np.int64)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, bool(d < 0), bool(a < 0)
    return True, bool(b < 0), bool(c < 0)


def _lightness(picture: av.VideoFrame, film: Film) -> tuple[np.ndarray, tuple[int, int]]:
    """Returns the lightness [H, W] of a picture as stored, and what black and white are."""
    kind, tags, is_deep = picture.format, film.tags, film.bits > 8
    if kind.is_rgb or kind.has_palette:
        rgb = _planes(picture, film, "rgb48le" if is_deep else "rgb24")
        mean = rgb.mean(axis=-1, dtype=np.float32) * np.float32(1 if is_deep else 257)
        return np.rint(mean).astype(np.uint16), (0, 65535)
    if len(kind.components) < 3:
        name = kind.name if kind.name.startswith("gray") else "gray"
        return _planes(picture, film, name), tags.limits(film.bits)
    yuv = _planes(picture, film, "yuv444p16le" if is_deep else "yuv444p")
    planes = np.moveaxis(yuv, -1, 0) if is_deep else yuv
    unused = 8 * planes.itemsize - film.bits
    black, white = tags.limits(film.bits)
    return yuv_lightness(planes, tags, film.bits), (black << unused, white << unused)


def _planes(picture: av.VideoFrame, film: Film, name: str) -> np.ndarray:
    """Returns a picture in another arrangement, with the same meaning of its numbers."""
    height, width = film.size[::-1] if film.turn[0] else film.size
    color_range = FULL_RANGE if film.tags.is_full else LIMITED_RANGE
    reformatted = picture.reformat(
        width, height, name, src_color_range=color_range, dst_color_range=color_range
    )
    return reformatted.to_ndarray()
