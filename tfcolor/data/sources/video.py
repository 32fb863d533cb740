"""Videos: their images are frames, several of each clip, with the frames around them."""

import copy
import dataclasses
import functools
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.sources.base import Source
from tfcolor.data.video_files import VIDEO_SUFFIXES, is_video

FRAMES_BEFORE, FRAMES_AFTER = 3, 10
"""How many frames around each sampled one exist: mean flow looks at those before
it, motion segmentation follows it through those after."""

SAMPLES_PER_CLIP = 5
"""Frames of each clip that are images, as in the program of the dissertation."""

HELDOUT_PART = 0.2
"""The last part of each clip, which `:heldout` names and `:train` leaves out."""

GAP_FRAMES = 12
"""Frames between the last that training may see and the first that is held out."""

_PLACE = re.compile(r"(.*?)(?::(train|heldout))?(?::(\d+))?", re.DOTALL)
_LOGGER = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Clip:
    """A video file as it was when it was opened.

    Args:
      path: the file.
      num_frames: as the file declares, or else counted.
      num_bytes: its size.
      modified: when it was last changed, nanoseconds.
    """

    path: str
    num_frames: int
    num_bytes: int
    modified: int


@dataclasses.dataclass(frozen=True)
class Moment:
    """One frame of a clip.

    Args:
      clip: the video.
      frame: its number, from 0.
    """

    clip: Clip
    frame: int

    @property
    def first(self) -> int:
        """Returns the number of the first frame that may be looked at."""
        return self.frame - FRAMES_BEFORE

    @property
    def last(self) -> int:
        """Returns the number of the last frame that may be looked at."""
        return self.frame + FRAMES_AFTER


