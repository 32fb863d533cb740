"""Decodes any photograph; every failure is one line that names the file.

What a file is, its content tells, not its name.
"""

import dataclasses
import io
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from tfcolor.core.errors import UserError
from tfcolor.data.exif import ICC_PROFILE
from tfcolor.data.frame_samples import GrayRangeError, frame_raster
from tfcolor.data.metadata import (
    Metadata,
    frame_metadata,
    stored_orientation,
    tiff_metadata,
)
from tfcolor.data.raster import Raster, narrow, turn_upright
from tfcolor.data.tag_directories import is_tag_block, read_tags, without_damaged_tags
from tfcolor.data.tiff_samples import is_wide, tiff_size, wide_tiff_raster

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Names that a folder is searched for, in lower case."""

MAX_PIXELS = 300_000_000
"""The largest image decoded. Phones reach 200 million pixels, and a 4 x 5 inch
negative scanned at 3600 dpi 259 million; a decompression bomb asks for more."""

# Pillow reads more, among them formats that run other programs.
_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
_TURNED = (5, 6, 7, 8)

# Pillow refuses more than twice this number by itself and only warns below,
# so the limit is checked here once more. Both filters are set once because
# `warnings.catch_warnings` is not safe in the threads that decode.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Profiles and edit histories are longer than Pillow expects of a remark.
PngImagePlugin.MAX_TEXT_CHUNK = 16_000_000


class UnreadableImageError(UserError):
    """A file that is not a readable image.

    Args:
      name: the file, as the user knows it.
      reason: what is wrong with it, in a few words.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        """Pickles by the constructor's arguments, for worker processes."""
        return type(self), (self.name, self.reason)


@dataclasses.dataclass(frozen=True, eq=False)
class Photograph:
    """A decoded photograph, upright, with what has to survive its editing.

    Args:
      name: the file, as the user knows it.
      pixels: uint8 or uint16 [H, W, 3], full range, in the file's own RGB space;
        of gray a read-only view of one channel, which takes no memory.
      alpha_pixels: opacity, the type of `pixels` [H, W], or None if opaque.
      file_format: Pillow's name of the format ("JPEG").
      color_space: "gray", "rgb", or "cmyk", of which `pixels` is the sRGB.
      icc_profile: as stored, of gray or RGB, or None. One of other spaces does
        not describe `pixels` and is left out.
      metadata: what the file tells beside, true for the upright photograph.
    """

    name: str
    pixels: np.ndarray
    alpha_pixels: np.ndarray | None
    file_format: str
    color_space: str = "rgb"
    icc_profile: bytes | None = None
    metadata: Metadata = dataclasses.field(default_factory=Metadata)

    @property
    def bits(self) -> int:
        """Returns the bits per sample, 8 or 16."""
        return 8 * self.pixels.dtype.itemsize

    @property
    def rgb(self) -> np.ndarray:
        """Returns the colors as stored, float32 [H, W, 3] in [0, 1]."""
        return _to_unit(self.pixels)

    @property
    def alpha(self) -> np.ndarray | None:
        """Returns the opacity, float32 [H, W] in [0, 1], or None if opaque."""
        return None if self.alpha_pixels is None else _to_unit(self.alpha_pixels)

    @property
    def image(self) -> np.ndarray:
        """Returns the colors, uint8 [H, W, 3], rounded from 16 bits if need be."""
        return narrow(self.pixels)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Returns the content of a file.

    Args:
      path: the file.

    Returns:
      Its bytes, at least one.

    Raises:
      UnreadableImageError: if it is missing, unreadable or empty.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UnreadableImageError(str(path), (error.strerror or str(error)).lower()) from error
    except ValueError as error:  # a NUL inside the name
        raise UnreadableImageError(str(path), str(error)) from error
    if not content:
        raise UnreadableImageError(str(path), "the file is empty")
    return content


