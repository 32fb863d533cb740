"""The chunks of PNG files: texts and measures read and written, hostile ones skipped."""

import dataclasses
import math
import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction

from tfcolor.data.exif import Resolution, measured

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEYWORD = "XML:com.adobe.xmp"
COLOR_CHUNKS = (b"cHRM", b"cICP", b"gAMA", b"sRGB")
"""What a file without a profile says about its color space."""

_MAX_TEXT, _MAX_TEXTS = 16_000_000, 64_000_000
_WORTH_COMPRESSING = 1024
_RAW = "Raw profile type "
_PER_METER, _CM_PER_INCH = 100, Fraction(254, 100)


@dataclasses.dataclass(frozen=True)
class Text:
    """A remark about a photograph.

    Args:
      keyword: what it tells, for instance "Author".
      text: what it says.
      language: as in RFC 3066, or empty.
      translated: the keyword in this language, or empty.
    """

    keyword: str
    text: str
    language: str = ""
    translated: str = ""


def read_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the chunks of a PNG file that come whole, but for its pixels.

    Args:
      content: the file.

    Yields:
      (kind, content).
    """
    place = len(SIGNATURE)
    while place + 12 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        if place + 12 + size > len(content):
            return
        if kind not in (b"IDAT", b"fdAT"):
            yield kind, content[place + 8 : place + 8 + size]
        place += 12 + size


def without_metadata(content: bytes) -> bytes:
    """Returns a PNG file of nothing but its pixels, as damaged as it was.

    Decoders that unpack metadata without a limit, or print what is wrong with
    them, do not see them.

    Args:
      content: the file.

    Returns:
      The file with its critical chunks.
    """
    view, place = memoryview(content), len(SIGNATURE)
    parts = [view[:place]]
    while place + 12 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        if kind[:1].isupper():
            parts.append(view[place : place + 12 + size])
        place += 12 + size
    return b"".join(parts)


def make_chunk(kind: bytes, content: bytes) -> bytes:
    """Returns a chunk as it stands in a file."""
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def read_texts(chunks: list[tuple[bytes, bytes]]) -> list[Text]:
    """Returns the remarks in a file, those of a language and compressed ones too.

    Args:
      chunks: of the file.

    Returns:
      Those that are whole. What unpacks to more than 16 million bytes, or 64
      million with all before it, is left out.
    """
    readers = {b"tEXt": _read_plain, b"zTXt": _read_compressed, b"iTXt": _read_international}
    texts, size = [], 0
    for kind, content in chunks:
        if kind not in readers:
            continue
        try:
            text = readers[kind](content)
        except (ValueError, zlib.error):  # UnicodeDecodeError is a ValueError
            continue
        size += len(text.text)
        if size <= _MAX_TEXTS:
            texts.append(text)
    return texts


def text_chunk(text: Text) -> bytes:
    """Returns a remark as a chunk, in the plainest form that holds it."""
    keyword = text.keyword.encode("latin-1", "replace")[:79]
    is_plain = not (text.language or text.translated)
    if is_plain and (latin := _latin(text.text)) is not None:
        if len(latin) < _WORTH_COMPRESSING:
            return make_chunk(b"tEXt", keyword + b"\0" + latin)
        return make_chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(latin))
    content = text.text.encode()
    is_long = len(content) >= _WORTH_COMPRESSING and text.keyword != XMP_KEYWORD
    head = keyword + (b"\0\1\0" if is_long else b"\0\0\0")
    head += text.language.encode("ascii", "replace") + b"\0" + text.translated.encode() + b"\0"
    return make_chunk(b"iTXt", head + (zlib.compress(content) if is_long else content))


def xmp_chunk(packet: bytes) -> bytes:
    """Returns an XMP packet as a chunk, not compressed, as its standard asks."""
    return make_chunk(b"iTXt", XMP_KEYWORD.encode() + b"\0" * 5 + packet)


def profile_chunk(icc_profile: bytes) -> bytes:
    """Returns a color profile as a chunk."""
    return make_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc_profile))


def read_resolution(content: bytes) -> Resolution | None:
    """Returns the resolution in a chunk `pHYs`, or None."""
    if len(content) != 9:
        return None
    x, y, unit = struct.unpack(">IIB", content)
    if not (x and y):
        return None
    if unit != 1:
        return measured(Resolution(Fraction(x), Fraction(y), "none"))
    return Resolution(Fraction(x, _PER_METER), Fraction(y, _PER_METER), "cm")


def resolution_chunk(resolution: Resolution) -> bytes:
    """Returns a resolution as a chunk, in whole pixels per meter."""
    if resolution.unit == "none":  # only the ratio counts, and it may be a broken one
        factor = Fraction(math.lcm(resolution.x.denominator, resolution.y.denominator))
    else:
        factor = _PER_METER / (_CM_PER_INCH if resolution.unit == "inch" else Fraction(1))
    sides = (min(max(round(factor * side), 1), 2**31 - 1) for side in resolution[:2])
    return make_chunk(b"pHYs", struct.pack(">IIB", *sides, resolution.unit != "none"))


def read_raw_profile(text: Text) -> tuple[str, bytes] | None:
    """Unpacks a block that older tools keep as hexadecimal digits in a remark.

    Args:
      text: any remark.

    Returns:
      (kind in lower case, for instance "exif" or "iptc", its bytes), or None.
    """
    if not text.keyword.startswith(_RAW):
        return None
    kind = text.keyword.removeprefix(_RAW).strip().lower()
    words = text.text.split(None, 2)
    try:
        return kind, bytes.fromhex(words[2])
    except (IndexError, ValueError):
        return None


def raw_profile(kind: str, content: bytes) -> Text:
    """Returns a block as a remark, as ImageMagick and ExifTool read and write it."""
    digits = content.hex()
    lines = "\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
    return Text(_RAW + kind, f"\n{kind}\n{len(content):8}\n{lines}\n")


def _read_plain(content: bytes) -> Text:
    """Reads a chunk `tEXt`."""
    keyword, text = content.split(b"\0", 1)
    return Text(keyword.decode("latin-1"), text.decode("latin-1"))


def _read_compressed(content: bytes) -> Text:
    """Reads a chunk `zTXt`."""
    keyword, rest = content.split(b"\0", 1)
    return Text(keyword.decode("latin-1"), _unpack(rest[1:]).decode("latin-1"))


def _read_international(content: bytes) -> Text:
    """Reads a chunk `iTXt`."""
    keyword, rest = content.split(b"\0", 1)
    language, translated, text = rest[2:].split(b"\0", 2)
    if rest[0]:
        text = _unpack(text)
    return Text(
        keyword.decode("latin-1"), text.decode(), language.decode("ascii"), translated.decode()
    )


def _unpack(packed: bytes) -> bytes:
    """Decompresses, but no bomb.

    Raises:
      ValueError: if there is too much.
    """
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(packed, _MAX_TEXT)
    if unpacker.unconsumed_tail:
        raise ValueError("a text that is too long")
    return content


def _latin(text: str) -> bytes | None:
    """Returns a text in the encoding of plain chunks, or None."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return None
