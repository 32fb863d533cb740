import struct

import numpy as np
import pytest

from tests.photograph_files import encode_tiff, noise
from tfcolor.data.images import UnreadableImageError, read_photograph
from tfcolor.data.tag_directories import read_tags
from tfcolor.data.tiff_samples import is_wide, tiff_size, wide_tiff_raster

COMPRESSIONS = [None, "lzw", "zlib", "packbits", "lzma", "zstd"]


def _raster(content):
    tags = read_tags(content)
    assert is_wide(tags)
    return wide_tiff_raster(content, tags)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("options", [{"rowsperstrip": 3}, {"tile": (16, 32)}, {}], ids=str)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_every_layout_gives_its_samples(compression, options, byteorder):
    samples = noise((37, 45, 3), np.uint16)
    predictor = compression not in (None, "packbits")
    content = encode_tiff(
        samples,
        photometric="rgb",
        compression=compression,
        predictor=predictor,
        byteorder=byteorder,
        **options,
    )
    raster = _raster(content)
    np.testing.assert_array_equal(raster.colors, samples)
    assert raster.alpha is None and raster.color_space == "rgb"


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_kept_apart(planarconfig, channels):
    samples = noise((5, 7, channels), np.uint16)
    content = encode_tiff(
        samples if planarconfig == "contig" else np.moveaxis(samples, -1, 0).copy(),
        photometric="rgb" if channels == 4 else "minisblack",
        extrasamples=["unassalpha"],
        planarconfig=planarconfig,
    )
    raster = _raster(content)
    expected = samples[..., :3] if channels == 4 else samples[..., 0]
    np.testing.assert_array_equal(raster.colors, expected)
    np.testing.assert_array_equal(raster.alpha, samples[..., -1])


def test_colors_are_divided_by_an_alpha_they_were_multiplied_by():
    samples = noise((5, 7, 4), np.uint16) | 0x4000
    stored = samples.copy()
    stored[..., :3] = np.rint(samples[..., :3] * (samples[..., 3:] / 65535))
    raster = _raster(encode_tiff(stored, photometric="rgb", extrasamples=["assocalpha"]))
    np.testing.assert_allclose(raster.colors, samples[..., :3], atol=4)


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_white_may_be_zero(byteorder):
    samples = noise((5, 7), np.uint16)
    content = encode_tiff(samples, photometric="miniswhite", byteorder=byteorder)
    np.testing.assert_array_equal(_raster(content).colors, 65535 - samples)


def test_inks_become_colors_at_full_depth():
    samples = noise((5, 7, 4), np.uint16)
    raster = _raster(encode_tiff(samples, photometric="separated"))
    light = 1 - samples / 65535
    np.testing.assert_allclose(raster.colors, 65535 * light[..., :3] * light[..., 3:], atol=0.51)
    assert raster.color_space == "cmyk"


def test_big_tiff_is_read():
    samples = noise((5, 7), np.uint16)
    np.testing.assert_array_equal(_raster(encode_tiff(samples, bigtiff=True)).colors, samples)


def test_what_pillow_reads_is_left_to_it():
    for samples in (noise((5, 7)), noise((5, 7, 3)), np.ones((5, 7), np.float32)):
        assert not is_wide(read_tags(encode_tiff(samples)))
    signed = np.ones((5, 7), np.int16)
    assert not is_wide(read_tags(encode_tiff(signed)))
    assert tiff_size(read_tags(encode_tiff(noise((5, 7))))) == (7, 5)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("options", [{"rowsperstrip": 8}, {"tile": (16, 16)}, {}], ids=str)
@pytest.mark.parametrize("part", [0.3, 0.7, 0.97])
def test_truncated_files_are_refused(compression, options, part):
    content = encode_tiff(
        noise((40, 48), np.uint16), compression=compression, metadata=None, **options
    )
    with pytest.raises(UnreadableImageError, match=r"^a\.tif: damaged image"):
        read_photograph(content[: int(part * len(content))], "a.tif")


def _set(content, tag, value):
    """Overwrites the value of a tag of type LONG or SHORT and count 1."""
    for kind in (b"\3\0\1\0\0\0", b"\4\0\1\0\0\0"):
        row = content.find(struct.pack("<H", tag) + kind)
        if row >= 0:
            return content[: row + 8] + struct.pack("<I", value) + content[row + 12 :]
    raise AssertionError(f"no tag {tag}")


@pytest.mark.parametrize(
    ("tag", "value", "options"),
    [
        (257, 300, {"rowsperstrip": 8}),  # more rows than there are strips for
        (257, 300, {}),
        (256, 60_000, {}),
        (279, 1, {}),  # a strip of one byte
        (279, 0, {}),
        (273, 2**31, {}),  # a strip far outside
        (322, 2**20, {"tile": (16, 16)}),  # a tile of 2^24 columns
        (323, 2**30, {"tile": (16, 16)}),
        (277, 5, {}),  # more samples than there are
    ],
)
def test_lies_about_the_layout_are_refused(tag, value, options):
    content = encode_tiff(noise((12, 10), np.uint16), metadata=None, **options)
    with pytest.raises(UnreadableImageError, match=r"^a\.tif: damaged image"):
        read_photograph(_set(content, tag, value), "a.tif")