class VideoSource:
    """Frames of videos as images; each knows the frames around it.

    Args:
      moments: the frames.
    """

    def __init__(self, moments: Iterable[Moment]) -> None:
        self._moments = tuple(moments)

    @property
    def num_examples(self) -> int:
        """Returns the number of sampled frames."""
        return len(self._moments)

    def name_of(self, index: int) -> str:
        """Returns the path of a video and the number of a frame of it."""
        moment = self._moments[index]
        return f"{moment.clip.path}#{moment.frame}"

    def moment_of(self, index: int) -> Moment:
        """Returns which frame of which clip a position is."""
        return self._moments[index]

    def read_bytes(self, index: int) -> bytes:
        """Returns one frame, losslessly encoded.

        Raises:
          UnreadableImageError: if it cannot be read, or any frame that may be
            looked at with it, as where a video is cut off.
        """
        frames = self.read_frames(index, FRAMES_BEFORE, FRAMES_AFTER)
        # Not PNG, which took 20 times as long to encode.
        bgr = np.ascontiguousarray(frames[FRAMES_BEFORE][..., ::-1])
        return cv2.imencode(".bmp", bgr)[1].tobytes()

    def read_frames(self, index: int, before: int, after: int) -> np.ndarray:
        """Returns consecutive frames.

        Args:
          index: position of a sampled frame.
          before: how many frames before it, at most `FRAMES_BEFORE`.
          after: how many after it, at most `FRAMES_AFTER`.

        Returns:
          uint8 [before + 1 + after, H, W, 3], RGB.

        Raises:
          UnreadableImageError: if one of them cannot be read.
        """
        moment = self._moments[index]
        capture = cv2.VideoCapture(moment.clip.path, cv2.CAP_FFMPEG)
        try:
            # Always to the same place: at an uneven rate OpenCV takes a time for a number,
            # and two places would not have the distance that their numbers have.
            capture.set(cv2.CAP_PROP_POS_FRAMES, moment.first)
            frames = [capture.read()[1] for _ in range(FRAMES_BEFORE + 1 + after)]
        finally:
            capture.release()
        missing = [moment.first + place for place, frame in enumerate(frames) if frame is None]
        if missing:
            reason = f"the video is damaged, or ends before its frame {missing[0]}"
            raise UnreadableImageError(self.name_of(index), reason)
        return np.stack(frames[FRAMES_BEFORE - before :])[..., ::-1]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Returns no class."""
        return ()

    def label_of(self, index: int) -> int | None:
        """Returns None: frames have no class."""
        del index
        return None

    def select(self, positions: Sequence[int]) -> Self:
        """Returns some of the frames, in the given order."""
        chosen = copy.copy(self)
        chosen._moments = tuple(self._moments[position] for position in positions)
        return chosen

    def set_aside(self, fraction: float) -> dict[str, Source]:
        """Splits every clip in time, so that no frame is looked at in both parts.

        Neighbors in time are nearly the same image, so a random split would
        measure what was learned by heart. The last samples of a clip are held
        out; those left out altogether are the ones within `GAP_FRAMES` of them.
        A clip that is too short to be split is for training.

        Args:
          fraction: part of each clip's samples to hold out.

        Returns:
          The "train" and the "heldout" frames, at least one of each.

        Raises:
          UserError: if every clip is too short.
        """
        train, heldout = [], []
        clips = dict.fromkeys(moment.clip for moment in self._moments)
        for clip in clips:
            mine = [index for index, one in enumerate(self._moments) if one.clip == clip]
            mine.sort(key=lambda index: self._moments[index].frame)
            count = max(round(fraction * len(mine)), 1)
            border = self._moments[mine[-count]].first - GAP_FRAMES
            before = [index for index in mine if self._moments[index].last < border]
            train += before or mine
            heldout += mine[-count:] if before else []
        if not heldout:
            raise UserError(
                f"no clip is long enough to hold a part of it out; the first has "
                f"{self._moments[0].clip.num_frames} frames: name other videos in --heldout_images"
            )
        return {"train": self.select(sorted(train)), "heldout": self.select(sorted(heldout))}


def open_video(place: str) -> Source:
    """Opens videos and samples frames of each at equal distances.

    Videos that cannot be used are skipped and named.

    Args:
      place: "FOLDER_OR_FILE[:train|heldout][:COUNT]"; a folder is searched
        recursively. The last fifth of each clip is held out, see
        `VideoSource.set_aside`; without either word all is meant. COUNT is the
        number of frames of each clip, `SAMPLES_PER_CLIP` if it is not given.

    Returns:
      The sampled frames in the order of the videos' names.

    Raises:
      UserError: if there is no such place, no video, or none that can be used.
    """
    name, part, count = _PLACE.fullmatch(place).groups()  # type: ignore[union-attr]
    if Path(place).expanduser().exists():
        name, part, count = place, None, None
    samples = int(count or SAMPLES_PER_CLIP)
    if samples < 1:
        raise UserError(f"video:{place}: expected at least 1 frame of each clip")
    source = VideoSource(
        Moment(clip, frame)
        for clip in _usable(_find_videos(name))
        for frame in _spread(clip.num_frames, samples)
    )
    return source.set_aside(HELDOUT_PART)[part] if part else source


def _find_videos(place: str) -> list[str]:
    """Returns a video file, or those below a folder in the order of their paths."""
    path = Path(place).expanduser()
    if path.is_file():
        return [str(path)]
    if not place or not path.is_dir():
        raise UserError(f"no such folder or video: {place}")
    files = sorted(str(file) for file in path.rglob("*") if _is_visible_video(file))
    if not files:
        raise UserError(f"no video in the folder {place}; looked for {', '.join(VIDEO_SUFFIXES)}")
    return files


def _is_visible_video(path: Path) -> bool:
    """Tells visible files with the name of a video."""
    return is_video(path) and path.name[0] != "." and path.is_file()


def _usable(paths: Sequence[str]) -> Iterator[Clip]:
    """Yields the clips that can be used and names the others."""
    errors = []
    for path in paths:
        try:
            yield _open_clip(path)
        except UnreadableImageError as error:
            errors.append(error)
            _LOGGER.warning("skipped %s", error)
    if len(errors) == len(paths):
        raise UserError(f"none of {len(paths)} videos can be used; the first: {errors[0]}")


def _open_clip(path: str) -> Clip:
    """Returns what is known of a video, if it is one that is long enough."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise UnreadableImageError(path, (error.strerror or str(error)).lower()) from error
    if not status.st_size:
        raise UnreadableImageError(path, "the file is empty")
    num_frames = _count_frames(path)
    needed = FRAMES_BEFORE + 1 + FRAMES_AFTER
    if num_frames < needed:
        raise UnreadableImageError(path, f"{num_frames} frames; expected at least {needed}")
    return Clip(path, num_frames, status.st_size, status.st_mtime_ns)


def _count_frames(path: str) -> int:
    """Returns the number of frames that a video declares, or else has."""
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise UnreadableImageError(path, "no video, or one that is cut off")
        declared = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        return declared if declared > 0 else sum(1 for _ in iter(capture.grab, False))
    finally:
        capture.release()


@functools.cache
def _spread(num_frames: int, count: int) -> tuple[int, ...]:
    """Returns the numbers of frames at equal distances, each once."""
    places = np.linspace(FRAMES_BEFORE, num_frames - 1 - FRAMES_AFTER, count)
    return tuple(np.unique(np.rint(places).astype(int)).tolist())
