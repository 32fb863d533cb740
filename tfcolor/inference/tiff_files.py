"""Results as TIFF files: 8 or 16 bits, with alpha and all metadata."""

import io
from collections.abc import Iterator

import imagecodecs
import numpy as np
import tifffile

from tfcolor.data.exif import (
    ICC_PROFILE,
    IMAGE_RESOURCES,
    IPTC,
    XMP,
    describing_tags,
    resolution_tags,
)
from tfcolor.data.image_resources import iptc_captions
from tfcolor.data.tag_directories import (
    BYTES,
    UNDEFINED,
    Tag,
    TagBlock,
    extend_directory,
    read_tags,
)
from tfcolor.inference.result_content import Parts, ResultContent

_STRIP_SAMPLES = 2**18
_LEVEL = 4


def encode_tiff(result: ResultContent) -> Parts:
    """Returns a result as a TIFF file, compressed by deflate with a predictor.

    Args:
      result: what it holds.

    Returns:
      Its content.
    """
    exif = result.full_exif
    tags = read_tags(exif) if exif is not None else TagBlock("<", {})
    plain = _encode_pixels(result, tags.byte_order)
    header, rest = extend_directory(plain, _with_packets(result, tags))
    return [header, memoryview(plain)[len(header) :], rest]


def _with_packets(result: ResultContent, tags: TagBlock) -> TagBlock:
    """Returns all tags of a result but those of its layout."""
    main = describing_tags(tags.main)
    resources = result.metadata.resources
    packets = {
        XMP: Tag(BYTES, result.xmp),
        IPTC: Tag(UNDEFINED, iptc_captions(resources) or b""),
        IMAGE_RESOURCES: Tag(BYTES, resources or b""),
        ICC_PROFILE: Tag(UNDEFINED, result.icc_profile or b""),
    }
    main |= {number: tag for number, tag in packets.items() if tag.content}
    if result.metadata.resolution is not None:
        main |= resolution_tags(result.metadata.resolution, tags.byte_order)
    return TagBlock(tags.byte_order, main, tags.exif, tags.gps, tags.interoperability)


def _encode_pixels(result: ResultContent, byte_order: str) -> bytes:
    """Returns a TIFF file of the pixels alone."""
    height, width = result.rgb.shape[:2]
    num_channels = 3 if result.alpha is None else 4
    rows = min(max(_STRIP_SAMPLES // (num_channels * width), 1), height)
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, byteorder="<" if byte_order == "<" else ">") as writer:
        writer.write(
            _strips(result, rows, byte_order),
            shape=(height, width, num_channels),
            dtype=result.rgb.dtype,
            rowsperstrip=rows,
            photometric="rgb",
            extrasamples=None if result.alpha is None else ["unassalpha"],
            compression="adobe_deflate",
            predictor=True,
            software=False,
            metadata=None,
        )
    return buffer.getvalue()


def _strips(result: ResultContent, rows: int, byte_order: str) -> Iterator[bytes]:
    """Yields compressed strips of so many rows, as differences from left to right."""
    for top in range(0, len(result.rgb), rows):
        strip = result.rgb[top : top + rows]
        if result.alpha is not None:
            strip = np.concatenate([strip, result.alpha[top : top + rows, :, None]], axis=-1)
        differences = imagecodecs.delta_encode(np.ascontiguousarray(strip), axis=1)
        stored = differences.astype(strip.dtype.newbyteorder(byte_order), copy=False)
        yield bytes(imagecodecs.deflate_encode(stored.tobytes(), level=_LEVEL))
