"""What the numbers of a video's pixels mean, and their lightness.

A video stores lightness Y' and two differences of color, in integers whose black and
white may lie inside their range, by one of several matrices. Its tags say which.
"""

import dataclasses

import cv2
import numpy as np

RGB, BT709, UNKNOWN, BT470BG, SMPTE170M = 0, 1, 2, 5, 6
"""Numbers of ITU-T H.273 that are used here by name."""

WEIGHTS = {
    BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),
    BT470BG: (0.299, 0.114),
    SMPTE170M: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
"""Shares of red and blue in Y' by matrix.

References:
  ITU-T H.273, table 4.
"""

FULL_RANGE, LIMITED_RANGE = 2, 1
_LARGE_SIDES = 720, 1280


@dataclasses.dataclass(frozen=True)
class ColorTags:
    """The meaning of a video's numbers, by ITU-T H.273.

    Args:
      matrix: from RGB to Y' and the differences; `RGB` for none.
      primaries: the colors of pure red, green and blue.
      transfer: from light to numbers.
      is_full: whether black and white are the ends of the range.
    """

    matrix: int
    primaries: int
    transfer: int
    is_full: bool

    @property
    def red_blue(self) -> tuple[float, float]:
        """Returns the shares of red and blue in Y'."""
        return WEIGHTS[self.matrix]

    def limits(self, bits: int) -> tuple[int, int]:
        """Returns the integers of `bits` bits that are black and white."""
        if self.is_full:
            return 0, 2**bits - 1
        return 16 << (bits - 8), 235 << (bits - 8)


def complete_tags(tags: ColorTags, height: int, width: int) -> ColorTags:
    """Returns tags without unknown ones, which become what players assume.

    Args:
      tags: as a file has them.
      height: rows of the video.
      width: its columns.

    Returns:
      Tags of a matrix in `WEIGHTS`: for want of another those of high definition
      (BT.709) for large videos, else those of television (BT.601).

    Example:
      >>> complete_tags(ColorTags(2, 2, 2, False), 576, 720).matrix
      6
    """
    is_large = height >= _LARGE_SIDES[0] or width >= _LARGE_SIDES[1]
    assumed = BT709 if is_large else SMPTE170M
    return dataclasses.replace(
        tags,
        matrix=tags.matrix if tags.matrix in WEIGHTS else assumed,
        primaries=assumed if tags.primaries == UNKNOWN else tags.primaries,
        transfer=assumed if tags.transfer == UNKNOWN else tags.transfer,
    )


def yuv_lightness(planes: np.ndarray, tags: ColorTags, bits: int) -> np.ndarray:
    """Returns the mean of red, green and blue.

    Args:
      planes: uint8 or uint16 [3, H, W], Y' and the differences of blue and red.
      tags: what they mean.
      bits: that these integers hold, from the highest on.

    Returns:
      The same type [H, W], black and white where Y' has them. A gray picture's is
      its Y'.
    """
    red, blue = tags.red_blue
    green = 1 - red - blue
    neutral = 1 << (8 * planes.itemsize - 1)
    if np.all(planes[1:] == neutral):
        return planes[0]
    black, white = (limit << (8 * planes.itemsize - bits) for limit in tags.limits(bits))
    # The differences have the same scale as Y' in full range, else 224 : 219.
    scale = 1.0 if tags.is_full else 219 / 224
    of_blue = scale * 2 * (1 - blue) * (1 - blue / green) / 3
    of_red = scale * 2 * (1 - red) * (1 - red / green) / 3
    change = of_blue * (np.float32(planes[1]) - neutral) + of_red * (
        np.float32(planes[2]) - neutral
    )
    return np.rint(np.clip(planes[0] + change, black, white)).astype(planes.dtype)


def rgb_to_yuv(rgb: np.ndarray, tags: ColorTags, *, is_subsampled: bool) -> np.ndarray:
    """Returns colors as an 8-bit video stores them.

    Args:
      rgb: float32 [H, W, 3] in [0, 1].
      tags: what the result is to mean.
      is_subsampled: whether the differences have half as many rows and columns,
        their columns on the left ones of each pair (H.264's default).

    Returns:
      uint8 [H * 3 / 2, W], the planes one after the other as "yuv420p" has them; or
      uint8 [3, H, W].
    """
    red, blue = tags.red_blue
    lightness = np.array([red, 1 - red - blue, blue])
    black, white = tags.limits(8)
    span = 255 if tags.is_full else 224
    rows = [
        (white - black) * lightness,
        span * ([0, 0, 1] - lightness) / (2 * (1 - blue)),
        span * ([1, 0, 0] - lightness) / (2 * (1 - red)),
    ]
    matrix = np.column_stack([rows, [black, 128, 128]]).astype(np.float32)
    yuv = cv2.transform(rgb, matrix)
    if not is_subsampled:
        return np.moveaxis(_to_bytes(yuv), -1, 0)
    halves = cv2.sepFilter2D(
        yuv[..., 1:],
        -1,
        np.array([0.25, 0.5, 0.25], np.float32),
        np.array([0.5, 0.5], np.float32),
        anchor=(1, 0),
        borderType=cv2.BORDER_REPLICATE,
    )[::2, ::2]
    planes = [_to_bytes(part).ravel() for part in (yuv[..., 0], halves[..., 0], halves[..., 1])]
    return np.concatenate(planes).reshape(-1, rgb.shape[1])


def _to_bytes(values: np.ndarray) -> np.ndarray:
    """Rounds numbers to uint8."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
