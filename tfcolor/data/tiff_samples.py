"""TIFF files of 9 to 16 bits per sample, which Pillow would cut to 8 or refuse."""

import io
import logging
import math

import numpy as np
import tifffile

from tfcolor.color.profiles import cmyk_to_srgb
from tfcolor.data.exif import ICC_PROFILE
from tfcolor.data.raster import Raster, divide_by_alpha, row_bands, widen
from tfcolor.data.tag_directories import TagBlock

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_SAMPLES_PER_PIXEL, _PLANES, _EXTRA_SAMPLES, _FORMAT = 277, 284, 338, 339
_MIN_IS_WHITE, _GRAY, _RGB, _INKS = 0, 1, 2, 5
_NUM_COLORS = {_MIN_IS_WHITE: 1, _GRAY: 1, _RGB: 3, _INKS: 4}
_MULTIPLIED, _INDEPENDENT = 1, 2
# None, LZW, deflate twice, PackBits, LZMA, Zstandard.
_COMPRESSIONS = (1, 5, 8, 32946, 32773, 34925, 50000)
_MAX_TILE = 2**24

# What is damaged is told once, by an exception.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def tiff_size(tags: TagBlock) -> tuple[int, int]:
    """Returns (width, height) of the first page; 0 where it is not told."""
    width, height = ((tags.numbers(tag) or (0,))[0] for tag in (_WIDTH, _HEIGHT))
    return width, height


def is_wide(tags: TagBlock) -> bool:
    """Whether the first page is one that `wide_tiff_raster` reads.

    Args:
      tags: of the page.

    Returns:
      True for 9 to 16 bits of unsigned gray, RGB or CMYK.
    """
    bits = set(tags.numbers(_BITS))
    if len(bits) != 1 or not 8 < max(bits) <= 16 or set(tags.numbers(_FORMAT)) - {1}:
        return False
    photometric, compression, planes, samples = _kind(tags)
    num_colors = _NUM_COLORS.get(photometric, math.inf)
    return (
        num_colors <= samples <= num_colors + 4
        and compression in _COMPRESSIONS
        and (planes == 1 or photometric != _INKS)
    )


def wide_tiff_raster(content: bytes, tags: TagBlock) -> Raster:
    """Decodes the first page of a file, strip by strip or tile by tile.

    Args:
      content: the file.
      tags: of the page, which `is_wide`.

    Returns:
      Its samples as uint16, not turned.

    Raises:
      ValueError: if a part is missing or too short.
    """
    width, height = tiff_size(tags)
    photometric = _kind(tags)[0]
    extra = (*tags.numbers(_EXTRA_SAMPLES), 0)[0]
    shape = (height, width) if _NUM_COLORS[photometric] == 1 else (height, width, 3)
    colors = np.empty(shape, np.uint16)
    has_alpha = extra in (_MULTIPLIED, _INDEPENDENT)
    alpha = np.empty((height, width), np.uint16) if has_alpha else None
    # Closed too: what tifffile keeps in cycles would hold the content for long.
    with io.BytesIO(content) as stream, tifffile.TiffFile(stream) as file:
        _decode_page(file.pages.first, content, _SegmentPainter(tags, colors, alpha))
    if alpha is not None and extra == _MULTIPLIED:
        divide_by_alpha(colors, alpha)
    space = {1: "gray", 3: "rgb", 4: "cmyk"}[_NUM_COLORS[photometric]]
    return Raster(colors, alpha, space)


def _kind(tags: TagBlock) -> tuple[int, int, int, int]:
    """Returns photometric interpretation, compression, planes, samples per pixel."""
    defaults = {_PHOTOMETRIC: -1, _COMPRESSION: 1, _PLANES: 1, _SAMPLES_PER_PIXEL: 1}
    first, second, third, fourth = (
        (tags.numbers(tag) or (default,))[0] for tag, default in defaults.items()
    )
    return first, second, third, fourth


def _decode_page(page: tifffile.TiffPage, content: bytes, painter: "_SegmentPainter") -> None:
    """Decodes every strip or tile of a page."""
    num_segments = math.prod(page.chunked)
    places = list(zip(page.dataoffsets, page.databytecounts, strict=True))[:num_segments]
    if page.is_tiled and page.tilewidth * page.tilelength > _MAX_TILE:
        raise ValueError(f"tiles of {page.tilewidth}x{page.tilelength} pixels")
    if len(places) < num_segments or page.imagedepth != 1:
        raise ValueError("parts of the image are missing")
    view = memoryview(content)
    for index, (start, size) in enumerate(places):
        if size < 1 or start + size > len(content):
            raise ValueError("the image is truncated")
        segment, (plane, _, row, column, _), _ = page.decode(view[start : start + size], index)
        painter.paint(np.asarray(segment)[0], plane, row, column)


class _SegmentPainter:
    """Puts strips and tiles where they belong.

    Args:
      tags: of the page.
      colors: uint16 [H, W] or [H, W, 3], filled.
      alpha: uint16 [H, W], filled, or None.
    """

    def __init__(self, tags: TagBlock, colors: np.ndarray, alpha: np.ndarray | None) -> None:
        self._colors, self._alpha = colors, alpha
        photometric, _, self._planes, _ = _kind(tags)
        self._num_colors = _NUM_COLORS[photometric]
        self._is_inverted = photometric == _MIN_IS_WHITE
        self._peak = 2 ** tags.numbers(_BITS)[0] - 1
        profile = tags.main.get(ICC_PROFILE)
        self._profile = None if profile is None else profile.content

    def paint(self, segment: np.ndarray, plane: int, row: int, column: int) -> None:
        """Fills in one segment, integers [h, w, C], with its corner at a pixel."""
        height, width = self._colors.shape[:2]
        segment = segment[: height - row, : width - column]
        for rows in row_bands(*segment.shape[:2]):
            band = widen(segment[rows], self._peak)
            place = (
                slice(row + rows.start, row + rows.stop),
                slice(column, column + band.shape[1]),
            )
            if self._planes == 1:
                self._fill(place, band[..., : self._num_colors])
                self._fill_alpha(place, band[..., self._num_colors :])
            elif plane >= self._num_colors:
                self._fill_alpha(place, band if plane == self._num_colors else band[..., :0])
            elif self._num_colors == 1:
                self._fill(place, band)
            else:
                self._colors[(*place, plane)] = band[..., 0]

    def _fill(self, place: tuple[slice, slice], colors: np.ndarray) -> None:
        """Fills in the colors of a band, all at once."""
        if self._num_colors == 4:
            self._colors[place] = cmyk_to_srgb(np.ascontiguousarray(colors), self._profile)
        elif self._num_colors == 3:
            self._colors[place] = colors
        else:
            self._colors[place] = ~colors[..., 0] if self._is_inverted else colors[..., 0]

    def _fill_alpha(self, place: tuple[slice, slice], extra: np.ndarray) -> None:
        """Fills in the opacity of a band, the first of the extra samples."""
        if self._alpha is not None and extra.shape[-1] > 0:
            self._alpha[place] = extra[..., 0]
