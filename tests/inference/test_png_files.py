import io
from fractions import Fraction

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.photograph_files import exif_of, iptc_record, noise, profile, resource_block
from tfcolor.data.exif import Resolution
from tfcolor.data.metadata import Metadata
from tfcolor.data.png_chunks import Text
from tfcolor.inference.png_files import compress_png, encode_png
from tfcolor.inference.result_content import ResultContent


def _encode(dtype=np.uint8, has_alpha=False, icc=None, **metadata):
    alpha = noise((9, 14), dtype, seed=1) if has_alpha else None
    content = ResultContent(noise((9, 14, 3), dtype), alpha, icc, b"<x/>", Metadata(**metadata), 95)
    return b"".join(encode_png(content))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("has_alpha", [False, True])
def test_pixels_are_whole(dtype, has_alpha):
    encoded = np.frombuffer(_encode(dtype, has_alpha), np.uint8)
    found = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[..., 2::-1], noise((9, 14, 3), dtype))
    if has_alpha:
        np.testing.assert_array_equal(found[..., 3], noise((9, 14), dtype, seed=1))


def test_metadata_have_chunks_of_their_own():
    block = exif_of(1, (14, 9)).tobytes().removeprefix(b"Exif\0\0")
    encoded = _encode(
        icc=profile("rgb"),
        exif=block,
        resources=resource_block(0x0404, iptc_record()),
        resolution=Resolution(Fraction(300), Fraction(300), "inch"),
        texts=(Text("Author", "me"), Text("Author", "you")),
        color_chunks=((b"gAMA", bytes(4)),),
    )
    with Image.open(io.BytesIO(encoded)) as image:
        image.load()
        assert image.info["exif"].removeprefix(b"Exif\0\0") == block
        assert image.info["icc_profile"] == profile("rgb")
        assert image.info["dpi"] == pytest.approx((300, 300), rel=1e-4)
        assert image.info["xmp"] == b"<x/>"
        assert iptc_record().hex() in image.text["Raw profile type iptc"].replace("\n", "")
    assert encoded.count(b"tEXtAuthor\0") == 2
    assert b"gAMA" not in encoded  # the profile says it


def test_colors_of_a_file_without_profile_stay():
    chunk = (45455).to_bytes(4, "big")
    with Image.open(io.BytesIO(_encode(color_chunks=((b"gAMA", chunk),)))) as image:
        assert image.info["gamma"] == pytest.approx(0.45455)


def test_gray_maps_are_compressed_too():
    gray = noise((9, 14))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(compress_png(gray)))), gray)
