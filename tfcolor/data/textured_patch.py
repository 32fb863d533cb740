"""A patch of a photograph that has texture, the same every time, by NumPy and OpenCV."""

import cv2
import numpy as np


def rescaled_to_patch(image: np.ndarray, share: float, size: int) -> np.ndarray:
    """Returns a photograph in which patches of a given share have a given size.

    Args:
      image: uint8 [H, W, 3].
      share: side of the patches over the photograph's shorter side, in (0, 1].
      size: S, their side in the result, pixels.

    Returns:
      uint8 [h, w, 3], the shorter side round(S / share); means of the pixels
      that a pixel covers where it shrinks, bilinear where it grows.
    """
    extent = np.array(image.shape[:2])
    scale = size / (share * extent.min())
    height, width = np.maximum(np.round(extent * scale).astype(int), size)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, (int(width), int(height)), interpolation=way)


def textured_corner(photograph: np.ndarray, place: float, size: int) -> np.ndarray:
    """Returns where a patch begins that has texture.

    Its probability is proportional to the mean squared gradient of the lightness
    within it.

    Args:
      photograph: uint8 [h, w, 3].
      place: in [0, 1); where it is uniform, the corner has that probability.
      size: side of the patch, pixels.

    Returns:
      int32 [2], (row, column); the last one where all is flat.
    """
    energy = window_energies(photograph, size)
    cumulative = np.cumsum(energy)
    index = np.searchsorted(cumulative, place * cumulative[-1], side="right")
    index = min(int(index), cumulative.size - 1)
    return np.array(divmod(index, energy.shape[1]), np.int32)


def window_energies(photograph: np.ndarray, size: int) -> np.ndarray:
    """Returns the sum of squared gradients in each square window.

    Args:
      photograph: uint8 [h, w, 3].
      size: side of the windows, pixels.

    Returns:
      float64 [h - size + 1, w - size + 1], not negative, by the upper left corner;
      of the lightness in [0, 1], whose gradient is the difference to the next
      pixel, 0 at the last one.
    """
    thirds = np.full([3], 1 / (3 * 255), np.float32)
    lightness = photograph.astype(np.float32) @ thirds
    squares = np.zeros(lightness.shape, np.float32)
    squares[:-1] = (lightness[1:] - lightness[:-1]) ** 2
    squares[:, :-1] += (lightness[:, 1:] - lightness[:, :-1]) ** 2
    table = cv2.integral(squares)  # float64
    bands = table[size:] - table[:-size]
    return np.maximum(bands[:, size:] - bands[:, :-size], 0.0)
