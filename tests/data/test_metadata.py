import hashlib
import io
from fractions import Fraction

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.photograph_files import (
    DPI,
    PERSON,
    TITLE,
    add_jpeg_segment,
    encode,
    exif_of,
    iptc_record,
    noise,
    resource_block,
    xmp_packet,
    xmp_title,
)
from tfcolor.data.exif import Resolution, exif_orientation
from tfcolor.data.image_resources import iptc_captions
from tfcolor.data.metadata import Metadata, frame_metadata, stored_orientation, tiff_metadata
from tfcolor.data.png_chunks import Text
from tfcolor.data.tag_directories import read_tags

XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
IMAGE = Image.fromarray(noise((9, 14, 3)))


def _read(content):
    with Image.open(io.BytesIO(content)) as frame:
        frame.load()
        return frame_metadata(frame, content)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_exif_is_the_block_as_stored(file_format):
    exif = exif_of(6, (14, 9))
    found = _read(encode(IMAGE, file_format, exif=exif)).exif
    assert found == exif.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "TIFF", "BMP"])
def test_resolution_is_found(file_format):
    content = encode(IMAGE, file_format, dpi=DPI)
    found = _read(content) if file_format != "TIFF" else tiff_metadata(read_tags(content))
    factor = 2.54 if found.resolution.unit == "cm" else 1
    assert [float(side) * factor for side in found.resolution[:2]] == pytest.approx(DPI, rel=1e-3)


def test_resolution_in_exif_counts_where_there_is_no_other():
    exif = exif_of(1, (14, 9))
    exif[282], exif[283], exif[296] = 72.0, 36.0, 3
    expected = Resolution(Fraction(72), Fraction(36), "cm")
    assert _read(encode(IMAGE, "WEBP", exif=exif)).resolution == expected
    assert _read(encode(IMAGE, "PNG", exif=exif, dpi=DPI)).resolution != expected


def test_a_jpeg_file_tells_by_its_segments():
    content = encode(IMAGE, "JPEG", comment=PERSON)
    resources = resource_block(2000, b"path") + resource_block(0x0404, iptc_record())
    for piece in (resources[20:], resources[:20]):  # each is put before the one before
        content = add_jpeg_segment(content, 0xED, b"Photoshop 3.0\0" + piece)
    found = _read(add_jpeg_segment(content, 0xE1, XMP_PREFIX + xmp_packet()))
    assert found.resources == resources and iptc_captions(found.resources) == iptc_record()
    assert found.texts == (Text("Comment", PERSON),)
    assert xmp_title(found.xmp) == TITLE


@pytest.mark.parametrize("is_whole", [True, False])
def test_extended_xmp_is_joined(is_whole):
    extended = xmp_packet().replace(b"Scanner 3", b"Scanner " + b"4" * 70_000)
    digest = hashlib.md5(extended).hexdigest().upper().encode()
    main = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-'
        b'syntax-ns#"><r:Description r:about="" xmlns:n="http://ns.adobe.com/xmp/note/"'
        b' n:HasExtendedXMP="' + digest + b'"/></r:RDF></x:xmpmeta>'
    )
    content = encode(IMAGE, "JPEG")
    for start in (0, 60_000)[: 2 if is_whole else 1]:
        head = b"http://ns.adobe.com/xmp/extension/\0" + digest
        head += len(extended).to_bytes(4, "big") + start.to_bytes(4, "big")
        content = add_jpeg_segment(content, 0xE1, head + extended[start : start + 60_000])
    found = _read(add_jpeg_segment(content, 0xE1, XMP_PREFIX + main))
    assert (xmp_title(found.xmp) == TITLE) == is_whole  # cut, it is no XML


def test_a_png_file_tells_by_its_chunks_and_by_older_ones():
    exif = exif_of(3, (14, 9)).tobytes()
    digits = f"\nexif\n{len(exif):8}\n{exif.hex()}\n"
    captions = f"\niptc\n{len(iptc_record()):8}\n{iptc_record().hex()}\n"
    texts = {"Raw profile type exif": digits, "Raw profile type iptc": captions, "Author": PERSON}
    remarks = PngInfo()
    for keyword, text in texts.items():
        remarks.add_text(keyword, text)
    found = _read(encode(IMAGE, "PNG", pnginfo=remarks))
    assert found.exif == exif.removeprefix(b"Exif\0\0")
    assert iptc_captions(found.resources) == iptc_record()
    assert found.texts == (Text("Author", PERSON),)


def test_a_gif_file_tells_its_comment():
    assert _read(encode(IMAGE.convert("L"), "GIF", comment=b"seen")).texts == (
        Text("Comment", "seen"),
    )


@pytest.mark.parametrize(("is_turned", "expected"), [(False, (300, 150)), (True, (150, 300))])
def test_upright_metadata_hold_for_the_turned_photograph(is_turned, expected):
    block = exif_of(6, (14, 9)).tobytes().removeprefix(b"Exif\0\0")
    stored = Metadata(
        exif=block,
        xmp=xmp_packet(orientation=6),
        resources=resource_block(0x0409, b"thumbnail"),
        resolution=Resolution(Fraction(300), Fraction(150), "inch"),
    )
    upright = stored.upright(is_turned)
    assert exif_orientation(upright.exif) == 1
    assert stored_orientation(None, upright.xmp) == 1
    assert upright.resources is None
    assert upright.resolution[:2] == expected
    assert Metadata().upright(True) == Metadata()


def test_exif_counts_before_xmp():
    block = exif_of(6, (14, 9)).tobytes().removeprefix(b"Exif\0\0")
    assert stored_orientation(block, xmp_packet(orientation=8)) == 6
    assert stored_orientation(None, xmp_packet(orientation=8)) == 8
    assert stored_orientation(None, xmp_packet(orientation=9)) == 1
    assert stored_orientation(b"damaged", None) == 1
