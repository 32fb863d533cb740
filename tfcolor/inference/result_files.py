"""Colored photographs as files, in a format that is asked for or in their own."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from tfcolor.color.profiles import output_icc
from tfcolor.core.errors import UserError
from tfcolor.core.files import atomic_path
from tfcolor.core.options import check_options, option
from tfcolor.inference.lossy_files import (
    MAX_JPEG_SIDE,
    MAX_WEBP_SIDE,
    encode_jpeg,
    encode_webp,
    is_opaque,
)
from tfcolor.inference.photographs import ColoredPhotograph
from tfcolor.inference.png_files import compress_png, encode_png
from tfcolor.inference.provenance import Provenance
from tfcolor.inference.result_content import Parts, ResultContent
from tfcolor.inference.tiff_files import encode_tiff

OUTPUT_FORMATS = {
    ".png": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".webp": "webp",
}
"""Formats by suffix, in lower case."""

_SUFFIXES = {"png": ".png", "tiff": ".tif", "jpeg": ".jpg", "webp": ".webp"}
_ENCODERS = {"png": encode_png, "tiff": encode_tiff, "jpeg": encode_jpeg, "webp": encode_webp}
_MAX_SIDES = {"jpeg": MAX_JPEG_SIDE, "webp": MAX_WEBP_SIDE}


@dataclasses.dataclass(frozen=True)
class ResultOptions:
    """In which format colored photographs are stored."""

    format: str = option(
        "png",
        "png, tiff and webp lose nothing (webp has 8 bits), jpeg does; keep is the format of each"
        " photograph, and png where that holds no colors or has no metadata (GIF, BMP)",
        choices=("png", "tiff", "jpeg", "webp", "keep"),
    )
    quality: int = option(95, "of JPEG files, in percent", minimum=1, maximum=100)

    def __post_init__(self) -> None:
        """Raises UsageError if a value is not accepted."""
        check_options(self)


def result_suffix(source: Path, options: ResultOptions) -> str:
    """Returns the suffix of a result.

    Args:
      source: the photograph; its name alone counts.
      options: the format.

    Returns:
      The suffix with its dot; with `keep` that of the source, as it is written,
      if it is one of `OUTPUT_FORMATS`.

    Example:
      >>> result_suffix(Path("album/a.JPG"), ResultOptions(format="keep"))
      '.JPG'
    """
    if options.format != "keep":
        return _SUFFIXES[options.format]
    return source.suffix if source.suffix.lower() in OUTPUT_FORMATS else _SUFFIXES["png"]


def check_output_suffix(path: Path) -> None:
    """Makes sure that a path ends as a format that results are stored in.

    Args:
      path: of a result.

    Raises:
      UserError: if it does not.
    """
    if path.suffix.lower() not in OUTPUT_FORMATS:
        expected = ", ".join(OUTPUT_FORMATS)
        raise UserError(f"cannot write {path}: expected a name that ends in {expected}")


def loses_pixels(path: Path, bits: int) -> bool:
    """Returns whether a file of this name changes pixels of 8 or 16 bits.

    Example:
      >>> loses_pixels(Path("a.jpg"), 8), loses_pixels(Path("a.webp"), 8)
      (True, False)
    """
    file_format = OUTPUT_FORMATS.get(path.suffix.lower())
    return file_format == "jpeg" or (file_format == "webp" and bits > 8)


def encode_result(
    colored: ColoredPhotograph,
    path: str | os.PathLike[str],
    options: ResultOptions | None = None,
    provenance: Provenance | None = None,
) -> bytes:
    """Returns the file of a colored photograph.

    Depth, alpha, color profile and metadata are those of the photograph, as far as
    the format holds them. PNG and TIFF hold all of it. WebP and JPEG have 8 bits:
    16 are rounded. JPEG has no transparency: an opaque alpha channel is left out,
    any other is refused, since every background would be a guess.

    Args:
      colored: what it holds.
      path: where it will stand; its suffix says the format.
      options: for the quality.
      provenance: what it tells about where its colors come from.

    Returns:
      The content of the file.

    Raises:
      UserError: if the suffix is not one of `OUTPUT_FORMATS`, or the format cannot
        hold the photograph.
    """
    return b"".join(_encode(colored, path, options, provenance))


def write_result(
    colored: ColoredPhotograph,
    path: str | os.PathLike[str],
    options: ResultOptions | None = None,
    provenance: Provenance | None = None,
) -> None:
    """Writes a colored photograph, atomically; see `encode_result`.

    Args:
      colored: what to write.
      path: the file; its suffix says the format.
      options: for the quality.
      provenance: what it tells about where its colors come from.

    Raises:
      UserError: if the format cannot hold the photograph or the file cannot be
        written.
    """
    _write(_encode(colored, path, options, provenance), Path(path))


def encode_uncertainty(uncertainty: np.ndarray) -> bytes:
    """Returns an uncertainty map as a gray PNG file.

    Args:
      uncertainty: uint8 [H, W].

    Returns:
      The file, in which 255 is white.
    """
    return compress_png(uncertainty)


def write_uncertainty(uncertainty: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Writes an uncertainty map as a gray picture, atomically.

    Args:
      uncertainty: uint8 [H, W]; 255 becomes white.
      path: the PNG file.

    Raises:
      UserError: if the file cannot be written.
    """
    _write([encode_uncertainty(uncertainty)], Path(path))


def _encode(
    colored: ColoredPhotograph,
    path: str | os.PathLike[str],
    options: ResultOptions | None,
    provenance: Provenance | None,
) -> Parts:
    """Returns the file of a colored photograph in parts."""
    target, photograph = Path(path), colored.photograph
    check_output_suffix(target)
    file_format = OUTPUT_FORMATS[target.suffix.lower()]
    _check_side(colored, file_format)
    alpha = photograph.alpha_pixels
    if file_format == "jpeg" and not is_opaque(alpha):
        raise UserError(
            f"{photograph.name}: JPEG cannot hold its transparency; expected"
            " --format=png, tiff or webp"
        )
    content = ResultContent(
        rgb=colored.rgb,
        alpha=alpha,
        icc_profile=output_icc(photograph.icc_profile, photograph.color_space),
        xmp=(provenance or Provenance()).merge_into(
            photograph.metadata, has_texts=file_format != "png"
        ),
        metadata=photograph.metadata,
        quality=(options or ResultOptions()).quality,
    )
    return _ENCODERS[file_format](content)


def _check_side(colored: ColoredPhotograph, file_format: str) -> None:
    """Raises UserError if a format has no files of this size."""
    side = max(colored.rgb.shape[:2])
    limit = _MAX_SIDES.get(file_format, side)
    if side > limit:
        raise UserError(
            f"{colored.photograph.name}: {side} pixels are too many for a side in"
            f" {file_format}, which has at most {limit}; expected --format=png or tiff"
        )


def _write(parts: Parts, target: Path) -> None:
    """Writes a file, atomically."""
    with atomic_path(target) as temporary:
        try:
            with open(temporary, "wb") as file:
                file.writelines(parts)
        except OSError as error:
            raise UserError(f"cannot write {target}: {error}") from error
