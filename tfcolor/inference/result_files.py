"""Colored photographs as files."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tfcolor import __version__
from tfcolor.core.errors import UserError
from tfcolor.core.files import atomic_path
from tfcolor.inference.photographs import ColoredPhotograph

OUTPUT_FORMATS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF"}
"""Lossless formats by suffix: others would not keep the lightness."""

PROVENANCE = f"tfcolor {__version__}, colors predicted from the lightness"
"""The text `Software` of a PNG file."""


def write_photograph(colored: ColoredPhotograph, path: str | os.PathLike[str]) -> None:
    """Writes a colored photograph, atomically.

    Args:
      colored: what to write.
      path: the file; its suffix says the format.

    Raises:
      UserError: if the suffix is not that of a lossless format or the file
        cannot be written.
    """
    target = Path(path)
    check_output_suffix(target)
    _write(encode_photograph(colored, OUTPUT_FORMATS[target.suffix.lower()]), target)


def encode_photograph(colored: ColoredPhotograph, file_format: str = "PNG") -> bytes:
    """Returns the file of a colored photograph.

    Args:
      colored: what it holds; alpha, color profile and EXIF are kept.
      file_format: "PNG" or "TIFF". PNG also tells where the colors come from.

    Returns:
      The content of the file.
    """
    pixels = colored.rgb
    if colored.alpha is not None:
        pixels = np.concatenate([pixels, colored.alpha[..., None]], axis=-1)
    metadata = {"icc_profile": colored.icc_profile, "exif": colored.exif}
    return _encode(pixels, file_format, {k: v for k, v in metadata.items() if v})


def write_uncertainty(uncertainty: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Writes an uncertainty map as a gray picture, atomically.

    Args:
      uncertainty: float32 [H, W] in [0, 1], which become black and white.
      path: the PNG file.

    Raises:
      UserError: if the file cannot be written.
    """
    pixels = np.round(255 * uncertainty).astype(np.uint8)
    _write(_encode(pixels, "PNG", {}), Path(path))


def _encode(pixels: np.ndarray, file_format: str, metadata: dict[str, bytes]) -> bytes:
    """Returns the file of uint8 [H, W] or [H, W, C] pixels."""
    buffer = io.BytesIO()
    options: dict[str, Any] = dict(metadata)
    if file_format == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Software", PROVENANCE)
    Image.fromarray(pixels).save(buffer, format=file_format, **options)
    return buffer.getvalue()


def _write(content: bytes, target: Path) -> None:
    """Writes a file, atomically."""
    with atomic_path(target) as temporary:
        try:
            temporary.write_bytes(content)
        except OSError as error:
            raise UserError(f"cannot write {target}: {error}") from error


def check_output_suffix(path: Path) -> None:
    """Raises UserError unless a path ends as a lossless image does."""
    if path.suffix.lower() not in OUTPUT_FORMATS:
        raise UserError(
            f"cannot write {path}: expected a name that ends in {', '.join(OUTPUT_FORMATS)} "
            "(lossless, so that the lightness stays as it was)"
        )
