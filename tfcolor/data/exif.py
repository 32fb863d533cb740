"""EXIF blocks: kept byte by byte, but for what turning and coloring make untrue.

A block is patched in place, so that offsets inside of it, also those that
cameras hide in their private notes, still lead where they led.
"""

import struct
from fractions import Fraction
from typing import NamedTuple

from tfcolor.data.tag_directories import (
    EXIF_POINTER,
    GPS_POINTER,
    RATIONAL,
    SHORT,
    SIZES,
    TEXT,
    Directory,
    Entry,
    Layout,
    Tag,
    TagBlock,
    encode_tags,
    extend_directory,
    integers,
    read_entries,
    read_layout,
    read_tags,
)

PREFIX = b"Exif\0\0"
"""Stands before the block in JPEG, and in some PNG and WebP files."""

ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 274, 282, 283, 296
DESCRIPTION, ARTIST, COPYRIGHT = 270, 315, 33432
XMP, IPTC, IMAGE_RESOURCES, ICC_PROFILE = 700, 33723, 34377, 34675

_THUMBNAIL_START, _THUMBNAIL_SIZE = 513, 514
# Of the picture and of its EXIF directory: numbers that turning exchanges.
_PAIRS = {256: 257, X_RESOLUTION: Y_RESOLUTION, 40962: 40963, 41486: 41487}

_LAYOUT_TAGS = {
    *range(254, 267), 273, *range(277, 282), 284, *range(288, 294), 301, 317, *range(320, 327),
    330, *range(332, 337), *range(338, 343), 347, *range(512, 522), *range(32995, 32999),
    *range(529, 533), 33421, 33422, EXIF_POINTER, GPS_POINTER, 37724, 50838, 50839,
    *range(50706, 51200),
}  # fmt: skip
"""Tags of a TIFF file that say how its samples are laid out: they hold for that
file only. Layers of an editor and raw camera data are gray, so they go too."""

_OWN_PLACE = {ORIENTATION, XMP, IPTC, IMAGE_RESOURCES, ICC_PROFILE}

_UNITS = {1: "none", 2: "inch", 3: "cm"}


class Resolution(NamedTuple):
    """How large a photograph is printed.

    Args:
      x: pixels in a unit of length, from left to right.
      y: from the top down.
      unit: "inch", "cm", or "none" where only the ratio is known.
    """

    x: Fraction
    y: Fraction
    unit: str


def measured(resolution: Resolution) -> Resolution | None:
    """Returns a resolution, or None for one that tells nothing: square pixels."""
    x, y, unit = resolution
    return None if unit == "none" and x == y else resolution


def exif_orientation(block: bytes | None) -> int | None:
    """Returns the orientation that a block tells.

    Args:
      block: an EXIF block, a TIFF file or None.

    Returns:
      1 to 8, 1 for other numbers, or None where there is none.
    """
    block = block or b""
    try:
        layout = read_layout(block)
        entries, _ = read_entries(block, layout, layout.first)
    except ValueError:
        return None
    for entry in entries:
        if entry.tag == ORIENTATION:
            values = _values(block, entry, layout)
            return values[0] if values and 1 <= values[0] <= 8 else 1
    return None


