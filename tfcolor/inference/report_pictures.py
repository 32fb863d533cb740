"""Small pictures of photographs for a report, encoded as they come."""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tfcolor.color.profiles import ColorProfile, read_profile
from tfcolor.data.images import Photograph, read_photograph
from tfcolor.data.raster import narrow, shrink

QUALITY = 80
"""Of WebP: a picture of 480 pixels takes 18 KB and 10 ms."""

_FAST = 2
_GRAY_SPREAD = 2.0
"""The channels of a gray scan stored as color differ by less, in steps of 1/255."""


class Pictures:
    """Small pictures of one photograph before and after, in sRGB.

    Nothing of the photograph's own size is kept.

    Args:
      photograph: as it was before.
      side: longer side of the pictures in pixels; none is enlarged.
    """

    def __init__(self, photograph: Photograph, side: int) -> None:
        self._profile = read_profile(photograph.icc_profile, photograph.color_space)
        self._height, self._width = photograph.pixels.shape[:2]
        self._side = side
        alpha = photograph.alpha_pixels
        self._alpha = None if alpha is None else narrow(shrink(alpha, side))
        before = to_srgb_bytes(shrink(photograph.pixels, side), self._profile)
        spread = before.max(axis=-1) - before.min(axis=-1)
        self._has_color = bool(spread.mean() > _GRAY_SPREAD)
        self._before = self._encode(before)
        self._after: list[str] = []
        self._uncertainty = ""

    def add_result(self, rgb: np.ndarray, uncertainty: np.ndarray | None = None) -> None:
        """Adds a colored version; the first is the one to compare.

        Args:
          rgb: uint8 or uint16 [H, W, 3], in the photograph's RGB space.
          uncertainty: uint8 [H, W], 255 is 1; that of the first version is shown.
        """
        # Further versions are small on a strip until one is chosen.
        side = self._side // 2 if self._after else self._side
        self._after.append(self._encode(to_srgb_bytes(shrink(rgb, side), self._profile)))
        if uncertainty is not None and not self._uncertainty:
            # As on a sheet, the scale ends at 0.5.
            halved = np.minimum(shrink(uncertainty, self._side // 2), 127)
            self._uncertainty = encode_webp(2 * halved)

    def as_json(self) -> str:
        """Returns the pictures, in Base64, on one line without `<`, `>` and `&`."""
        pictures = {
            "width": self._width,
            "height": self._height,
            "before": self._before,
            "after": self._after,
            "uncertainty": self._uncertainty,
            "hasColor": self._has_color,
        }
        return json.dumps(pictures, separators=(",", ":"))

    def _encode(self, pixels: np.ndarray) -> str:
        """Encodes uint8 [h, w, 3] with what is transparent."""
        if self._alpha is not None:
            alpha = cv2.resize(self._alpha, pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
            pixels = np.dstack([pixels, alpha])
        return encode_webp(pixels)


def read_pictures(
    source: Path, results: Sequence[Path], uncertainty: Path | None, side: int
) -> Pictures:
    """Returns pictures of files, as those of a photograph colored earlier.

    Args:
      source: the photograph before.
      results: its colored versions.
      uncertainty: the map of the first of these, if there is one.
      side: longer side of the pictures in pixels.

    Returns:
      The pictures; without those results that are gone.

    Raises:
      UnreadableImageError: if a file cannot be read.
    """
    pictures = Pictures(read_photograph(source), side)
    doubts = None
    if uncertainty is not None and uncertainty.exists():
        doubts = narrow(read_photograph(uncertainty).pixels[..., 0])
    for path in results:
        result = read_photograph(path)
        pictures.add_result(result.pixels, doubts)
    return pictures


def to_srgb_bytes(pixels: np.ndarray, profile: ColorProfile | None) -> np.ndarray:
    """Returns a picture as a browser expects it.

    Args:
      pixels: uint8 or uint16 [H, W, 3].
      profile: of the space that they are in; None for sRGB.

    Returns:
      uint8 [H, W, 3] in sRGB.
    """
    if profile is None:
        return narrow(pixels)
    return np.rint(255 * profile.to_srgb(pixels)).astype(np.uint8)


def encode_webp(pixels: np.ndarray) -> str:
    """Encodes a picture as a browser takes it.

    Args:
      pixels: uint8 [H, W], [H, W, 3], or [H, W, 4] with opacity.

    Returns:
      WebP in Base64.
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="WEBP", quality=QUALITY, method=_FAST)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
