"""Which frames of a video show the same shot, and which light up for a moment only."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfcolor.inference.video.links import Cells, Link, link_frames

MAX_FLASH = 3
"""The most frames that a flash, or a shot between two of the same, may take."""

_FOUND_SHARE, _DOUBTFUL_SHARE = 0.4, 0.5
"""A frame less of which is found in another shows another shot; up to the second share,
if the distribution of lightness differs too. In three clips with five cuts, at most 0.05
were found across cuts, and at least 0.6 between neighbors of one shot; between random
soft textures it is 0.36 at most."""

_CHANGED_HISTOGRAM = 0.25
_NUM_BINS = 32


@dataclasses.dataclass(frozen=True, eq=False)
class Neighbors:
    """How a frame is linked to the one before it in its shot.

    Args:
      there: from the frame to the one before.
      back: from that one to the frame.
    """

    there: Link
    back: Link


def link_shot(first: np.ndarray, second: np.ndarray, cells: Cells) -> Neighbors | None:
    """Links a frame with one before it, if both show the same shot.

    Args:
      first: uint8 [h, w], lightness of the frame before.
      second: uint8 [h, w], of the frame.
      cells: the grid to link.

    Returns:
      The links, or None across a cut.
    """
    there, back = link_frames(second, first, cells)
    found = min(there.share, back.share)
    is_changed = histogram_distance(first, second) > _CHANGED_HISTOGRAM
    if found < _FOUND_SHARE or (found < _DOUBTFUL_SHARE and is_changed):
        return None
    return Neighbors(there, back)


def histogram_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Returns how far the distributions of lightness of two frames differ.

    Args:
      first: uint8 [H, W].
      second: uint8 [H, W].

    Returns:
      Half of the sum of the absolute differences of histograms, in [0, 1].

    Example:
      >>> histogram_distance(np.zeros([2, 3], np.uint8), np.full([2, 3], 255, np.uint8))
      1.0
    """
    counts = [
        np.bincount(frame.ravel() * _NUM_BINS // 256, minlength=_NUM_BINS) / frame.size
        for frame in (np.asarray(first, np.int64), np.asarray(second, np.int64))
    ]
    return float(np.abs(counts[0] - counts[1]).sum() / 2)


@dataclasses.dataclass(frozen=True, eq=False)
class Role:
    """What a frame is in its shot.

    Args:
      anchor: index of the frame before it in its shot, -1 for one before all those
        that are looked at; None if it is the first of a shot, or a flash.
      neighbors: its links with the anchor; None without one.
      is_flash: whether it interrupts a shot, which goes on without it.
    """

    anchor: int | None = None
    neighbors: Neighbors | None = None
    is_flash: bool = False


def find_roles(
    frames: Sequence[np.ndarray], before: np.ndarray | None, cells: Cells, known: Sequence[Role]
) -> list[Role]:
    """Finds the shots in consecutive frames.

    A frame that cannot be linked with the one before it begins a new shot, unless one
    of the next few can: then it was a flash.

    Args:
      frames: uint8 [h, w] each.
      before: uint8 [h, w], the last frame before them that is no flash; None at the
        beginning of a video.
      cells: the grid to link.
      known: roles of the first of them, found before.

    Returns:
      One role for each frame. The last `MAX_FLASH` may change with the frames that
      follow.
    """
    roles = list(known)
    main = [index for index, role in enumerate(roles) if not role.is_flash]
    anchor = main[-1] if main else None if before is None else -1
    while len(roles) < len(frames):
        origin = None if anchor is None else before if anchor == -1 else frames[anchor]
        following = frames[len(roles) : len(roles) + MAX_FLASH + 1]
        num_flashes, neighbors = _find_again(origin, following, cells)
        roles += [Role(is_flash=True)] * num_flashes
        roles.append(Role(anchor, neighbors) if neighbors is not None else Role())
        anchor = len(roles) - 1
    return roles


def _find_again(
    origin: np.ndarray | None, following: Sequence[np.ndarray], cells: Cells
) -> tuple[int, Neighbors | None]:
    """Returns after how many frames [h, w] a shot goes on, and its links; (0, None) if not."""
    if origin is None:
        return 0, None
    for later, frame in enumerate(following):
        neighbors = link_shot(origin, frame, cells)
        if neighbors is not None:
            return later, neighbors
    return 0, None
