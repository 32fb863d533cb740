import asyncio
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tfcolor.data.images import UnreadableImageError
from tfcolor.web.refusals import StudioError
from tfcolor.web.uploads import MAX_NAME, clean_name, decode_upload, download_name, read_body


def read(chunks, max_bytes, **headers):
    taken = []

    async def stream():
        for chunk in chunks:
            taken.append(chunk)
            yield chunk

    try:
        return asyncio.run(read_body(headers, stream(), max_bytes)), taken
    except StudioError as refusal:
        return refusal.status, taken


def test_a_body_up_to_the_limit_is_read():
    assert read([b"ab", b"c"], 3)[0] == b"abc"


def test_a_body_is_refused_by_its_announcement_before_a_byte_is_read():
    assert read([b"abcd"], 3, **{"content-length": "4"}) == (413, [])


def test_a_body_that_announces_nothing_is_cut_at_the_limit():
    status, taken = read([b"ab", b"cd", b"ef"], 3)
    assert (status, taken) == (413, [b"ab", b"cd"])


def png_header(width, height):
    """Returns a PNG file of so many pixels that has none of them."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
        + struct.pack(">I", 0)
        + b"IDAT"
        + struct.pack(">I", zlib.crc32(b"IDAT"))
    )


@pytest.mark.parametrize("size", [(1001, 1000), (2_000_000, 2_000_000)])
def test_pixels_are_counted_before_they_are_decoded(size):
    with pytest.raises(StudioError, match="megapixels"):
        decode_upload(png_header(*size), "bomb.png", 1_000_000)


def test_what_is_no_image_is_named():
    with pytest.raises(UnreadableImageError, match=r"letter.txt: not an image"):
        decode_upload(b"Dear all,", "letter.txt", 1_000_000)


def test_odd_photographs_are_read_upright_and_whole(encode):
    tall = np.zeros((7, 4, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode_upload(encode(tall, "JPEG", exif=exif), "a.jpg", 1000)
    assert turned.pixels.shape == (4, 7, 3)
    ramp = np.arange(28, dtype=np.uint16).reshape(7, 4) * 2000
    for file_format in ("PNG", "TIFF"):
        wide = decode_upload(encode(ramp, file_format), "a", 1000)
        assert wide.bits == 16
        np.testing.assert_array_equal(wide.pixels[..., 0], ramp)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("a\r\nSet-Cookie: b", "aSet-Cookie b"),
        ("", "photograph"),
        ("..", "photograph"),
        ("Großmutter 1943.tif", "Großmutter 1943.tif"),
        ("x" * 500 + ".png", "x" * (MAX_NAME - 4) + ".png"),
    ],
)
def test_names_lose_folders_and_control_characters(text, name):
    assert clean_name(text) == name


def test_results_are_named_as_colorize_names_them():
    assert download_name("a.b.jpeg") == "a.b_colorized.png"
    assert download_name("noname") == "noname_colorized.png"
