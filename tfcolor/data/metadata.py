"""What a photograph's file tells beside its pixels, field by field."""

import dataclasses
import struct
from fractions import Fraction
from typing import Any

from PIL import Image

from tfcolor.data.exif import (
    IMAGE_RESOURCES,
    IPTC,
    PREFIX,
    XMP,
    Resolution,
    exif_of_tiff,
    exif_orientation,
    exif_resolution,
    upright_exif,
)
from tfcolor.data.image_resources import JPEG_PREFIX, kept_resources, with_iptc
from tfcolor.data.png_chunks import (
    COLOR_CHUNKS,
    XMP_KEYWORD,
    Text,
    read_chunks,
    read_raw_profile,
    read_resolution,
    read_texts,
)
from tfcolor.data.tag_directories import TagBlock, read_tags
from tfcolor.data.xmp import join_extended, read_xmp, upright_xmp

XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
"""Stands before the packet in a JPEG segment."""

EXTENDED_XMP = struct.Struct(">35s32sII")
"""Stands before a piece of a long packet: `EXTENDED_XMP_PREFIX`, the MD5 sum of
the whole in hexadecimal digits, its length and the offset of the piece."""

EXTENDED_XMP_PREFIX = b"http://ns.adobe.com/xmp/extension/\0"

_JFIF_UNITS = {1: "inch", 2: "cm"}
_PER_METER, _INCHES_PER_METER = 100, 1 / 0.0254


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What is told about a photograph.

    Args:
      exif: the block, which starts with its byte order.
      xmp: the packet.
      resources: image resources, among them the IPTC captions.
      resolution: pixels in a unit of length.
      texts: remarks.
      color_chunks: (kind, content) of what a PNG file says about colors.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    resources: bytes | None = None
    resolution: Resolution | None = None
    texts: tuple[Text, ...] = ()
    color_chunks: tuple[tuple[bytes, bytes], ...] = ()

    def upright(self, is_turned: bool) -> "Metadata":
        """Returns what holds for the photograph brought upright and colored.

        Args:
          is_turned: whether width and height are exchanged.

        Returns:
          The rest; what is damaged beyond use is left out.
        """
        resolution = self.resolution
        if resolution is not None and is_turned:
            resolution = Resolution(resolution.y, resolution.x, resolution.unit)
        return dataclasses.replace(
            self,
            exif=None if self.exif is None else upright_exif(self.exif, is_turned),
            xmp=None if self.xmp is None else upright_xmp(self.xmp, is_turned),
            resources=None if self.resources is None else kept_resources(self.resources),
            resolution=resolution,
        )


def stored_orientation(block: bytes | None, packet: bytes | None) -> int:
    """Returns the EXIF orientation of a photograph as stored.

    Args:
      block: its EXIF block, its whole file if that is a TIFF, or None.
      packet: its XMP, which counts where the block tells none.

    Returns:
      1 to 8.
    """
    found = exif_orientation(block)
    if found is None:
        text = read_xmp(packet).get("tiff:Orientation", "")
        found = int(text) if text in set("12345678") else 1
    return found


def frame_metadata(frame: Image.Image, content: bytes) -> Metadata:
    """Returns what a file tells about its photograph, as stored.

    Args:
      frame: of any format but TIFF, opened.
      content: the file.

    Returns:
      All of it; what is damaged or absurdly large is left out.
    """
    if frame.format == "PNG":
        found = _png_metadata(content)
    elif frame.format in ("JPEG", "MPO"):
        found = _jpeg_metadata(frame)
    else:
        found = _other_metadata(frame)
    if found.exif is None or found.resolution is not None:
        return found
    try:
        return dataclasses.replace(found, resolution=exif_resolution(read_tags(found.exif)))
    except ValueError:
        return found


def tiff_metadata(tags: TagBlock) -> Metadata:
    """Returns what the tags of a TIFF file tell about its photograph.

    Args:
      tags: of its first page.

    Returns:
      All of it but the orientation.
    """
    resources, captions = (_content(tags, tag) for tag in (IMAGE_RESOURCES, IPTC))
    if captions is not None:
        resources = with_iptc(resources, captions)
    return Metadata(
        exif=exif_of_tiff(tags),
        xmp=_content(tags, XMP),
        resources=resources,
        resolution=exif_resolution(tags),
    )


