"""Samples of a photograph at their own depth, worked on in bands of rows.

No array here is larger than the photograph itself: scans have 100 million pixels.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator

import cv2
import numpy as np

BAND_SAMPLES = 2**20
"""Samples that are worked on at once."""


@dataclasses.dataclass(eq=False)
class Raster:
    """Decoded samples.

    Args:
      colors: uint8 or uint16, full range: [H, W] of gray or [H, W, 3] of RGB.
      alpha: opacity of the same type [H, W], or None if opaque.
      color_space: "gray", "rgb" or "cmyk", from which RGB was made.
      is_upright: whether the orientation that the file tells is applied.
    """

    colors: np.ndarray
    alpha: np.ndarray | None
    color_space: str
    is_upright: bool = False


def row_bands(height: int, width: int) -> Iterator[slice]:
    """Yields the rows of every band of an image, from the top down."""
    rows = max(BAND_SAMPLES // max(width, 1), 1)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def widen(samples: np.ndarray, peak: float) -> np.ndarray:
    """Scales a band to the full range of 16 bits, rounded.

    Args:
      samples: integers or floats [...], 0 to `peak`.
      peak: white.

    Returns:
      uint16 of the same shape.
    """
    if peak == 65535:
        return samples.astype(np.uint16, copy=False)
    return np.rint(samples * (65535.0 / peak)).astype(np.uint16)


def narrow(samples: np.ndarray) -> np.ndarray:
    """Rounds samples to 8 bits.

    Args:
      samples: uint8 or uint16 [H, W] or [H, W, C].

    Returns:
      uint8 of the same shape; a view of one channel for a view of gray.
    """
    if samples.dtype == np.uint8:
        return samples
    if samples.ndim == 3 and samples.strides[-1] == 0:
        return np.broadcast_to(narrow(samples[..., 0])[..., None], samples.shape)
    narrowed = np.empty(samples.shape, np.uint8)
    for rows in row_bands(*samples.shape[:2]):
        narrowed[rows] = (samples[rows].astype(np.uint32) + 128) // 257
    return narrowed


def shrink(pixels: np.ndarray, side: int) -> np.ndarray:
    """Shrinks a picture by averaging, so that it fits into a square.

    Args:
      pixels: uint8 or uint16 [H, W] or [H, W, 3]; a gray view of three equal
        channels costs no more memory than one channel.
      side: longest side of the result in pixels.

    Returns:
      The same type, [h, w] or [h, w, 3]; no larger than `pixels`.
    """
    height, width = pixels.shape[:2]
    if max(height, width) <= side:
        return np.ascontiguousarray(pixels)
    is_gray_view = pixels.ndim == 3 and pixels.strides[-1] == 0
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    plane = np.ascontiguousarray(pixels[..., 0] if is_gray_view else pixels)
    small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    return np.repeat(small[..., None], 3, axis=-1) if is_gray_view else small


def divide_by_alpha(colors: np.ndarray, alpha: np.ndarray) -> None:
    """Undoes the multiplication of colors by their opacity, in place.

    Args:
      colors: uint16 [H, W] or [H, W, 3].
      alpha: uint16 [H, W].
    """
    for rows in row_bands(*alpha.shape):
        opacity = np.maximum(alpha[rows], 1).astype(np.float32) / 65535
        if colors.ndim == 3:
            opacity = opacity[..., None]
        colors[rows] = np.rint(np.minimum(colors[rows] / opacity, 65535))


def turn_upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Applies an EXIF orientation.

    Args:
      samples: any [H, W] or [H, W, C].
      orientation: 1 to 8.

    Returns:
      A view [H, W, ...] or, from 5 on, [W, H, ...].
    """
    turns: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        2: np.fliplr,
        3: functools.partial(np.rot90, k=2),
        4: np.flipud,
        5: functools.partial(np.swapaxes, axis1=0, axis2=1),
        6: functools.partial(np.rot90, k=-1),
        7: lambda array: np.rot90(array, k=2).swapaxes(0, 1),
        8: np.rot90,
    }
    return turns[orientation](samples) if orientation in turns else samples
