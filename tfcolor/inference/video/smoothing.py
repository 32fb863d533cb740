"""Means of what a network predicts along the motion of a video.

A track is what a cell of the network's grid shows, followed by links through the
frames of one shot. With x_t what the network predicts for frame t, and a 1 beside it
to count, the two sums over the past and over the future of every track are

  past_t = x_t + memory * trust * past_(t-1)[where the cell was]
  future_t = x_t + memory * trust * future_(t+1)[where it will be],

and the prediction for frame t becomes the quotient of `past_t + future_t - x_t` by its
count: a mean with weights `memory ** |t - s|`, over those frames s to which the track
reaches. Both are linear, so histograms stay histograms; where nothing can be trusted
the frame's own prediction remains.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np

from tfcolor.data.optical_flow import read_at
from tfcolor.inference.video.cuts import MAX_FLASH, Role, find_roles
from tfcolor.inference.video.links import Cells, Link

FORGOTTEN = 0.2
"""Weight below which later frames are not waited for."""


def lookahead(memory: float) -> int:
    """Returns how many later frames are worth waiting for.

    Args:
      memory: weight of what is one frame away, in [0, 1).

    Returns:
      The number after which a frame counts less than `FORGOTTEN`; enough to tell a
      flash from a cut.

    Example:
      >>> [lookahead(memory) for memory in (0.0, 0.1, 0.9)]
      [0, 3, 16]
    """
    return max(math.ceil(math.log(FORGOTTEN) / math.log(memory)), MAX_FLASH) if memory else 0


def accumulate(own: np.ndarray, other: np.ndarray, link: Link, memory: float) -> np.ndarray:
    """Adds to a frame what another one holds at the same places of the scene.

    Args:
      own: float32 [h, w, K + 1], predictions and count of a frame.
      other: float32 [h, w, K + 1], the sums of the frame next to it.
      link: to where the cells are in that frame.
      memory: weight of what is one frame away, in [0, 1].

    Returns:
      float32 [h, w, K + 1].
    """
    return own + memory * link.trust[..., None] * read_at(other, link.positions)


class TrackSmoother:
    """Smooths predictions of one video after the other, some frames at a time.

    Args:
      cells: the grid of the predictions.
      memory: weight of what is one frame away, in [0, 1).

    Attributes:
      frame: uint8 [h, w], the last frame that is no flash; None at the beginning.
      past: float32 [h, w, K + 1], its sum over the past. With `frame`, all that the
        frames to come need.
    """

    def __init__(self, cells: Cells, memory: float) -> None:
        self.frame: np.ndarray | None = None
        self.past: np.ndarray | None = None
        self._cells, self._memory = cells, memory
        self._known: list[Role] = []

    def smooth(
        self, frames: Sequence[np.ndarray], predictions: Sequence[np.ndarray], number: int
    ) -> Iterator[tuple[np.ndarray, bool]]:
        """Smooths the first of some frames, and moves on to the others.

        Args:
          frames: uint8 [h, w] each, as the links need them.
          predictions: float32 [h, w, K] each, what the network predicts for them.
          number: how many to smooth; the others are their future.

        Yields:
          float32 [h, w, K], and whether a shot begins.
        """
        if self._memory == 0:
            yield from ((prediction, True) for prediction in predictions[:number])
            return
        roles = find_roles(frames, self.frame, self._cells, self._known)
        futures = self._futures(roles, predictions, number)
        for index, role in enumerate(roles[:number]):
            own = past = _with_count(predictions[index])
            if role.neighbors is not None and self.past is not None:
                past = accumulate(own, self.past, role.neighbors.there, self._memory)
            total = past + futures[index] - own
            if not role.is_flash:
                self.frame, self.past = frames[index], past
            yield total[..., :-1] / total[..., -1:], role.anchor is None and not role.is_flash
        self._known = _shifted(roles[: max(len(roles) - MAX_FLASH, number)], number)

    def _futures(
        self, roles: Sequence[Role], predictions: Sequence[np.ndarray], number: int
    ) -> list[np.ndarray]:
        """Returns the sums over the future [h, w, K + 1] of the first frames."""
        sums: dict[int, np.ndarray] = {}
        for index in reversed(range(len(roles))):
            role, own = roles[index], _with_count(predictions[index])
            sums.setdefault(index, own)
            if role.neighbors is not None and role.anchor is not None and role.anchor >= 0:
                before = _with_count(predictions[role.anchor])
                sums[role.anchor] = accumulate(
                    before, sums[index], role.neighbors.back, self._memory
                )
            if index >= number:
                del sums[index]
        return [sums[index] for index in range(number)]


def _with_count(predictions: np.ndarray) -> np.ndarray:
    """Returns predictions [h, w, K] with a 1 beside each, [h, w, K + 1]."""
    return np.concatenate([predictions, np.ones_like(predictions[..., :1])], axis=-1)


def _shifted(roles: Sequence[Role], number: int) -> list[Role]:
    """Returns the roles after the first `number`, of which only the last one is left."""
    main = max((index for index in range(number) if not roles[index].is_flash), default=-1)
    return [
        dataclasses.replace(
            role,
            anchor=None
            if role.anchor is None
            else -1
            if role.anchor <= main
            else role.anchor - number,
        )
        for role in roles[number:]
    ]
