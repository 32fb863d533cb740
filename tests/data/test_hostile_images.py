import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.photograph_files import (
    add_png_chunk,
    encode,
    encode_tiff,
    noise,
    wide_png,
)
from tfcolor.data.images import UnreadableImageError, read_photograph


@pytest.mark.filterwarnings("ignore")  # pytest resets the filters of `images`
@pytest.mark.parametrize("file_format", ["JPEG", "TIFF", "GIF", "BMP"])
def test_sides_of_65535_pixels_are_refused(file_format):
    encoded = bytearray(encode(Image.new("L", (4, 3)), file_format))
    start = {"JPEG": encoded.find(b"\xff\xc0") + 5, "GIF": 6, "BMP": 18}.get(file_format, 0)
    if file_format == "TIFF":
        encoded = encode_tiff(noise((3, 4), np.uint16))
        for tag in (b"\x00\x01", b"\x01\x01"):  # width and height, in little endian
            row = encoded.index(tag + b"\4\0\1\0\0\0") + 8
            encoded = encoded[:row] + struct.pack("<I", 65535) + encoded[row + 4 :]
    else:
        size = b"\xff\xff\0\0\xff\xff\0\0" if file_format == "BMP" else b"\xff" * 4
        encoded[start : start + len(size)] = size
    with pytest.raises(UnreadableImageError, match=r"^a: "):
        read_photograph(bytes(encoded), "a")


def _bomb():
    return zlib.compress(b"\0" * 40_000_000)


@pytest.mark.parametrize(
    ("kind", "content"),
    [(b"zTXt", b"Comment\0\0"), (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"), (b"iCCP", b"p\0\0")],
)
@pytest.mark.parametrize("bits", [8, 16])
def test_bombs_in_metadata_are_refused_or_passed_over(kind, content, bits):
    samples = noise((4, 6, 3), np.uint8 if bits == 8 else np.uint16)
    encoded = encode(Image.fromarray(samples)) if bits == 8 else wide_png(samples)
    try:
        photograph = read_photograph(add_png_chunk(encoded, kind, content + _bomb()), "a.png")
    except UnreadableImageError as error:
        assert str(error).startswith("a.png: ") and "\n" not in str(error)
    else:
        np.testing.assert_array_equal(photograph.pixels, samples)
        told = [photograph.icc_profile or b"", photograph.metadata.xmp or b""]
        assert max(map(len, told)) < 20_000_000 and photograph.metadata.texts == ()


def _tiff(entries, data=b"", next_directory=0):
    """A TIFF file of raw entries (tag, kind, count, value), with its directory at 8."""
    rows = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    directory = struct.pack("<H", len(entries)) + rows + struct.pack("<I", next_directory)
    return b"II*\0" + struct.pack("<I", 8) + directory + data


_PAGE = [(256, 4, 1, 4), (257, 4, 1, 3), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
_PAGE += [(277, 3, 1, 1), (278, 4, 1, 3), (279, 4, 1, 12)]


def _page(extra=(), **options):
    entries = sorted([*_PAGE, (273, 4, 1, 0), *extra])
    start = 8 + 2 + 12 * len(entries) + 4
    entries = [(273, 4, 1, start) if entry[0] == 273 else entry for entry in entries]
    return _tiff(entries, bytes(range(12)), **options)


def test_a_loop_of_directories_ends():
    expected = np.arange(12, dtype=np.uint8).reshape(3, 4)
    # The next page, the EXIF and the GPS directory are the first page itself.
    encoded = _page([(34665, 4, 1, 8), (34853, 4, 1, 8)], next_directory=8)
    np.testing.assert_array_equal(read_photograph(encoded).pixels[..., 0], expected)


def test_absurd_tags_are_refused_before_they_are_read():
    many = _tiff([(40000 + index, 1, 1, 0) for index in range(5000)])
    large = _page([(40000 + index, 1, 300, 8) for index in range(40)])
    endless = _page()[:4] + struct.pack("<I", 2**31) + _page()[8:]
    for encoded in (many, large, endless):
        with pytest.raises(UnreadableImageError, match=r"^a\.tif: damaged image \("):
            read_photograph(encoded, "a.tif")


@pytest.mark.filterwarnings("ignore")  # pytest resets the filters of `images`
def test_tags_that_point_nowhere_are_passed_over():
    encoded = _page([(270, 2, 2**31, 8), (700, 1, 5000, 2**30)])
    photograph = read_photograph(encoded)
    assert photograph.pixels.shape == (3, 4, 3)
    assert photograph.metadata.xmp is None
