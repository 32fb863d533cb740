"""Directories of tags: the structure that TIFF files and EXIF blocks share.

Only the bytes move: no value is interpreted, so none is lost. A block is damaged
or hostile until shown otherwise: entries that point outside are skipped, no
chain of directories is followed, and what is read is never larger than twice
the block.
"""

import dataclasses
import struct
from collections.abc import Iterator, Mapping

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of one value of each kind."""

BYTES, TEXT, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7
EXIF_POINTER, GPS_POINTER, INTEROPERABILITY_POINTER = 34665, 34853, 40965
_BIG_SIZES = SIZES | {16: 8, 17: 8, 18: 8}
_MAX_ENTRIES = 4096
_MAGIC = {b"II*\0": ("<", False), b"MM\0*": (">", False)}
_BIG_MAGIC = {b"II+\0": ("<", True), b"MM\0+": (">", True)}


@dataclasses.dataclass(frozen=True)
class Tag:
    """One value of a directory.

    Args:
      kind: a key of `SIZES`.
      content: its bytes, in the order of the block.
    """

    kind: int
    content: bytes

    @property
    def count(self) -> int:
        """Returns how many values of the kind there are."""
        return len(self.content) // _BIG_SIZES[self.kind]


Directory = Mapping[int, Tag]


@dataclasses.dataclass(frozen=True)
class TagBlock:
    """The tags of an EXIF block, or of the first page of a TIFF file.

    Args:
      byte_order: "<" or ">", of all contents.
      main: tags of the picture.
      exif: of how it was taken.
      gps: of where.
      interoperability: of file name rules; they tell sRGB from Adobe RGB.
    """

    byte_order: str
    main: Directory
    exif: Directory = dataclasses.field(default_factory=dict)
    gps: Directory = dataclasses.field(default_factory=dict)
    interoperability: Directory = dataclasses.field(default_factory=dict)

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Returns the integers of a tag of `main`; none where it has none."""
        return integers(self.main.get(tag), self.byte_order)