def _content(tags: TagBlock, number: int) -> bytes | None:
    """Returns the bytes of a tag of a TIFF file, or None."""
    tag = tags.main.get(number)
    return None if tag is None else tag.content


def _png_metadata(content: bytes) -> Metadata:
    """Returns what is in the chunks of a PNG file."""
    chunks = list(read_chunks(content))
    first = dict(reversed(chunks))
    texts = read_texts(chunks)
    raw = dict(filter(None, map(read_raw_profile, texts)))
    packets = [text.text.encode() for text in texts if text.keyword == XMP_KEYWORD]
    app1 = raw.get("app1", b"")
    exif = first.get(b"eXIf") or raw.get("exif") or (app1 if app1.startswith(PREFIX) else None)
    if app1.startswith(XMP_PREFIX):
        packets.append(app1.removeprefix(XMP_PREFIX))
    resources = raw.get("iptc") or raw.get("8bim")
    if resources is not None and not resources.startswith(b"8BIM"):
        resources = with_iptc(None, resources)
    return Metadata(
        exif=_without_prefix(exif),
        xmp=next(iter(packets), raw.get("xmp")),
        resources=resources,
        resolution=read_resolution(first.get(b"pHYs", b"")),
        texts=tuple(
            text for text in texts if text.keyword != XMP_KEYWORD and read_raw_profile(text) is None
        ),
        color_chunks=tuple((kind, first[kind]) for kind in COLOR_CHUNKS if kind in first),
    )


def _jpeg_metadata(frame: Any) -> Metadata:
    """Returns what is in the segments of a JPEG file."""
    packet, resources, comments = None, b"", []
    pieces: dict[str, list[tuple[int, bytes]]] = {}
    for marker, segment in frame.applist:
        if marker == "COM":
            comments.append(Text("Comment", _decode(segment)))
        elif marker == "APP13" and segment.startswith(JPEG_PREFIX):
            resources += segment.removeprefix(JPEG_PREFIX)
        elif segment.startswith(XMP_PREFIX):
            packet = packet or segment.removeprefix(XMP_PREFIX)
        elif segment.startswith(EXTENDED_XMP_PREFIX) and len(segment) > EXTENDED_XMP.size:
            _, digest, _, offset = EXTENDED_XMP.unpack_from(segment)
            piece = offset, segment[EXTENDED_XMP.size :]
            pieces.setdefault(digest.decode("latin-1"), []).append(piece)
    if packet is not None and pieces:
        parts = {digest: b"".join(part for _, part in sorted(of)) for digest, of in pieces.items()}
        packet = join_extended(packet, parts)
    unit = _JFIF_UNITS.get(frame.info.get("jfif_unit", 0))
    x, y = frame.info.get("jfif_density", (0, 0))
    resolution = None
    if unit is not None and x and y:
        resolution = Resolution(Fraction(x), Fraction(y), unit)
    return Metadata(
        exif=_without_prefix(frame.info.get("exif")),
        xmp=packet,
        resources=resources or None,
        resolution=resolution,
        texts=tuple(comments),
    )


def _other_metadata(frame: Image.Image) -> Metadata:
    """Returns what Pillow finds in a file."""
    comment = frame.info.get("comment")
    resolution = None
    if frame.format == "BMP" and all(frame.info.get("dpi", (0, 0))):
        x, y = (round(side * _INCHES_PER_METER) for side in frame.info["dpi"])
        resolution = Resolution(Fraction(x, _PER_METER), Fraction(y, _PER_METER), "cm")
    return Metadata(
        exif=_without_prefix(frame.info.get("exif")),
        xmp=frame.info.get("xmp"),
        resolution=resolution,
        texts=(Text("Comment", _decode(comment)),) if comment else (),
    )


def _without_prefix(block: bytes | None) -> bytes | None:
    """Returns an EXIF block that starts with its byte order."""
    return block.removeprefix(PREFIX) if block else None


def _decode(comment: bytes | str) -> str:
    """Returns a comment, whose encoding no format tells."""
    if isinstance(comment, str):
        return comment
    try:
        text = comment.decode()
    except UnicodeDecodeError:
        text = comment.decode("latin-1")
    return text.rstrip("\0")
