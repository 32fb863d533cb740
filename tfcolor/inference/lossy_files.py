"""Results as JPEG and WebP files, which hold 8 bits per sample."""

import io
import struct
from fractions import Fraction

import numpy as np
from PIL import Image

from tfcolor.data.exif import PREFIX, Resolution, fit_exif
from tfcolor.data.image_resources import JPEG_PREFIX, resource_pieces
from tfcolor.data.metadata import EXTENDED_XMP, EXTENDED_XMP_PREFIX, XMP_PREFIX
from tfcolor.data.raster import narrow
from tfcolor.data.xmp import read_xmp, split_extended
from tfcolor.inference.result_content import Parts, ResultContent

MAX_JPEG_SIDE, MAX_WEBP_SIDE = 65_500, 16_383

_APP0, _APP1, _APP2, _APP13, _COMMENT = 0xE0, 0xE1, 0xE2, 0xED, 0xFE
_MAX_SEGMENT = 65_533
_ICC_PREFIX = b"ICC_PROFILE\0"
_JFIF_UNITS = {"none": 0, "inch": 1, "cm": 2}


def encode_jpeg(result: ResultContent) -> Parts:
    """Returns a result as a JPEG file, with color at full resolution (4:4:4).

    Args:
      result: what it holds; its opacity is left out, 16 bits are rounded to 8.

    Returns:
      Its content.
    """
    buffer = io.BytesIO()
    colors = Image.fromarray(narrow(result.rgb))
    colors.save(buffer, "JPEG", quality=result.quality, subsampling=0)
    plain = buffer.getbuffer()
    # The start of the image and the JFIF segment, which is replaced.
    pixels_start = 4 + struct.unpack_from(">H", plain, 4)[0]
    return [bytes(plain[:2]), *_segments(result), plain[pixels_start:]]


def encode_webp(result: ResultContent) -> Parts:
    """Returns a result as a lossless WebP file.

    Args:
      result: what it holds; 16 bits are rounded to 8. Image resources have no
        place in this format.

    Returns:
      Its content.
    """
    buffer = io.BytesIO()
    Image.fromarray(narrow(result.pixels)).save(
        buffer,
        "WEBP",
        lossless=True,
        exact=True,  # the colors below full transparency stay too
        exif=result.full_exif or b"",
        xmp=result.xmp,
        icc_profile=result.icc_profile or b"",
    )
    return [buffer.getbuffer()]


def is_opaque(alpha: np.ndarray | None) -> bool:
    """Whether nothing is lost with an alpha channel.

    Args:
      alpha: uint8 or uint16 [H, W], or None.

    Returns:
      True if no pixel is transparent.
    """
    return alpha is None or bool((alpha == np.iinfo(alpha.dtype).max).all())


def _segments(result: ResultContent) -> list[bytes]:
    """Returns the metadata segments of a JPEG file."""
    metadata = result.metadata
    segments = [_segment(_APP0, _jfif(metadata.resolution))]
    exif = fit_exif(result.full_exif, _MAX_SEGMENT - len(PREFIX))
    if exif is not None:
        segments.append(_segment(_APP1, PREFIX + exif))
    segments += _xmp_segments(result.xmp)
    if result.icc_profile is not None:
        pieces = _pieces(result.icc_profile, _MAX_SEGMENT - len(_ICC_PREFIX) - 2)
        for number, piece in enumerate(pieces, 1):
            head = _ICC_PREFIX + bytes((number, len(pieces)))
            segments.append(_segment(_APP2, head + piece))
    for piece in resource_pieces(metadata.resources, _MAX_SEGMENT - len(JPEG_PREFIX)):
        segments.append(_segment(_APP13, JPEG_PREFIX + piece))
    for text in metadata.texts:
        if text.keyword == "Comment":
            segments.append(_segment(_COMMENT, text.text.encode()[:_MAX_SEGMENT]))
    return segments


def _segment(marker: int, content: bytes) -> bytes:
    """Returns a segment as it stands in a file."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _pieces(content: bytes, size: int) -> list[bytes]:
    """Cuts bytes into pieces of at most so many."""
    return [content[start : start + size] for start in range(0, len(content), size)]


def _xmp_segments(packet: bytes) -> list[bytes]:
    """Returns a packet in as many segments as it needs."""
    main, extended = split_extended(packet, _MAX_SEGMENT - len(XMP_PREFIX))
    segments = [_segment(_APP1, XMP_PREFIX + main)]
    digest = read_xmp(main).get("xmpNote:HasExtendedXMP", "").encode()
    size = _MAX_SEGMENT - EXTENDED_XMP.size
    for number, piece in enumerate(_pieces(extended, size)):
        head = EXTENDED_XMP.pack(EXTENDED_XMP_PREFIX, digest, len(extended), number * size)
        segments.append(_segment(_APP1, head + piece))
    return segments


def _jfif(resolution: Resolution | None) -> bytes:
    """Returns the content of a JFIF segment with a resolution in whole numbers."""
    if resolution is None:
        resolution = Resolution(Fraction(1), Fraction(1), "none")
    x, y, unit = resolution
    if unit == "cm" and x.denominator * y.denominator > 1:
        x, y, unit = x * Fraction(254, 100), y * Fraction(254, 100), "inch"
    sides = (min(max(round(side), 1), 65_535) for side in (x, y))
    return struct.pack(">5sHBHHBB", b"JFIF\0", 0x0101, _JFIF_UNITS[unit], *sides, 0, 0)
