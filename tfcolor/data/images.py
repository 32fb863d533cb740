"""Decodes any photograph; every failure is one line that names the file.

Pillow decodes. OpenCV decodes only what Pillow would cut to 8 bits: color with
16 bits per sample.
"""

import dataclasses
import functools
import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from tfcolor.core.errors import UserError

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Names that a folder is searched for, in lower case."""

MAX_PIXELS = 300_000_000
"""The largest image decoded. Phones reach 200 million pixels, and a 4 x 5 inch
negative scanned at 3600 dpi 259 million; a decompression bomb asks for more."""

_ORIENTATION = 0x0112
_BITS_PER_SAMPLE = 258
_PHOTOMETRIC = 262
_MIN_IS_WHITE = 0

# Pillow refuses more than twice this number by itself and only warns below,
# so the limit is checked here once more. Both filters are set once because
# `warnings.catch_warnings` is not safe in the threads that decode.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


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
      pixels: uint8 or uint16 [H, W, 3], full range; gray is repeated.
      alpha_pixels: opacity, the type of `pixels` [H, W], or None if opaque.
      file_format: Pillow's name of the format ("JPEG").
      icc_profile: the embedded RGB profile, or None. A profile of gray or CMYK
        does not describe `pixels` and is left out.
      exif: the EXIF block without its orientation, which is applied, or None.
    """

    name: str
    pixels: np.ndarray
    alpha_pixels: np.ndarray | None
    file_format: str
    icc_profile: bytes | None = None
    exif: bytes | None = None

    @property
    def bits(self) -> int:
        """Returns the bits per sample, 8 or 16."""
        return 8 * self.pixels.dtype.itemsize

    @property
    def rgb(self) -> np.ndarray:
        """Returns the colors, float32 [H, W, 3] in [0, 1]."""
        return _to_unit(self.pixels)

    @property
    def alpha(self) -> np.ndarray | None:
        """Returns the opacity, float32 [H, W] in [0, 1], or None if opaque."""
        return None if self.alpha_pixels is None else _to_unit(self.alpha_pixels)

    @property
    def image(self) -> np.ndarray:
        """Returns the colors, uint8 [H, W, 3], rounded from 16 bits if need be."""
        if self.bits == 8:
            return self.pixels
        return ((self.pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


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
    """Decodes a photograph with its alpha, depth and metadata.

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
        with Image.open(io.BytesIO(content)) as frame:
            _check_size(frame, name)
            frame.load()
            return _convert(frame, content, name)
    except UnreadableImageError:
        raise
    except Image.UnidentifiedImageError as error:
        raise UnreadableImageError(name, "not an image, or cut off in its header") from error
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(name, _too_large("more pixels")) from error
    # Pillow's decoders raise a dozen types on damaged data, from OSError and
    # SyntaxError to struct.error and MemoryError.
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
    return read_photograph(content, name).image


def _too_large(what: str) -> str:
    """Returns the reason for refusing an image by its size."""
    return f"{what} than the limit of {MAX_PIXELS:,}"


def _check_size(frame: Image.Image, name: str) -> None:
    """Refuses an image by its header, before anything is allocated."""
    width, height = frame.size
    if width < 1 or height < 1:
        raise UnreadableImageError(name, f"an image of {width}x{height} pixels")
    if width * height > MAX_PIXELS:
        raise UnreadableImageError(name, _too_large(f"{width}x{height}: more pixels"))


def _convert(frame: Image.Image, content: bytes, name: str) -> Photograph:
    """Brings a loaded frame of any mode to upright RGB and alpha."""
    samples = _wide_samples(frame, content, name)
    if samples is None:
        mode = "RGBA" if frame.has_transparency_data else "RGB"
        samples = np.asarray(frame.convert(mode))
    samples = _turn_upright(samples, _orientation(frame))
    has_alpha = samples.shape[-1] == 4
    profile = frame.info.get("icc_profile")
    return Photograph(
        name=name,
        pixels=np.ascontiguousarray(samples[..., :3]),
        alpha_pixels=np.ascontiguousarray(samples[..., 3]) if has_alpha else None,
        file_format=frame.format or "",
        icc_profile=profile if profile and profile[16:20] == b"RGB " else None,
        exif=_exif_block(frame),
    )


def _orientation(frame: Image.Image) -> int:
    """Returns the EXIF orientation still to be applied: TIFF has applied its own."""
    try:
        return frame.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged metadata must not cost the photograph
        return 1


def _exif_block(frame: Image.Image) -> bytes | None:
    """Returns the EXIF block without the orientation, if it can be kept."""
    if "exif" not in frame.info:
        return None
    try:
        exif = frame.getexif()
        exif.pop(_ORIENTATION, None)
        return exif.tobytes() if len(exif) else None
    except Exception:  # damaged metadata must not cost the photograph
        return None


def _wide_samples(frame: Image.Image, content: bytes, name: str) -> np.ndarray | None:
    """Returns uint16 [H, W, 3 or 4] of more than 8 bits, or None for 8."""
    if frame.mode.startswith("I") or frame.mode == "F":
        return np.repeat(_wide_gray(frame, name)[..., np.newaxis], 3, axis=-1)
    if frame.mode in ("RGB", "RGBA", "LA") and _sample_bits(frame, content) == 16:
        samples = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        if samples is not None and samples.dtype == np.uint16 and samples.ndim == 3:
            order = [2, 1, 0, 3][: samples.shape[-1]]  # OpenCV has blue first
            return samples[..., order]
    return None


def _wide_gray(frame: Image.Image, name: str) -> np.ndarray:
    """Returns gray of more than 8 bits or of floats as full-range uint16."""
    samples = np.asarray(frame)
    peak = 1.0 if frame.mode == "F" else float(2 ** _gray_bits(frame) - 1)
    if not (samples.min() >= 0 and samples.max() <= peak):  # also NaN
        reason = f"gray values from {samples.min()} to {samples.max()}; expected 0 to {peak:g}"
        raise UnreadableImageError(name, reason)
    if _tiff_tag(frame, _PHOTOMETRIC) == _MIN_IS_WHITE:  # Pillow inverts 8 bits only
        samples = peak - samples
    return np.rint(samples.astype(np.float64) * (65535.0 / peak)).astype(np.uint16)


def _gray_bits(frame: Image.Image) -> int:
    """Returns the bits of integer gray: scanners also write 12 in TIFF."""
    tag = _tiff_tag(frame, _BITS_PER_SAMPLE)
    return min(tag[0], 16) if tag else 16


def _sample_bits(frame: Image.Image, content: bytes) -> int:
    """Returns the bits per sample that the file declares."""
    if frame.format == "PNG":
        return content[24]  # in IHDR, which always comes first
    tag = _tiff_tag(frame, _BITS_PER_SAMPLE)
    return tag[0] if tag else 8


def _tiff_tag(frame: Image.Image, tag: int) -> Any:
    """Returns a tag of a TIFF file's first page, or None."""
    directory = getattr(frame, "tag_v2", {}) if frame.format == "TIFF" else {}
    return directory.get(tag)


def _turn_upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Applies an EXIF orientation (1 to 8) to an array [H, W, C]."""
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


def _to_unit(samples: np.ndarray) -> np.ndarray:
    """Scales full-range integers to float32 in [0, 1]."""
    return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)
