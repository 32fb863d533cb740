import hashlib

import pytest

from tests.photograph_files import TITLE, xmp_packet, xmp_properties, xmp_title
from tfcolor.data.xmp import (
    join_extended,
    merge_xmp,
    read_xmp,
    split_extended,
    upright_xmp,
)

TIFF = 'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'


def _packet(attributes="", elements="", before=""):
    return (
        f'{before}<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {TIFF} {attributes}>{elements}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def test_orientation_becomes_upright_and_all_else_stays():
    found = upright_xmp(xmp_packet(orientation=6), True)
    properties = xmp_properties(found)
    assert properties["Orientation"] == "1"
    assert (properties["CreatorTool"], properties["Rating"]) == ("Scanner 3", "4")
    assert xmp_title(found) == TITLE


def test_a_packet_without_orientation_gets_none():
    assert "Orientation" not in xmp_properties(upright_xmp(_packet(), True))


@pytest.mark.parametrize("is_turned", [False, True])
def test_width_and_height_are_exchanged_when_turned(is_turned):
    packet = _packet('tiff:ImageWidth="14"', "<tiff:ImageLength>9</tiff:ImageLength>")
    properties = xmp_properties(upright_xmp(packet, is_turned))
    found = properties["ImageWidth"], properties["ImageLength"]
    assert found == (("9", "14") if is_turned else ("14", "9"))


def test_what_coloring_makes_untrue_goes():
    packet = _packet(
        'xmlns:p="http://ns.adobe.com/photoshop/1.0/" p:ColorMode="1"'
        ' xmlns:q="http://ns.adobe.com/xap/1.0/"',
        "<q:Thumbnails>abcd</q:Thumbnails>",
    )
    properties = xmp_properties(upright_xmp(packet, False))
    assert properties["ColorMode"] == "3" and "Thumbnails" not in properties


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_encoding_is_read(encoding):
    text = xmp_packet().decode().replace("\ufeff", "")
    text = text if encoding == "utf-16" else text.partition("?>")[2].strip()
    assert xmp_title(upright_xmp(text.encode(encoding), False)) == TITLE
    declared = f'<?xml version="1.0" encoding="utf-8"?>\n{text}'.encode()
    assert xmp_title(upright_xmp(declared, False)) == TITLE


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"no xml",
        b"<a/>",
        xmp_packet()[:200],
        b"\xff\xfe\xff",
        _packet(before='<!DOCTYPE a [<!ENTITY b "bbbb">]>'),
        _packet(before='<!DOCTYPE a SYSTEM "file:///etc/passwd">'),
        _packet(elements="<a>" * 3000 + "</a>" * 3000),  # too deep to be written again
        b"<a>" * 300_000,
    ],
)
def test_damaged_and_hostile_packets_are_left_out(packet):
    assert upright_xmp(packet, False) is None
    assert read_xmp(packet) == {}
    assert read_xmp(merge_xmp(packet, {"tfcolor:Seed": "3"})) == {"tfcolor:Seed": "3"}


def test_merging_replaces_however_a_property_is_written():
    packet = _packet('tiff:Orientation="6"', "<tiff:Orientation>7</tiff:Orientation>")
    merged = merge_xmp(packet, {"tiff:Orientation": "1", "tfcolor:Model": "a < b & c\0"})
    assert merged.count(b"Orientation>") == 2  # one element
    assert read_xmp(merged) == {"tiff:Orientation": "1", "tfcolor:Model": "a < b & c"}
    assert read_xmp(merge_xmp(merged, {"tfcolor:Model": "d"}))["tfcolor:Model"] == "d"


def test_merged_descriptions_are_about_the_same():
    merged = merge_xmp(xmp_packet(), {"tfcolor:Model": "m"})
    assert merged.count(b'about="uuid:4"') == 2
    assert merged.startswith(b"<?xpacket begin=") and merged.endswith(b'<?xpacket end="w"?>')


def test_several_texts_are_a_bag():
    merged = merge_xmp(None, {"tfcolor:Remarks": ("first", "second")})
    assert merged.count(b"<rdf:li>") == 2 and b"<rdf:li>second</rdf:li>" in merged


def test_a_long_packet_is_split_and_joined():
    packet = merge_xmp(xmp_packet(), {"tfcolor:Flags": "x" * 5000})
    main, extended = split_extended(packet, 2000)
    assert len(main) <= 2000 and read_xmp(main)["xmp:CreatorTool"] == "Scanner 3"
    digest = hashlib.md5(extended).hexdigest().upper()
    assert read_xmp(main)["xmpNote:HasExtendedXMP"] == digest
    joined = join_extended(main, {digest: extended})
    assert read_xmp(joined)["tfcolor:Flags"] == "x" * 5000
    assert xmp_title(joined) == TITLE and "xmpNote:HasExtendedXMP" not in read_xmp(joined)
    assert joined.count(b"CreatorTool") == packet.count(b"CreatorTool")  # not twice
    assert join_extended(main, {"other": extended}) == main
    assert split_extended(packet, 10**6) == (packet, b"")
