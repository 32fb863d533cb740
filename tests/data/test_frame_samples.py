import io

import numpy as np
import pytest
from PIL import Image

from tests.photograph_files import encode, encode_tiff, noise, wide_png
from tfcolor.data import raster
from tfcolor.data.frame_samples import GrayRangeError, frame_raster


@pytest.fixture(autouse=True, params=[1, 3, 1000])
def bands(request, monkeypatch):
    """So many rows of seven pixels at once."""
    monkeypatch.setattr(raster, "BAND_SAMPLES", 7 * request.param)


def _raster(content):
    with Image.open(io.BytesIO(content)) as frame:
        return frame_raster(frame, content)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_bands_give_the_whole(mode):
    samples = noise((5, 7, len(mode))).squeeze()
    found = _raster(encode(Image.fromarray(samples, mode)))
    planes = samples.reshape(5, 7, -1)
    colors = planes[..., :3] if mode.startswith("RGB") else planes[..., 0]
    np.testing.assert_array_equal(found.colors, colors)
    assert (found.alpha is not None) == mode.endswith("A")
    if found.alpha is not None:
        np.testing.assert_array_equal(found.alpha, planes[..., -1])
    assert found.color_space == ("rgb" if mode.startswith("RGB") else "gray")


def test_a_palette_with_transparency_gives_colors_and_alpha():
    palette = Image.fromarray(noise((5, 7)) % 3, "P")
    palette.putpalette([0, 0, 0, 10, 20, 30, 200, 100, 50])
    found = _raster(encode(palette, transparency=1))
    expected = np.array(palette.convert("RGB"))
    np.testing.assert_array_equal(found.colors, expected)
    np.testing.assert_array_equal(found.alpha == 0, np.array(palette) == 1)


def test_one_transparent_gray_gives_alpha():
    samples = noise((5, 7)) % 4 * 80
    found = _raster(encode(Image.fromarray(samples), transparency=80))
    np.testing.assert_array_equal(found.colors, samples)
    np.testing.assert_array_equal(found.alpha == 0, samples == 80)


def test_inks_become_colors():
    samples = noise((5, 7, 4))
    found = _raster(encode(Image.fromarray(samples, "CMYK"), "TIFF"))
    light = 1 - samples / 255
    np.testing.assert_allclose(found.colors, 255 * light[..., :3] * light[..., 3:], atol=0.51)
    assert found.color_space == "cmyk"


def test_inks_of_adobe_jpeg_are_not_inverted_twice():
    found = _raster(encode(Image.new("CMYK", (7, 5), (0, 255, 255, 0)), "JPEG"))
    np.testing.assert_allclose(found.colors, np.broadcast_to([255, 0, 0], (5, 7, 3)), atol=3)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_float_gray_fills_16_bits(photometric):
    samples = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    found = _raster(encode_tiff(samples, photometric=photometric))
    expected = samples if photometric == "minisblack" else 1 - samples
    np.testing.assert_allclose(found.colors, 65535 * expected.astype(np.float64), atol=0.51)


@pytest.mark.parametrize("bad", [np.nan, -0.5, 1.5, np.inf])
def test_gray_values_that_nobody_can_scale_are_refused(bad):
    samples = np.full((5, 7), 0.5, np.float32)
    samples[3, 2] = bad
    with pytest.raises(GrayRangeError, match=r"gray values from .* expected 0 to 1"):
        _raster(encode_tiff(samples))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_16_bits_is_whole(channels):
    samples = noise((5, 7, channels), np.uint16)
    found = _raster(wide_png(samples))
    colors = samples[..., :3] if channels > 2 else samples[..., 0]
    np.testing.assert_array_equal(found.colors, colors)
    assert (found.alpha is None) == (channels in (1, 3))
