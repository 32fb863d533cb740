"""XMP packets: parsed without a chance for hostile ones, and merged.

What a packet says stays; its history is not rewritten. Only what coloring and
turning make untrue is changed.
"""

import hashlib
import re
import xml.dom.minidom
import xml.parsers.expat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from xml.dom.minidom import Attr, Document, Element, Text

NAMESPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "x": "adobe:ns:meta/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "tfcolor": "urn:tfcolor:provenance:1.0:",
}
"""Of the properties that are read or written here, by prefix."""

_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    f'<x:xmpmeta xmlns:x="{NAMESPACES["x"]}"><rdf:RDF xmlns:rdf="{NAMESPACES["rdf"]}"/>'
    '</x:xmpmeta><?xpacket end="w"?>'
)
_MAX_BYTES, _MAX_ELEMENTS = 16_000_000, 100_000
_COLOR_MODE_RGB = "3"
_PAIRS = {"tiff:ImageWidth": "tiff:ImageLength", "exif:PixelXDimension": "exif:PixelYDimension"}

Properties = Mapping[str, str | Sequence[str]]


def upright_xmp(packet: bytes, is_turned: bool) -> bytes | None:
    """Returns the packet of a photograph that has been brought upright.

    The orientation becomes 1; width and height are exchanged where the
    photograph was turned by a quarter; thumbnails, which are gray, are left out;
    the color mode becomes RGB.

    Args:
      packet: as stored.
      is_turned: whether width and height are exchanged.

    Returns:
      The packet in UTF-8; None if it is no XMP, or hostile.
    """
    try:
        document = _parse(packet)
    except ValueError:
        return None
    changes = {"tiff:Orientation": "1", "photoshop:ColorMode": _COLOR_MODE_RGB}
    known = _read(document)
    for first, second in _PAIRS.items() if is_turned else ():
        if first in known and second in known:
            changes |= {first: known[second], second: known[first]}
    changes = {name: value for name, value in changes.items() if name in known}
    _remove(document, ["xmp:Thumbnails", *changes])
    if changes:
        _add(document, changes)
    return _write(document)


def read_xmp(packet: bytes | None) -> dict[str, str]:
    """Returns the simple properties of a packet, as text by name with prefix.

    Args:
      packet: an XMP packet or None.

    Returns:
      Those in one of `NAMESPACES`; none of a damaged packet.

    Example:
      >>> read_xmp(merge_xmp(None, {"xmp:CreatorTool": "Scanner"}))
      {'xmp:CreatorTool': 'Scanner'}
    """
    if packet is None:
        return {}
    try:
        return _read(_parse(packet))
    except ValueError:
        return {}


def merge_xmp(packet: bytes | None, properties: Properties) -> bytes:
    """Sets properties of a packet.

    Args:
      packet: an XMP packet; None or a damaged one makes a new one.
      properties: text, or several texts for a bag, by name with prefix.

    Returns:
      The packet, in which nothing else has changed.
    """
    document = None
    if packet is not None:
        try:
            document = _parse(packet)
        except ValueError:
            document = None
    if document is None:
        document = _parse(_EMPTY.encode())
    _remove(document, properties)
    _add(document, properties)
    return _write(document)


def join_extended(packet: bytes, parts: Mapping[str, bytes]) -> bytes:
    """Returns a packet with what a JPEG file holds of it elsewhere.

    Args:
      packet: the main part, which names the other by its MD5 sum.
      parts: extended parts by this sum, in upper case hexadecimal digits.

    Returns:
      One packet; the main part itself if it has no other.
    """
    extended = parts.get(read_xmp(packet).get("xmpNote:HasExtendedXMP", ""))
    if extended is None:
        return packet
    try:
        document, more = _parse(packet), _parse(extended)
    except ValueError:
        return packet
    _remove(document, ["xmpNote:HasExtendedXMP"])
    tree = _tree(document)
    # Prefixes that are declared further up than in the descriptions.
    declared = {
        name: value
        for above in (more.documentElement or _tree(more), _tree(more))
        for name, value in above.attributes.items()
        if name.startswith("xmlns")
    }
    for description in list(_descriptions(more)):
        copy = document.importNode(description, deep=True)
        for name, value in declared.items():
            if not copy.hasAttribute(name):
                copy.setAttribute(name, value)
        tree.appendChild(copy)
    return _write(document)


def split_extended(packet: bytes, max_size: int) -> tuple[bytes, bytes]:
    """Splits a packet that is too long for one segment of a JPEG file.

    Args:
      packet: the whole.
      max_size: of the first part, in bytes.

    Returns:
      (main part, extended part); the latter is empty if the packet fits. The
      main part has the shorter properties, and names the other by its MD5 sum.
    """
    main, extended = packet, b""
    for longest in (1000, 100, 0):
        if len(main) <= max_size:
            break
        main, extended = _partition(packet, longest)
        digest = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()
        main = merge_xmp(main, {"xmpNote:HasExtendedXMP": digest})
    return main, extended