def upright_exif(block: bytes, is_turned: bool) -> bytes | None:
    """Returns the block of a photograph that has been brought upright.

    The orientation becomes 1; width and height are exchanged where the
    photograph was turned by a quarter; the thumbnail, which shows the
    photograph before it was colored, is unlinked, and cut off where it ends the
    block.

    Args:
      block: as stored, without `PREFIX`.
      is_turned: whether width and height are exchanged.

    Returns:
      The block, otherwise the same; None if it has no directory.
    """
    try:
        layout = read_layout(block)
        entries, next_pointer = read_entries(block, layout, layout.first)
    except ValueError:
        return None
    if layout.is_big:
        return exif_of_tiff(read_tags(block))
    patched = bytearray(block)
    found = {entry.tag: entry for entry in entries}
    taken = _pointed_entries(block, layout, found.get(EXIF_POINTER))
    place = _pointed_entries(block, layout, found.get(GPS_POINTER))
    if ORIENTATION in found:
        _set_integer(patched, found[ORIENTATION], layout, 1)
    if is_turned:
        _exchange(patched, found)
        _exchange(patched, taken)
    (thumbnails,) = struct.unpack_from(f"{layout.byte_order}I", block, next_pointer)
    patched[next_pointer : next_pointer + 4] = b"\0" * 4
    kept = [*entries, *taken.values(), *place.values()]
    kept_end = max((entry.position + entry.size for entry in kept), default=next_pointer + 4)
    start = _thumbnail_start(block, layout, thumbnails)
    if start >= max(kept_end, next_pointer + 4):
        del patched[start:]
    return bytes(patched) if _is_readable(bytes(patched)) else None


def exif_of_tiff(tags: TagBlock) -> bytes | None:
    """Returns the tags of a TIFF file that describe its photograph as a block.

    Args:
      tags: of its first page, upright already.

    Returns:
      An EXIF block, or None if there are no such tags.
    """
    kept = TagBlock(
        tags.byte_order,
        describing_tags(tags.main),
        _classic(tags.exif),
        _classic(tags.gps),
        _classic(tags.interoperability),
    )
    if not (kept.main or kept.exif or kept.gps):
        return None
    return encode_tags(kept)


def describing_tags(main: Directory) -> dict[int, Tag]:
    """Returns the tags that describe a photograph, not how its file is laid out.

    Args:
      main: the first directory of a TIFF file or an EXIF block.

    Returns:
      Those that every file of the photograph can have; orientation, XMP, IPTC and
      color profile, which have a place of their own, are left out.
    """
    left_out = _LAYOUT_TAGS | _OWN_PLACE
    return {number: tag for number, tag in _classic(main).items() if number not in left_out}


def exif_resolution(tags: TagBlock) -> Resolution | None:
    """Returns the resolution that tags tell, or None."""
    sides = [_fraction(tags.main.get(tag), tags.byte_order) for tag in (X_RESOLUTION, Y_RESOLUTION)]
    unit = _UNITS.get((tags.numbers(RESOLUTION_UNIT) or (2,))[0])
    if sides[0] is None or sides[1] is None or unit is None:
        return None
    return measured(Resolution(sides[0], sides[1], unit))


def resolution_tags(resolution: Resolution, byte_order: str) -> dict[int, Tag]:
    """Returns the tags that tell a resolution."""
    code = {name: number for number, name in _UNITS.items()}[resolution.unit]
    sides = [value.limit_denominator(2**20) for value in resolution[:2]]
    x, y = (struct.pack(f"{byte_order}II", *_clipped(side)) for side in sides)
    return {
        X_RESOLUTION: Tag(RATIONAL, x),
        Y_RESOLUTION: Tag(RATIONAL, y),
        RESOLUTION_UNIT: Tag(SHORT, struct.pack(f"{byte_order}H", code)),
    }


def add_missing_tags(block: bytes | None, texts: dict[int, str], more: Resolution | None) -> bytes:
    """Adds to a block what it does not tell yet.

    Nothing that stands in the block moves: a longer first directory is written
    behind it.

    Args:
      block: an EXIF block; None makes a new one.
      texts: tags of the picture by number.
      more: a resolution, or None.

    Returns:
      The block.
    """
    layout = Layout("<", False, 8) if block is None else read_layout(block)
    order = layout.byte_order
    added = {tag: Tag(TEXT, text.encode() + b"\0") for tag, text in texts.items()}
    if more is not None:
        added |= resolution_tags(more, order)
    if block is None:
        return encode_tags(TagBlock(order, added))
    entries, _ = read_entries(block, layout, layout.first)
    known = {entry.tag for entry in entries}
    added = {number: tag for number, tag in added.items() if number not in known}
    if not added:
        return block
    header, rest = extend_directory(block, TagBlock(order, added))
    return header + block[len(header) :] + rest


