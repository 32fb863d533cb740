import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tfcolor.server.images import accept_images, count_pixels
from tfcolor.server.status import RequestError


def accept(items, max_pixels):
    array = np.empty(len(items), object)
    array[:] = items
    return list(accept_images("x", array, max_pixels))


def encoded(kind, size=(30, 20), **options):
    file = io.BytesIO()
    Image.new("L", size).save(file, kind, **options)
    return file.getvalue()


def chunk(kind, content):
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def huge_png(width=2**30, height=2**30):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content)


def huge_jpeg():
    jpeg = bytearray(encoded("JPEG"))
    start = jpeg.index(b"\xff\xc0") + 5
    jpeg[start : start + 4] = struct.pack(">HH", 65500, 65500)
    return bytes(jpeg)


def huge_gif():
    return b"GIF89a" + struct.pack("<HH", 65500, 65500) + encoded("GIF")[10:]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_pixels_are_counted_from_the_header(kind):
    assert count_pixels(encoded(kind), kind) == 600
    assert accept([encoded(kind)], 600) == [encoded(kind)]
    with pytest.raises(
        RequestError, match=f'input "x", item 0: a {kind} of 600 pixels; at most 599'
    ):
        accept([encoded(kind)], 599)


def test_frames_count_too():
    frames = [Image.new("L", (30, 20), shade) for shade in (0, 50, 99)]
    gif = encoded("GIF", save_all=True, append_images=frames[1:])
    assert count_pixels(gif, "GIF") == 600 * 3


@pytest.mark.parametrize("image", [huge_png(), huge_png(46341, 46341), huge_jpeg(), huge_gif()])
def test_bombs_are_refused_unopened(image):
    with pytest.raises(RequestError, match="pixels"):
        accept([image], 2**26)


@pytest.mark.parametrize(
    "image",
    [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", encoded("JPEG")[:30], b"\x89PNG" * 9],
)
def test_damaged_headers_are_refused(image):
    with pytest.raises(RequestError, match="header is damaged"):
        accept([image], 2**26)


@pytest.mark.parametrize("item", [b"", b"BMW", b"hello", encoded("BMP"), "text", 3])
def test_everything_else_is_the_models_business(item):
    assert accept([item], 1) == [item]


def test_others_of_the_request_are_kept():
    good = encoded("PNG")
    items = [good, huge_png(), b"text", encoded("JPEG")[:30]]
    assert accept(items, 600) == [good, b"", b"text", b""]
    assert items[1] == huge_png()
