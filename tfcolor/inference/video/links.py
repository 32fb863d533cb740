"""Where the cells of the network's grid were in another frame of a video."""

import dataclasses

import cv2
import numpy as np

from tfcolor.core.taps import Tap
from tfcolor.data.optical_flow import (
    inverse_search_flow,
    is_consistent,
    pixel_positions,
    read_at,
)

LIGHTNESS_TOLERANCE = 16.0
"""How much darker or lighter a pixel may be where flow leads, in steps of 1/255, apart
from what the whole frame has changed by."""

FOUND_WITHIN = 2.0
"""How far from where it began flow may lead back, squared pixels: about half a cell."""

FLOW_SIDE = 320
"""Longer side of the frames that flow is computed on, pixels."""


@dataclasses.dataclass(frozen=True)
class Cells:
    """The grid of a network over frames that are shrunk for the flow.

    Args:
      size: rows and columns of the grid.
      grid: where its cells lie on the network's input.
      seen: height and width of the network's input, pixels.
    """

    size: tuple[int, int]
    grid: Tap
    seen: tuple[int, int]

    @property
    def frame_size(self) -> tuple[int, int]:
        """Returns height and width of the frames for the flow, pixels."""
        scale = min(1.0, FLOW_SIDE / max(self.seen))
        return max(round(scale * self.seen[0]), 1), max(round(scale * self.seen[1]), 1)

    @property
    def step(self) -> np.ndarray:
        """Returns the distance of cells on these frames, float32 [2], pixels."""
        shares = np.array(self.frame_size) / np.array(self.seen)
        return (self.grid.stride * shares).astype(np.float32)

    @property
    def positions(self) -> np.ndarray:
        """Returns where cells lie on these frames, float32 [h, w, 2], pixels."""
        corner = (np.array(self.grid.offset, np.float32) + 0.5) / self.grid.stride
        return (pixel_positions(*self.size) + corner) * self.step - 0.5

    def shrink(self, gray: np.ndarray) -> np.ndarray:
        """Returns a frame for the flow.

        Args:
          gray: float32 [H, W] in [0, 1], the network's input.

        Returns:
          uint8 [h, w].
        """
        height, width = self.frame_size
        frame = np.rint(255 * gray).astype(np.uint8)
        return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)


@dataclasses.dataclass(frozen=True, eq=False)
class Link:
    """Where each cell of a frame lies in another one.

    Args:
      positions: float32 [h, w, 2], (row, column) in cells of the other frame.
      trust: float32 [h, w] in [0, 1], the share of the cell's pixels whose flow
        leads back to them and to the same lightness.
    """

    positions: np.ndarray
    trust: np.ndarray

    @property
    def share(self) -> float:
        """Returns the share of the frame that is found in the other one."""
        return float(self.trust.mean())


def link_frames(first: np.ndarray, second: np.ndarray, cells: Cells) -> tuple[Link, Link]:
    """Links two frames of one size in both directions.

    Args:
      first: uint8 [h, w], from `Cells.shrink`.
      second: uint8 [h, w], another frame, before or after it.
      cells: the grid to link.

    Returns:
      The link from the first frame to the second, and that back.
    """
    there, back = inverse_search_flow(first, second), inverse_search_flow(second, first)
    return (
        _link(first, second, there, is_consistent(there, back, FOUND_WITHIN), cells),
        _link(second, first, back, is_consistent(back, there, FOUND_WITHIN), cells),
    )


def _link(
    first: np.ndarray, second: np.ndarray, flow: np.ndarray, is_found: np.ndarray, cells: Cells
) -> Link:
    """Returns the link along a flow [H, W, 2] that is found again where bool [H, W] says."""
    height, width = first.shape
    targets = pixel_positions(height, width) + flow
    change = first - read_at(second, targets)
    is_alike = np.abs(change - np.median(change)) <= LIGHTNESS_TOLERANCE
    is_inside = np.all((targets >= -0.5) & (targets <= [height - 0.5, width - 0.5]), axis=-1)
    rows, columns = (max(round(float(length)), 1) for length in cells.step)
    side = columns, rows
    trust = cv2.blur((is_found & is_alike & is_inside).astype(np.float32), side)
    places = cells.positions
    moves = read_at(cv2.blur(flow, side), places) / cells.step
    return Link(pixel_positions(*cells.size) + moves, read_at(trust, places))