def fit_exif(block: bytes | None, max_size: int) -> bytes | None:
    """Leaves the largest tags out until a block is small enough.

    Args:
      block: an EXIF block or None.
      max_size: in bytes.

    Returns:
      The block, itself if it fits.
    """
    if block is None or len(block) <= max_size:
        return block
    tags = read_tags(block)
    parts = [dict(tags.main), dict(tags.exif), dict(tags.gps), dict(tags.interoperability)]
    while len(encoded := encode_tags(TagBlock(tags.byte_order, *parts))) > max_size:
        part = max(parts, key=lambda part: max(map(_size, part.values()), default=0))
        del part[max(part, key=lambda number: len(part[number].content))]
    return encoded


def _is_readable(block: bytes) -> bool:
    """Whether the tags of a block can be read."""
    try:
        read_tags(block)
    except ValueError:
        return False
    return True


def _size(tag: Tag) -> int:
    """Returns the bytes of a tag's content."""
    return len(tag.content)


def _classic(directory: Directory) -> dict[int, Tag]:
    """Leaves out kinds that only files with 64-bit offsets have."""
    return {number: tag for number, tag in directory.items() if tag.kind in SIZES}


def _values(block: bytes, entry: Entry, layout: Layout) -> tuple[int, ...]:
    """Returns the integers of an entry."""
    content = bytes(block[entry.position : entry.position + entry.size])
    return integers(Tag(entry.kind, content), layout.byte_order)


def _set_integer(patched: bytearray, entry: Entry, layout: Layout, value: int) -> None:
    """Overwrites the first integer of an entry."""
    letter = {1: "B", 3: "H", 4: "I"}.get(entry.kind)
    if letter is not None:
        struct.pack_into(f"{layout.byte_order}{letter}", patched, entry.position, value)


def _pointed_entries(block: bytes, layout: Layout, pointer: Entry | None) -> dict[int, Entry]:
    """Returns the entries of the directory that an entry points to."""
    starts = _values(block, pointer, layout) if pointer is not None else ()
    try:
        entries = read_entries(block, layout, starts[0])[0] if starts else []
    except ValueError:
        entries = []
    return {entry.tag: entry for entry in entries}


def _exchange(patched: bytearray, found: dict[int, Entry]) -> None:
    """Exchanges what is told of width and of height."""
    for first, second in _PAIRS.items():
        if first not in found or second not in found:
            continue
        # Kind, count and content or its place: all but the tag's number.
        one, other = (slice(found[tag].start + 2, found[tag].start + 12) for tag in (first, second))
        patched[one], patched[other] = patched[other], patched[one]


def _thumbnail_start(block: bytes, layout: Layout, directory: int) -> int:
    """Returns where a thumbnail that ends a block starts, or the block's end."""
    try:
        entries = read_entries(block, layout, directory)[0]
    except ValueError:
        return len(block)
    found = {entry.tag: _values(block, entry, layout) for entry in entries}
    start = (found.get(_THUMBNAIL_START) or (len(block),))[0]
    size = (found.get(_THUMBNAIL_SIZE) or (0,))[0]
    return start if len(block) - 4 <= start + size <= len(block) else len(block)


def _fraction(tag: Tag | None, byte_order: str) -> Fraction | None:
    """Returns a positive ratio, or None."""
    if tag is None or tag.kind != RATIONAL or tag.count < 1:
        return None
    numerator, denominator = struct.unpack_from(f"{byte_order}II", tag.content)
    return Fraction(numerator, denominator) if numerator and denominator else None


def _clipped(value: Fraction) -> tuple[int, int]:
    """Returns a ratio as two integers of 32 bits."""
    if max(value.numerator, value.denominator) < 2**32:
        return value.numerator, value.denominator
    return min(round(value), 2**32 - 1), 1