def _partition(packet: bytes, longest: int) -> tuple[bytes, bytes]:
    """Splits a packet into short and long properties, a packet each."""
    short, long = _parse(packet), _parse(packet)
    pairs = zip(list(_descriptions(short)), list(_descriptions(long)), strict=True)
    for first, second in pairs:
        nodes = zip(list(first.childNodes), list(second.childNodes), strict=True)
        for in_short, in_long in nodes:
            is_long = len(in_short.toxml()) > longest
            (first if is_long else second).removeChild(in_short if is_long else in_long)
        for name, value in list(first.attributes.items()):
            if not name.startswith("xmlns") and not name.endswith(":about"):
                (first if len(value) > longest else second).removeAttribute(name)
    return _write(short), _write(long)


def _parse(packet: bytes) -> Document:
    """Returns the tree of a packet.

    Raises:
      ValueError: if it is no XMP, declares entities or is absurdly large.
    """
    text = _decode(packet)
    if len(packet) > _MAX_BYTES or text.count("<") > 2 * _MAX_ELEMENTS:
        raise ValueError("too large a packet")
    # Without a document type there are no entities, which could grow or lead out.
    if "<!" in re.sub(r"<!--|<!\[CDATA\[", "", text):
        raise ValueError("a packet that declares a document type")
    try:
        document = xml.dom.minidom.parseString(text.encode())
        _tree(document)
        _write(document)
    except (xml.parsers.expat.ExpatError, RecursionError, UnicodeError) as error:
        raise ValueError("damaged packet") from error
    return document


def _decode(packet: bytes) -> str:
    """Returns the text of a packet in any of the encodings that XMP allows."""
    encoding = "utf-8"
    if packet[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif packet[:2] == b"<\0":
        encoding = "utf-16-le"
    elif packet[:2] == b"\0<":
        encoding = "utf-16-be"
    try:
        text = packet.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError("a packet in an unknown encoding") from error
    text = text.strip("\ufeff\0 \r\n\t")
    return re.sub(r"^<\?xml\s[^>]*\?>", "", text).lstrip()


def _write(document: Document) -> bytes:
    """Returns a tree as a packet, between the marks that readers search for."""
    text = "".join(node.toxml() for node in document.childNodes)
    if "<?xpacket" not in text:
        text = _EMPTY[: _EMPTY.index("<x:")] + text + _EMPTY[_EMPTY.index("<?xpacket end") :]
    return text.encode()


def _tree(document: Document) -> Element:
    """Returns the element that holds all descriptions."""
    found = document.getElementsByTagNameNS(NAMESPACES["rdf"], "RDF")
    if not found:
        raise ValueError("a packet without RDF")
    return found[0]


def _descriptions(document: Document) -> Iterator[Element]:
    """Yields the descriptions of the photograph."""
    wanted = NAMESPACES["rdf"], "Description"
    for node in _tree(document).childNodes:
        if isinstance(node, Element) and (node.namespaceURI, node.localName) == wanted:
            yield node


def _read(document: Document) -> dict[str, str]:
    """Returns simple properties by name with prefix, from attributes and elements."""
    prefixes = {uri: prefix for prefix, uri in NAMESPACES.items() if prefix not in ("rdf", "x")}
    found = {}
    for description in _descriptions(document):
        attributes = map(description.attributes.item, range(description.attributes.length))
        for node in [*attributes, *description.childNodes]:
            if not isinstance(node, Attr | Element) or node.namespaceURI not in prefixes:
                continue
            content = list(node.childNodes)
            if len(content) == 1 and isinstance(content[0], Text):
                found[f"{prefixes[node.namespaceURI]}:{node.localName}"] = content[0].data
    return found


def _remove(document: Document, names: Iterable[str]) -> None:
    """Removes properties, however they are written."""
    wanted = [(NAMESPACES[name.split(":")[0]], name.split(":")[1]) for name in names]
    for description in _descriptions(document):
        for uri, name in wanted:
            if description.hasAttributeNS(uri, name):
                description.removeAttributeNS(uri, name)
        for node in list(description.childNodes):
            if isinstance(node, Element) and (node.namespaceURI, node.localName) in wanted:
                description.removeChild(node)


def _add(document: Document, properties: Properties) -> None:
    """Adds properties in a description of their own."""
    rdf = NAMESPACES["rdf"]
    first = next(_descriptions(document), None)
    description = document.createElementNS(rdf, "rdf:Description")
    # All descriptions of a packet are about the same.
    about = first.getAttributeNS(rdf, "about") if first is not None else ""
    description.setAttribute("xmlns:rdf", rdf)
    description.setAttributeNS(rdf, "rdf:about", about)
    for prefix in sorted({name.split(":")[0] for name in properties}):
        description.setAttribute(f"xmlns:{prefix}", NAMESPACES[prefix])
    for name, value in properties.items():
        element = document.createElementNS(NAMESPACES[name.split(":")[0]], name)
        description.appendChild(element)
        if isinstance(value, str):
            element.appendChild(document.createTextNode(_legal(value)))
            continue
        bag = element.appendChild(document.createElementNS(rdf, "rdf:Bag"))
        for text in value:
            item = bag.appendChild(document.createElementNS(rdf, "rdf:li"))
            item.appendChild(document.createTextNode(_legal(text)))
    _tree(document).appendChild(description)


def _legal(text: str) -> str:
    """Leaves out the characters that XML cannot hold."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)
