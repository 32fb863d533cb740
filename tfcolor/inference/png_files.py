"""Results as PNG files: 8 or 16 bits, with alpha and all metadata."""

import imagecodecs
import numpy as np

from tfcolor.data.image_resources import iptc_captions
from tfcolor.data.png_chunks import (
    make_chunk,
    profile_chunk,
    raw_profile,
    resolution_chunk,
    text_chunk,
    xmp_chunk,
)
from tfcolor.inference.result_content import Parts, ResultContent

# On photographs, these are as small as what zlib finds at its default level with
# all filters, in a tenth of the time.
_STRATEGY, _FILTER = imagecodecs.PNG.STRATEGY.RLE, imagecodecs.PNG.FILTER.PAETH
_HEADER_BYTES = 33


def encode_png(result: ResultContent) -> Parts:
    """Returns a result as a PNG file.

    Args:
      result: what it holds.

    Returns:
      Its content.
    """
    plain = memoryview(compress_png(result.pixels))
    return [plain[:_HEADER_BYTES], *_chunks(result), plain[_HEADER_BYTES:]]


def compress_png(pixels: np.ndarray) -> bytes:
    """Returns pixels as a PNG file without metadata.

    Args:
      pixels: uint8 or uint16 [H, W], [H, W, 3] or [H, W, 4].

    Returns:
      The file.
    """
    return bytes(imagecodecs.png_encode(pixels, strategy=_STRATEGY, filter=_FILTER))


def _chunks(result: ResultContent) -> list[bytes]:
    """Returns what stands between the header and the pixels."""
    metadata = result.metadata
    chunks = []
    if result.icc_profile is not None:
        chunks.append(profile_chunk(result.icc_profile))
    else:
        chunks += [make_chunk(kind, content) for kind, content in metadata.color_chunks]
    if metadata.resolution is not None:
        chunks.append(resolution_chunk(metadata.resolution))
    if metadata.exif is not None:
        chunks.append(make_chunk(b"eXIf", metadata.exif))
    chunks.append(xmp_chunk(result.xmp))
    if metadata.resources is not None:
        # PNG has no chunk for them; this one is what other tools read.
        kind = "8bim" if iptc_captions(metadata.resources) is None else "iptc"
        chunks.append(text_chunk(raw_profile(kind, metadata.resources)))
    return chunks + [text_chunk(text) for text in metadata.texts]