def read_photograph(source: bytes | str | os.PathLike[str], name: str | None = None) -> Photograph:
    """Decodes a photograph with its alpha, depth, color space and metadata.

    Animations and multi-page files give their first frame. EXIF orientation is
    applied. Gray of 16 bits keeps its brightness, also where white is 0.

    Args:
      source: an encoded image, or the path of one.
      name: what messages call it; the path if there is one.

    Returns:
      The photograph.

    Raises:
      UnreadableImageError: if there is no complete image of at most
        `MAX_PIXELS` pixels in `source`.
    """
    if isinstance(source, bytes):
        content, name = source, name or "image"
    else:
        content, name = read_file(source), name or str(source)
    if not content:
        raise UnreadableImageError(name, "the file is empty")
    try:
        return _decode(content, name)
    except UnreadableImageError:
        raise
    except GrayRangeError as error:
        raise UnreadableImageError(name, str(error)) from error
    except Image.UnidentifiedImageError as error:
        raise UnreadableImageError(name, "not an image, or cut off in its header") from error
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(name, _too_large("more pixels")) from error
    except MemoryError as error:  # or a header that lies
        raise UnreadableImageError(name, "too large for the memory, or damaged") from error
    # Decoders raise a dozen types on damaged data, from OSError to struct.error.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise UnreadableImageError(name, f"damaged image ({reason})") from error


def read_rgb(content: bytes, name: str) -> np.ndarray:
    """Decodes the colors of a photograph to 8 bits, for training.

    Transparency is dropped, not blended.

    Args:
      content: an encoded image.
      name: what messages call it.

    Returns:
      uint8 [H, W, 3], upright.

    Raises:
      UnreadableImageError: as `read_photograph`.
    """
    return np.ascontiguousarray(read_photograph(content, name).image)


def _too_large(what: str) -> str:
    """Returns the reason for refusing an image by its size."""
    return f"{what} than the limit of {MAX_PIXELS:,}"


def _check_size(size: tuple[int, int], name: str) -> None:
    """Refuses (width, height) of a header, before anything is allocated."""
    width, height = size
    if width < 1 or height < 1:
        raise UnreadableImageError(name, f"an image of {width}x{height} pixels")
    if width * height > MAX_PIXELS:
        raise UnreadableImageError(name, _too_large(f"{width}x{height}: more pixels"))


def _decode(content: bytes, name: str) -> Photograph:
    """Decodes a file, TIFF by its tags, everything else by its frame."""
    tags = None
    if is_tag_block(content):
        content = without_damaged_tags(content)
        tags = read_tags(content)
    if tags is not None and is_wide(tags):
        _check_size(tiff_size(tags), name)
        profile = tags.main.get(ICC_PROFILE)
        raster = wide_tiff_raster(content, tags)
        stored = Photograph(
            name=name,
            pixels=raster.colors,
            alpha_pixels=raster.alpha,
            file_format="TIFF",
            icc_profile=None if profile is None else profile.content,
            metadata=tiff_metadata(tags),
        )
        return _finish(stored, raster, stored_orientation(content, stored.metadata.xmp))
    with Image.open(io.BytesIO(content), formats=_FORMATS) as frame:
        _check_size(frame.size, name)
        raster = frame_raster(frame, content)
        metadata = frame_metadata(frame, content) if tags is None else tiff_metadata(tags)
        stored = Photograph(
            name=name,
            pixels=raster.colors,
            alpha_pixels=raster.alpha,
            file_format=frame.format or "",
            # A profile of L*a*b* says nothing about the RGB that was made of it.
            icc_profile=None if frame.mode == "LAB" else frame.info.get("icc_profile"),
            metadata=metadata,
        )
        block = metadata.exif if tags is None else content
        return _finish(stored, raster, stored_orientation(block, metadata.xmp))


def _finish(stored: Photograph, raster: Raster, orientation: int) -> Photograph:
    """Brings a photograph upright, and gray to three channels."""
    turn = 1 if raster.is_upright else orientation
    colors = np.ascontiguousarray(turn_upright(raster.colors, turn))
    alpha = raster.alpha
    if colors.ndim == 2:
        colors = np.broadcast_to(colors[..., None], (*colors.shape, 3))
    return dataclasses.replace(
        stored,
        pixels=colors,
        alpha_pixels=None if alpha is None else np.ascontiguousarray(turn_upright(alpha, turn)),
        color_space=raster.color_space,
        icc_profile=None if raster.color_space == "cmyk" else stored.icc_profile or None,
        metadata=stored.metadata.upright(orientation in _TURNED),
    )


def _to_unit(samples: np.ndarray) -> np.ndarray:
    """Scales full-range integers to float32 in [0, 1]."""
    return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)
