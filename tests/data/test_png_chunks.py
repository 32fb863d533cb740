import io
import zlib
from fractions import Fraction

import pytest
from PIL import Image

from tests.photograph_files import encode, png_texts, profile
from tfcolor.data.exif import Resolution
from tfcolor.data.png_chunks import (
    XMP_KEYWORD,
    Text,
    make_chunk,
    profile_chunk,
    raw_profile,
    read_chunks,
    read_raw_profile,
    read_resolution,
    read_texts,
    resolution_chunk,
    text_chunk,
    without_metadata,
    xmp_chunk,
)

TEXTS = [
    Text("Author", "Ä"),
    Text("Description", "ö" * 3000),
    Text("Title", "Дом"),
    Text("Comment", "short", "de", "Bemerkung"),
    Text("Comment", "日本 " * 900),
]


def _open(*chunks):
    plain = encode(Image.new("L", (4, 3)))
    image = Image.open(io.BytesIO(plain[:33] + b"".join(chunks) + plain[33:]))
    image.load()
    return image


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.keyword)
def test_texts_are_read_by_others_and_by_us(text):
    chunk = text_chunk(text)
    assert _open(chunk).text[text.keyword] == text.text
    assert read_texts(list(read_chunks(b"\x89PNG\r\n\x1a\n" + chunk))) == [text]
    assert len(chunk) < len(text.text) + 100


def test_texts_by_others_are_read():
    chunks = list(read_chunks(encode(Image.new("L", (4, 3)), pnginfo=png_texts())))
    found = {text.keyword: text for text in read_texts(chunks)}
    assert found["Comment"].text == "long " * 500
    assert (found["Title"].language, found["Title"].translated) == ("de", "Titel")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (b"tEXt", b"no end of the keyword"),
        (b"zTXt", b"a\0\0not compressed"),
        (b"iTXt", b"a\0\1\0\0\0not compressed"),
        (b"iTXt", b"a\0\0\0\0\0\xff\xff"),
        (b"iTXt", b"a\0\0"),
        (b"zTXt", b"a\0\0" + zlib.compress(bytes(17_000_000))),
    ],
)
def test_damaged_texts_and_bombs_are_left_out(kind, content):
    assert read_texts([(kind, content), (b"tEXt", b"a\0b")]) == [Text("a", "b")]


def test_many_large_texts_are_not_all_unpacked():
    large = (b"zTXt", b"a\0\0" + zlib.compress(bytes(15_000_000)))
    assert len(read_texts([large] * 6)) == 4


def test_chunks_end_where_the_file_does():
    whole = b"\x89PNG\r\n\x1a\n" + make_chunk(b"pHYs", b"123456789") + make_chunk(b"tEXt", b"a\0b")
    assert list(read_chunks(whole[:-1])) == [(b"pHYs", b"123456789")]
    assert list(read_chunks(whole + make_chunk(b"IDAT", b"x")))[-1] == (b"tEXt", b"a\0b")


@pytest.mark.parametrize(
    ("resolution", "expected"),
    [
        (Resolution(Fraction(300), Fraction(150), "inch"), (299.9994, 150.0124)),
        (Resolution(Fraction(11811, 100), Fraction(50), "cm"), (299.9994, 127.0)),
    ],
)
def test_resolution_is_what_others_read(resolution, expected):
    assert _open(resolution_chunk(resolution)).info["dpi"] == pytest.approx(expected, rel=1e-6)


def test_whole_pixels_per_meter_survive():
    resolution = Resolution(Fraction(11811, 100), Fraction(2953, 50), "cm")
    assert read_resolution(resolution_chunk(resolution)[8:-4]) == resolution


def test_a_ratio_survives():
    chunk = resolution_chunk(Resolution(Fraction(4, 3), Fraction(1, 2), "none"))
    assert read_resolution(chunk[8:-4]) == Resolution(Fraction(8), Fraction(3), "none")
    assert read_resolution(b"short") is None and read_resolution(bytes(9)) is None


def test_packet_and_profile_are_what_others_read():
    image = _open(xmp_chunk(b"<x/>"), profile_chunk(profile("rgb")))
    assert image.text[XMP_KEYWORD] == "<x/>"
    assert image.info["icc_profile"] == profile("rgb")


def test_raw_profiles_survive():
    block = bytes(range(256))
    assert read_raw_profile(raw_profile("iptc", block)) == ("iptc", block)
    assert read_raw_profile(Text("Raw profile type exif", "\nexif\n  2\nzz\n")) is None
    assert read_raw_profile(Text("Raw profile type exif", "exif")) is None
    assert read_raw_profile(Text("Comment", "\nexif\n  2\n0102\n")) is None


def test_a_file_without_metadata_has_its_pixels():
    plain = encode(Image.new("P", (4, 3), 1))
    with_texts = plain[:33] + make_chunk(b"tEXt", b"a\0b") + plain[33:]
    assert without_metadata(with_texts) == without_metadata(plain)
    assert b"PLTE" in without_metadata(with_texts)
    assert plain.startswith(without_metadata(plain[:-5]))
