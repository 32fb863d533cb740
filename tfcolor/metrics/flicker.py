"""How much the colors of a video change where what it shows does not."""

import numpy as np
from scipy import ndimage

STEADY_TOLERANCE = 0.02
"""How much the lightness of what is followed may change from frame to frame."""


class Flicker:
    """The mean change of color along the flow, over the steady pixels of all pairs.

    A pixel p of a frame is steady if its flow can be trusted, ends inside the next
    frame, and finds the same lightness there, up to a tolerance:
    `|gray'(p + flow) - gray(p)| <= tolerance`, where gray is the mean of red, green
    and blue. Its change is the length of `d'(p + flow) - d(p)` with `d = rgb - gray`,
    in steps of 1/255; between pixels d is interpolated. What flickers in the gray
    video does not count, and neither does what cannot be followed.

    Args:
      tolerance: of the lightness, in [0, 1].
    """

    def __init__(self, tolerance: float = STEADY_TOLERANCE) -> None:
        self._tolerance = tolerance
        self._total, self._num_pixels = 0.0, 0

    def update(
        self, before: np.ndarray, after: np.ndarray, flow: np.ndarray, is_trusted: np.ndarray
    ) -> None:
        """Adds a pair of frames of one shot.

        Args:
          before: float [H, W, 3], RGB in [0, 1].
          after: float [H, W, 3], RGB in [0, 1], the next frame.
          flow: float [H, W, 2], (row, column) in pixels, from `before` to `after`.
          is_trusted: bool [H, W], where the flow leads.

        Raises:
          ValueError: if the shapes do not fit each other.
        """
        size = before.shape[:2]
        if not (after.shape == before.shape and flow.shape[:2] == is_trusted.shape == size):
            shapes = before.shape, after.shape, flow.shape, is_trusted.shape
            raise ValueError(f"got shapes {shapes}: expected [H, W, 3] twice, [H, W, 2], [H, W]")
        places = np.moveaxis(np.indices(size), 0, -1) + flow
        is_inside = np.all((places >= 0) & (places <= np.array(size) - 1), axis=-1)
        chosen = is_trusted & is_inside
        found = np.stack(
            [
                ndimage.map_coordinates(channel, places[chosen].T, order=1, mode="nearest")
                for channel in np.moveaxis(np.asarray(after, np.float64), -1, 0)
            ],
            axis=-1,
        )
        own = np.asarray(before, np.float64)[chosen]
        grays = own.mean(axis=-1, keepdims=True), found.mean(axis=-1, keepdims=True)
        is_steady = np.abs(grays[1] - grays[0])[:, 0] <= self._tolerance
        change = np.linalg.norm((found - grays[1]) - (own - grays[0]), axis=-1)
        self._total += 255 * float(change[is_steady].sum())
        self._num_pixels += int(is_steady.sum())

    def result(self) -> float:
        """Returns the mean change in steps of 1/255; NaN without steady pixels."""
        return self._total / self._num_pixels if self._num_pixels else float("nan")
