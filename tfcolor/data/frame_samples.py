"""Samples of what Pillow opens: upright or not, gray or color, of 8 or 16 bits.

Pillow decodes. imagecodecs decodes only what Pillow would cut to 8 bits: PNG
files of 16 bits per sample.
"""

from collections.abc import Iterator
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image

from tfcolor.color.profiles import cmyk_to_srgb
from tfcolor.data.png_chunks import read_chunks, without_metadata
from tfcolor.data.raster import Raster, row_bands, widen

_BITS_PER_SAMPLE, _PHOTOMETRIC, _MIN_IS_WHITE = 258, 262, 0
_GRAY_MODES = ("1", "L", "LA", "La")


class GrayRangeError(ValueError):
    """Gray values of which nobody knows what is white."""


def frame_raster(frame: Image.Image, content: bytes) -> Raster:
    """Decodes a frame.

    Args:
      frame: opened, of an acceptable size.
      content: its file.

    Returns:
      Its samples; 16 bits where the file has more than 8.

    Raises:
      GrayRangeError: if gray values are negative, too large or not numbers.
    """
    if frame.format == "PNG" and content[24] == 16:  # in IHDR, which always comes first
        return _wide_png_raster(content)
    frame.load()
    is_upright = frame.format == "TIFF"  # Pillow turns these by itself
    if frame.mode.startswith("I") or frame.mode == "F":
        return Raster(_wide_gray(frame), None, "gray", is_upright)
    if frame.mode == "CMYK":
        return Raster(_from_inks(frame), None, "cmyk", is_upright)
    is_gray = frame.mode in _GRAY_MODES
    has_alpha = frame.has_transparency_data
    mode = ("L" if is_gray else "RGB") + ("A" if has_alpha else "")
    height, width = frame.height, frame.width
    colors = np.empty((height, width) if is_gray else (height, width, 3), np.uint8)
    alpha = np.empty((height, width), np.uint8) if has_alpha else None
    for rows, band in _bands(frame):
        samples = np.asarray(band if band.mode == mode else band.convert(mode))
        if alpha is not None:
            alpha[rows] = samples[..., -1]
            samples = samples[..., 0] if is_gray else samples[..., :3]
        colors[rows] = samples
    return Raster(colors, alpha, "gray" if is_gray else "rgb", is_upright)


def _bands(frame: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Yields (rows, these rows as a frame) from the top down."""
    for rows in row_bands(frame.height, frame.width):
        yield rows, frame.crop((0, rows.start, frame.width, rows.stop))


def _from_inks(frame: Image.Image) -> np.ndarray:
    """Returns a frame of inks as sRGB, uint8 [H, W, 3]."""
    colors = np.empty((frame.height, frame.width, 3), np.uint8)
    for rows, band in _bands(frame):
        colors[rows] = cmyk_to_srgb(np.asarray(band), frame.info.get("icc_profile"))
    return colors


def _wide_gray(frame: Image.Image) -> np.ndarray:
    """Returns gray of more than 8 bits or of floats as uint16 [H, W]."""
    peak = 1.0 if frame.mode == "F" else float(2 ** _gray_bits(frame) - 1)
    ends = [(samples.min(), samples.max()) for _, samples in _gray_bands(frame)]
    low, high = np.min(ends), np.max(ends)
    if not (low >= 0 and high <= peak):  # also NaN
        raise GrayRangeError(f"gray values from {low} to {high}; expected 0 to {peak:g}")
    is_inverted = _tiff_tag(frame, _PHOTOMETRIC) == _MIN_IS_WHITE  # Pillow inverts 8 bits only
    wide = np.empty((frame.height, frame.width), np.uint16)
    for rows, samples in _gray_bands(frame):
        wide[rows] = widen(peak - samples if is_inverted else samples, peak)
    return wide


def _gray_bands(frame: Image.Image) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields (rows, their samples)."""
    for rows, band in _bands(frame):
        yield rows, np.asarray(band)


def _gray_bits(frame: Image.Image) -> int:
    """Returns the bits of integer gray."""
    tag = _tiff_tag(frame, _BITS_PER_SAMPLE)
    return min(tag[0], 16) if tag else 16


def _tiff_tag(frame: Image.Image, tag: int) -> Any:
    """Returns a tag of a TIFF file's first page, or None."""
    directory = getattr(frame, "tag_v2", {}) if frame.format == "TIFF" else {}
    return directory.get(tag)


def _wide_png_raster(content: bytes) -> Raster:
    """Decodes a PNG file of 16 bits per sample."""
    samples: np.ndarray = imagecodecs.png_decode(without_metadata(content))
    if samples.ndim == 2:
        samples = samples[..., None]
    num_colors = 3 if samples.shape[-1] >= 3 else 1
    colors, alpha = samples[..., :num_colors], None
    if samples.shape[-1] > num_colors:
        alpha = np.ascontiguousarray(samples[..., num_colors])
    elif (key := _transparent_color(content, num_colors)) is not None:
        alpha = np.where((colors == key).all(axis=-1), 0, 65535).astype(np.uint16)
    colors = np.ascontiguousarray(colors[..., 0] if num_colors == 1 else colors)
    return Raster(colors, alpha, "gray" if num_colors == 1 else "rgb")


def _transparent_color(content: bytes, num_colors: int) -> np.ndarray | None:
    """Returns the one color of a PNG file that is transparent, uint16 [C], or None."""
    key = dict(read_chunks(content)).get(b"tRNS", b"")
    return np.frombuffer(key, ">u2") if len(key) == 2 * num_colors else None
