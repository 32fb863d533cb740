import hashlib
import io
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image, IptcImagePlugin

from tests.photograph_files import (
    CAPTION,
    MAKE,
    TITLE,
    exif_of,
    iptc_record,
    noise,
    profile,
    resource_block,
    slopes,
    xmp_packet,
    xmp_title,
)
from tfcolor.data.exif import Resolution
from tfcolor.data.images import read_photograph
from tfcolor.data.metadata import Metadata
from tfcolor.data.png_chunks import Text
from tfcolor.data.tag_directories import Tag, TagBlock, encode_tags
from tfcolor.data.xmp import merge_xmp, read_xmp
from tfcolor.inference.lossy_files import encode_jpeg, encode_webp, is_opaque
from tfcolor.inference.result_content import ResultContent


def _content(rgb=None, alpha=None, icc=None, xmp=b"<x/>", quality=95, **metadata):
    rgb = slopes(3) if rgb is None else rgb
    return ResultContent(rgb, alpha, icc, xmp, Metadata(**metadata), quality)


def _jpeg(**options):
    return b"".join(encode_jpeg(_content(**options)))


def _open(encoded):
    image = Image.open(io.BytesIO(encoded))
    image.load()
    return image


def test_jpeg_is_close_and_has_color_at_full_resolution():
    image = _open(_jpeg())
    assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3
    difference = np.asarray(image).astype(int) - slopes(3)
    assert np.abs(difference).max() <= 6
    assert len(_jpeg(quality=30)) < len(_jpeg(quality=99))


def test_16_bits_are_rounded_to_8():
    wide = slopes(3).astype(np.uint16) * 257 + 100
    np.testing.assert_array_equal(_open(_jpeg(rgb=wide)), _open(_jpeg()))
    webp = _open(b"".join(encode_webp(_content(rgb=wide))))
    np.testing.assert_array_equal(np.asarray(webp), slopes(3))


@pytest.mark.parametrize(
    ("resolution", "expected"),
    [
        (None, (0, (1, 1))),
        (Resolution(Fraction(300), Fraction(150), "inch"), (1, (300, 150))),
        (Resolution(Fraction(100), Fraction(50), "cm"), (2, (100, 50))),
        (Resolution(Fraction(11811, 100), Fraction(11811, 100), "cm"), (1, (300, 300))),
        (Resolution(Fraction(4), Fraction(3), "none"), (0, (4, 3))),
    ],
)
def test_jpeg_tells_its_resolution_in_whole_numbers(resolution, expected):
    info = _open(_jpeg(resolution=resolution)).info
    assert (info["jfif_unit"], info["jfif_density"]) == expected


def test_jpeg_metadata_have_segments_of_their_own():
    resources = resource_block(2000, bytes(80_000)) + resource_block(0x0404, iptc_record())
    icc = profile("rgb") + bytes(150_000)
    image = _open(
        _jpeg(
            icc=icc,
            xmp=xmp_packet(),
            exif=exif_of(1, (14, 9)).tobytes().removeprefix(b"Exif\0\0"),
            resources=resources,
            texts=(Text("Comment", "seen"), Text("Author", "me")),
        )
    )
    assert image.info["icc_profile"] == icc
    assert image.getexif()[MAKE] == "Brownie"
    assert image.info["comment"] == b"seen"
    assert xmp_title(image.info["xmp"]) == TITLE
    assert IptcImagePlugin.getiptcinfo(image)[2, 120] == CAPTION


def test_a_long_packet_goes_on_in_other_segments():
    packet = merge_xmp(xmp_packet(), {"tfcolor:Flags": "x" * 150_000, "tfcolor:Seed": "3"})
    encoded = _jpeg(xmp=packet)
    image = _open(encoded)
    digest = read_xmp(image.info["xmp"])["xmpNote:HasExtendedXMP"]
    marker = b"http://ns.adobe.com/xmp/extension/\0"
    pieces = [part for name, part in image.applist if part.startswith(marker)]
    joined = b"".join(piece[len(marker) + 40 :] for piece in pieces)
    assert hashlib.md5(joined).hexdigest().upper() == digest
    assert all(piece[len(marker) :][:32].decode() == digest for piece in pieces)
    again = read_xmp(read_photograph(encoded).metadata.xmp)
    assert (again["tfcolor:Flags"], again["tfcolor:Seed"]) == ("x" * 150_000, "3")


def test_exif_too_long_for_a_segment_loses_its_largest_tag():
    block = encode_tags(TagBlock("<", {271: Tag(2, b"me\0")}, {37500: Tag(7, bytes(70_000))}))
    assert _open(_jpeg(exif=block)).getexif()[MAKE] == "me"


def test_webp_loses_nothing():
    alpha = noise((9, 14)) // 2 * 2
    content = _content(
        alpha=alpha,
        icc=profile("rgb"),
        xmp=xmp_packet(),
        exif=exif_of(1, (14, 9)).tobytes().removeprefix(b"Exif\0\0"),
        resolution=Resolution(Fraction(300), Fraction(300), "inch"),
    )
    image = _open(b"".join(encode_webp(content)))
    np.testing.assert_array_equal(np.asarray(image), np.dstack([slopes(3), alpha]))
    assert image.info["icc_profile"] == profile("rgb")
    assert xmp_title(image.info["xmp"]) == TITLE
    assert (image.getexif()[MAKE], image.getexif()[282]) == ("Brownie", 300.0)


def test_opaque_is_what_can_be_left_out():
    assert is_opaque(None)
    assert is_opaque(np.full((2, 3), 65535, np.uint16)) and is_opaque(
        np.full((2, 3), 255, np.uint8)
    )
    assert not is_opaque(np.full((2, 3), 255, np.uint16))
