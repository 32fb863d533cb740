"""Image resources: the blocks in which JPEG and TIFF files keep IPTC captions."""

import struct
from collections.abc import Iterator

JPEG_PREFIX = b"Photoshop 3.0\0"
"""Stands before the resources in a JPEG segment."""

_SIGNATURES = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")
_IPTC = 0x0404
# Small pictures of the photograph before it was colored.
_THUMBNAILS = (0x0409, 0x040C)


def kept_resources(resources: bytes) -> bytes | None:
    """Returns the resources that still hold after coloring.

    Args:
      resources: blocks one after the other, without `JPEG_PREFIX`.

    Returns:
      All but thumbnails and what is damaged; None if nothing is left.
    """
    return (
        b"".join(block for number, block, _ in _blocks(resources) if number not in _THUMBNAILS)
        or None
    )


def iptc_captions(resources: bytes | None) -> bytes | None:
    """Returns the IPTC record among resources, as TIFF keeps it, or None.

    Example:
      >>> iptc_captions(with_iptc(None, b"abc"))
      b'abc'
    """
    for number, _, content in _blocks(resources or b""):
        if number == _IPTC:
            return content
    return None


def with_iptc(resources: bytes | None, captions: bytes) -> bytes:
    """Adds an IPTC record to resources that have none.

    Args:
      resources: blocks or None.
      captions: the record.

    Returns:
      The resources.
    """
    if iptc_captions(resources) is not None:
        return resources or b""
    padding = b"\0" * (len(captions) % 2)
    head = struct.pack(">4sH2xI", b"8BIM", _IPTC, len(captions))
    return (resources or b"") + head + captions + padding


def resource_pieces(resources: bytes | None, max_size: int) -> list[bytes]:
    """Cuts resources into pieces for segments.

    Readers join the pieces or take each by itself, so resources stay whole; those
    that are longer than a piece are cut and come last.

    Args:
      resources: blocks or None.
      max_size: of a piece, in bytes.

    Returns:
      The pieces.
    """
    pieces, long = [b""], b""
    for _, block, _ in _blocks(resources or b""):
        if len(block) > max_size:
            long += block
        elif len(pieces[-1]) + len(block) > max_size:
            pieces.append(block)
        else:
            pieces[-1] += block
    pieces += [long[start : start + max_size] for start in range(0, len(long), max_size)]
    return [piece for piece in pieces if piece]


def _blocks(resources: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yields (number, whole block, content) up to the first damage."""
    place = 0
    while resources[place : place + 4] in _SIGNATURES and place + 12 <= len(resources):
        number, name_size = struct.unpack_from(">HB", resources, place + 4)
        start = place + 6 + (name_size + 2) // 2 * 2
        if start + 4 > len(resources):
            return
        (size,) = struct.unpack_from(">I", resources, start)
        content = resources[start + 4 : start + 4 + size]
        if len(content) < size:
            return
        end = start + 4 + size + size % 2
        yield number, resources[place:end].ljust(end - place, b"\0"), content
        place = end