@dataclasses.dataclass(frozen=True)
class Entry:
    """Where a tag stands in a block.

    Args:
      tag: its number.
      kind: a key of `SIZES`.
      start: of its entry.
      position: of its content.
      size: of its content in bytes.
    """

    tag: int
    kind: int
    start: int
    position: int
    size: int


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a block is laid out.

    Args:
      byte_order: "<" or ">".
      is_big: whether offsets have 64 bits.
      first: of the first directory.
    """

    byte_order: str
    is_big: bool
    first: int


def is_tag_block(content: bytes) -> bool:
    """Whether bytes start as a TIFF file or an EXIF block does."""
    return content[:4] in _MAGIC or content[:4] in _BIG_MAGIC


def read_layout(content: bytes) -> Layout:
    """Returns how a block is laid out.

    Args:
      content: a TIFF file or an EXIF block.

    Returns:
      Its byte order and where its first directory stands.

    Raises:
      ValueError: if it is neither.
    """
    found = (_MAGIC | _BIG_MAGIC).get(bytes(content[:4]))
    if found is None or len(content) < 16:
        raise ValueError("no directory of tags")
    byte_order, is_big = found
    (first,) = struct.unpack_from(f"{byte_order}{'8xQ' if is_big else '4xI'}", content)
    return Layout(byte_order, is_big, first)


def read_entries(content: bytes, layout: Layout, start: int) -> tuple[list[Entry], int]:
    """Finds the tags of one directory.

    Args:
      content: the block.
      layout: its own.
      start: of the directory.

    Returns:
      The entries whose content lies inside of the block, and the position of the
      pointer to the next directory.

    Raises:
      ValueError: if the directory itself lies outside, or lists absurdly many.
    """
    count_format, entry_format, inline = ("Q", "HHQ", 8) if layout.is_big else ("H", "HHI", 4)
    head = struct.Struct(layout.byte_order + count_format)
    entry = struct.Struct(layout.byte_order + entry_format)
    step = entry.size + inline
    if start < 8 or start + head.size > len(content):
        raise ValueError("a directory of tags outside of the file")
    (count,) = head.unpack_from(content, start)
    end = start + head.size + count * step
    if count > _MAX_ENTRIES or end > len(content):
        raise ValueError(f"a directory of {count} tags, cut off or absurd")
    entries = []
    for place in range(start + head.size, end, step):
        tag, kind, number = entry.unpack_from(content, place)
        size = number * _BIG_SIZES.get(kind, 0)
        position = place + entry.size
        if size > inline:
            position = struct.unpack_from(
                f"{layout.byte_order}{'Q' if layout.is_big else 'I'}", content, position
            )[0]
        if size > 0 and position + size <= len(content):
            entries.append(Entry(tag, kind, place, position, size))
    return entries, end


def read_tags(content: bytes) -> TagBlock:
    """Reads the first directory of a block and those that it points to.

    Args:
      content: a TIFF file or an EXIF block.

    Returns:
      Its tags; damaged ones are left out.

    Raises:
      ValueError: if it has no directory.
    """
    layout = read_layout(content)
    reader = _Reader(content, layout)
    main = reader.read(layout.first)
    exif = reader.follow(main, EXIF_POINTER)
    return TagBlock(
        byte_order=layout.byte_order,
        main=main,
        exif=exif,
        gps=reader.follow(main, GPS_POINTER),
        interoperability=reader.follow(exif, INTEROPERABILITY_POINTER),
    )


class _Reader:
    """Copies tags out of a block, in sum at most twice its size.

    Args:
      content: the block.
      layout: its own.
    """

    def __init__(self, content: bytes, layout: Layout) -> None:
        self._content, self._layout = content, layout
        self._room = 2 * len(content)

    def read(self, start: int) -> dict[int, Tag]:
        """Returns the tags of one directory."""
        tags: dict[int, Tag] = {}
        for entry in read_entries(self._content, self._layout, start)[0]:
            self._room -= entry.size
            if self._room < 0:
                raise ValueError("tags that are larger than their file")
            content = self._content[entry.position : entry.position + entry.size]
            tags.setdefault(entry.tag, Tag(entry.kind, bytes(content)))
        return tags

    def follow(self, directory: dict[int, Tag], pointer: int) -> dict[int, Tag]:
        """Returns what a tag points to, and removes the pointer."""
        starts = integers(directory.pop(pointer, None), self._layout.byte_order)
        try:
            return self.read(starts[0]) if starts else {}
        except ValueError:
            return {}


def integers(tag: Tag | None, byte_order: str) -> tuple[int, ...]:
    """Returns the integers of a tag.

    Args:
      tag: of a kind of whole numbers, or None.
      byte_order: of its content.

    Returns:
      Its values; none for None and for other kinds.
    """
    letter = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}.get(tag.kind if tag else 0)
    if tag is None or letter is None:
        return ()
    return struct.unpack(f"{byte_order}{tag.count}{letter}", tag.content)


def encode_tags(block: TagBlock) -> bytes:
    """Returns a block of tags as an EXIF block holds them.

    Args:
      block: what it holds.

    Returns:
      A classic block of 32-bit offsets, which `read_tags` reads.
    """
    magic = {"<": b"II*\0", ">": b"MM\0*"}[block.byte_order]
    # A block with an empty directory, which `extend_directory` replaces.
    empty = magic + struct.pack(f"{block.byte_order}I8x", 8)
    header, rest = extend_directory(empty, block)
    return header + empty[len(header) :] + rest


def _sub_directories(block: TagBlock, start: int) -> Iterator[tuple[int, bytes]]:
    """Yields (tag that points to it, its bytes), the first to stand at `start`."""
    order, exif, part = block.byte_order, dict(block.exif), b""
    if block.interoperability:
        exif[INTEROPERABILITY_POINTER] = pointer_to(0, order)
    if exif:
        part = encode_directory(exif, order, start)
    if block.interoperability:
        exif[INTEROPERABILITY_POINTER] = pointer_to(start + len(part), order)
        inner = encode_directory(block.interoperability, order, start + len(part))
        part = encode_directory(exif, order, start) + inner
    if part:
        yield EXIF_POINTER, part
    if block.gps:
        yield GPS_POINTER, encode_directory(block.gps, order, start + len(part))


def pointer_to(position: int, byte_order: str) -> Tag:
    """Returns a tag that points to a position in its file."""
    return Tag(LONG, struct.pack(f"{byte_order}I", position))


def encode_directory(directory: Directory, byte_order: str, start: int) -> bytes:
    """Returns one directory with its contents after it; no other follows it.

    Args:
      directory: its tags.
      byte_order: of their contents.
      start: where it will stand in its file.

    Returns:
      Its bytes, of even length.
    """
    place = start + 2 + 12 * len(directory) + 4
    rows, contents = b"", b""
    for number, tag in sorted(directory.items()):
        rows += _row(number, tag, byte_order, place + len(contents))
        if _is_far(tag):
            contents += tag.content + b"\0" * (len(tag.content) % 2)
    return struct.pack(f"{byte_order}H", len(directory)) + rows + b"\0" * 4 + contents


def extend_directory(content: bytes, added: TagBlock) -> tuple[bytes, bytes]:
    """Sets tags of a block without moving anything that stands in it.

    Args:
      content: a classic block, or a TIFF file.
      added: in its byte order; its tags replace those of the same number.

    Returns:
      (the new start of `content`, which replaces as many bytes, what to append to
      it: a new first directory with its sub-directories).
    """
    layout = read_layout(content)
    order = layout.byte_order
    entries, _ = read_entries(content, layout, layout.first)
    rows = {entry.tag: bytes(content[entry.start : entry.start + 12]) for entry in entries}
    tags = dict(added.main)
    for pointer, is_there in (
        (EXIF_POINTER, added.exif or added.interoperability),
        (GPS_POINTER, added.gps),
    ):
        if is_there:
            tags[pointer] = pointer_to(0, order)
    padding = len(content) % 2
    start = len(content) + padding
    contents_start = start + 2 + 12 * len(rows.keys() | tags.keys()) + 4
    sizes = [len(tag.content) + len(tag.content) % 2 for tag in tags.values() if _is_far(tag)]
    body = b""
    for pointer, part in _sub_directories(added, contents_start + sum(sizes)):
        tags[pointer] = pointer_to(contents_start + sum(sizes) + len(body), order)
        body += part
    contents = b""
    for number, tag in tags.items():
        rows[number] = _row(number, tag, order, contents_start + len(contents))
        if _is_far(tag):
            contents += tag.content + b"\0" * (len(tag.content) % 2)
    directory = struct.pack(f"{order}H", len(rows)) + b"".join(rows[tag] for tag in sorted(rows))
    header = bytes(content[:4]) + struct.pack(f"{order}I", start)
    return header, b"\0" * padding + directory + b"\0" * 4 + contents + body


def without_damaged_tags(content: bytes) -> bytes:
    """Returns a TIFF file whose first directory has only tags that can be read.

    Some decoders stop at the first other one.

    Args:
      content: the file.

    Returns:
      The file itself if there is nothing to leave out or it has 64-bit offsets;
      else one with another directory at its end.

    Raises:
      ValueError: if it has no directory.
    """
    layout = read_layout(content)
    if layout.is_big:
        return content
    entries, next_pointer = read_entries(content, layout, layout.first)
    if next_pointer == layout.first + 2 + 12 * len(entries):
        return content
    header, rest = extend_directory(content, TagBlock(layout.byte_order, {}))
    return header + content[len(header) :] + rest


def _is_far(tag: Tag) -> bool:
    """Whether the content of a tag does not fit into its row."""
    return len(tag.content) > 4


def _row(number: int, tag: Tag, order: str, place: int) -> bytes:
    """Returns the row of a tag, whose content stands at a place if it is far."""
    row = struct.pack(f"{order}HHI", number, tag.kind, tag.count)
    if _is_far(tag):
        return row + struct.pack(f"{order}I", place)
    return row + tag.content.ljust(4, b"\0")
