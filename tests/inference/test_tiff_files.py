import io
from fractions import Fraction

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.photograph_files import (
    DATE_TAKEN,
    EXIF,
    GPS,
    LATITUDE,
    TAKEN,
    exif_of,
    iptc_record,
    noise,
    profile,
    resource_block,
)
from tfcolor.data.exif import Resolution
from tfcolor.data.metadata import Metadata
from tfcolor.inference import tiff_files
from tfcolor.inference.result_content import ResultContent
from tfcolor.inference.tiff_files import encode_tiff


def _encode(dtype=np.uint8, has_alpha=False, icc=None, **metadata):
    alpha = noise((9, 14), dtype, seed=1) if has_alpha else None
    content = ResultContent(noise((9, 14, 3), dtype), alpha, icc, b"<x/>", Metadata(**metadata), 95)
    return b"".join(encode_tiff(content))


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("has_alpha", [False, True])
@pytest.mark.parametrize("rows", [1, 4, 100])
def test_pixels_are_whole(monkeypatch, byte_order, dtype, has_alpha, rows):
    monkeypatch.setattr(tiff_files, "_STRIP_SAMPLES", rows * 14 * (3 + has_alpha))
    block = exif_of(1, (14, 9), byte_order).tobytes().removeprefix(b"Exif\0\0")
    encoded = _encode(dtype, has_alpha, exif=block)
    with tifffile.TiffFile(io.BytesIO(encoded)) as file:
        found, page = file.asarray(), file.pages[0]
        assert file.byteorder == byte_order
        assert page.rowsperstrip == min(rows, 9) and page.predictor == 2
        assert page.extrasamples == ((2,) if has_alpha else ())
    np.testing.assert_array_equal(found[..., :3], noise((9, 14, 3), dtype))
    if has_alpha:
        np.testing.assert_array_equal(found[..., 3], noise((9, 14), dtype, seed=1))
    if dtype == np.uint8:  # by another library
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encoded))), found)


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_metadata_have_tags_of_their_own(byte_order):
    captions = resource_block(0x0404, iptc_record())
    encoded = _encode(
        icc=profile("rgb"),
        exif=exif_of(1, (14, 9), byte_order).tobytes().removeprefix(b"Exif\0\0"),
        resources=captions,
        resolution=Resolution(Fraction(2400), Fraction(1200), "inch"),
    )
    with tifffile.TiffFile(io.BytesIO(encoded)) as file:
        tags = file.pages[0].tags
        assert tags["XResolution"].value == (2400, 1) and tags["ResolutionUnit"].value == 2
        assert tags["YResolution"].value == (1200, 1)
        assert tags["Make"].value == "Brownie"
        assert bytes(tags[34675].value) == profile("rgb")
        assert bytes(tags[33723].value) == iptc_record()
        assert bytes(tags[34377].value) == captions
        assert bytes(tags[700].value) == b"<x/>"
        assert "Software" not in tags and "ImageDescription" not in tags
    with Image.open(io.BytesIO(encoded)) as image:
        exif = image.getexif()
        assert exif.get_ifd(EXIF)[DATE_TAKEN] == TAKEN
        assert exif.get_ifd(GPS)[LATITUDE] == (47.0, 22.0, 12.0)


def test_nothing_is_told_of_a_photograph_that_tells_nothing():
    with tifffile.TiffFile(io.BytesIO(_encode())) as file:
        tags = file.pages[0].tags
        assert not {270, 305, 306, 33723, 34377, 34675, EXIF, GPS} & {tag.code for tag in tags}
