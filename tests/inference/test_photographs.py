import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from PIL import ImageCms

from tfcolor.color.decoding import DecodingOptions
from tfcolor.core.errors import UsageError
from tfcolor.data import raster
from tfcolor.data.images import Photograph
from tfcolor.inference.photographs import (
    BlendOptions,
    gray_batch,
    lay_colors,
    measure_deviation,
)


def _photograph(pixels, **fields):
    return Photograph("test", pixels, None, "PNG", **fields)


def _random_pixels(height, width, dtype=np.uint8, seed=0):
    levels = np.iinfo(dtype).max + 1
    return np.random.default_rng(seed).integers(0, levels, (height, width, 3)).astype(dtype)


def _lay(tint, photograph, blend=None, change=None):
    gray = tf.constant(gray_batch(photograph))
    predictions = tint.histograms(tint.painter.shrink(gray))
    posteriors = tint.painter.space.posteriors(predictions, tint.decoding)
    maps = tint.painter.decode(posteriors, DecodingOptions(), tf.constant(gray.shape[1:3]))
    return lay_colors(tint.painter, photograph, maps, blend or BlendOptions(), change)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lightness_and_depth_of_the_photograph_are_kept(tint, dtype):
    pixels = _random_pixels(7, 9, dtype)
    colored = _lay(tint, _photograph(pixels))
    assert colored.rgb.dtype == dtype
    assert np.abs(colored.rgb.astype(float).mean(-1) - pixels.mean(-1)).max() <= 1 / 3 + 1e-6
    exact = np.abs(colored.rgb.sum(-1, dtype=int) - pixels.sum(-1, dtype=int)).max() / 3
    assert colored.lightness_deviation == pytest.approx(exact)
    assert np.ptp(colored.rgb.astype(float), axis=-1).max() > 10
    assert colored.uncertainty.dtype == np.uint8
    assert colored.doubt == pytest.approx(colored.uncertainty.mean() / 255)


def test_gray_of_sixteen_bits_is_kept_exactly(tint):
    levels = np.arange(2**16, dtype=np.uint16).reshape(256, 256, 1)
    pixels = np.broadcast_to(levels, (256, 256, 3))
    colored = _lay(tint, _photograph(pixels))
    np.testing.assert_array_equal(colored.rgb.sum(-1, dtype=int), 3 * levels[..., 0].astype(int))
    assert colored.lightness_deviation == 0


def test_bands_have_no_seams(tint, monkeypatch):
    # Larger than what the network sees, so that colors are interpolated.
    painter = dataclasses.replace(
        tint.painter, size=dataclasses.replace(tint.painter.size, max_side=24)
    )
    photograph = _photograph(_random_pixels(61, 47, np.uint16))
    random_maps = np.random.default_rng(1).uniform(0.1, 0.5, (1, 24, 18, 4)).astype(np.float32)
    whole = lay_colors(painter, photograph, tf.constant(random_maps), BlendOptions())
    monkeypatch.setattr(raster, "BAND_SAMPLES", 5 * 47)
    banded = lay_colors(painter, photograph, tf.constant(random_maps), BlendOptions())
    np.testing.assert_array_equal(banded.rgb, whole.rgb)
    np.testing.assert_array_equal(banded.uncertainty, whole.uncertainty)


def test_bands_are_what_paint_paints(tint, monkeypatch):
    painter = dataclasses.replace(
        tint.painter, size=dataclasses.replace(tint.painter.size, max_side=16)
    )
    gray = np.random.default_rng(2).uniform(0.2, 0.8, (1, 45, 33, 1)).astype(np.float32)
    small = painter.shrink(gray)
    shape = (1, -(-small.shape[1] // 4), -(-small.shape[2] // 4))
    random_numbers = np.random.default_rng(3)
    predictions = {
        name: tf.constant(random_numbers.dirichlet(np.full(size, 0.3), shape), tf.float32)
        for name, size in painter.space.histograms.items()
    }
    whole = painter.paint(gray, predictions, DecodingOptions())["rgb"].numpy()
    posteriors = painter.space.posteriors(predictions, DecodingOptions())
    maps = painter.decode(posteriors, DecodingOptions(), tf.constant(gray.shape[1:3]))
    tops = range(0, 45, 7)
    rows = [painter.paint_rows(gray[:, top : top + 7], maps, 45, top)["rgb"] for top in tops]
    np.testing.assert_allclose(tf.concat(rows, axis=1), whole, atol=2e-6)


def test_strength_scales_the_colors(tint):
    pixels = np.full((8, 8, 3), 120, np.uint8)
    shares = [
        np.ptp(_lay(tint, _photograph(pixels), BlendOptions(strength=strength)).rgb[0, 0])
        for strength in (0.0, 0.5, 1.0)
    ]
    assert shares[0] == 0
    assert shares[1] == pytest.approx(shares[2] / 2, abs=1)
    with pytest.raises(UsageError, match="strength"):
        BlendOptions(strength=-1)


def test_the_layer_of_color_has_even_lightness(tint):
    pixels = _random_pixels(9, 8)
    full = _lay(tint, _photograph(np.full_like(pixels, 128)))
    layer = _lay(tint, _photograph(pixels), BlendOptions(layer="ab"))
    assert np.abs(layer.rgb.mean(axis=-1) - 127.5).max() <= 0.5
    assert layer.lightness_deviation is None
    # Where a pixel has room for the color, it is that of any other lightness.
    middle = np.abs(pixels.mean(-1) - 128) < 10
    assert np.abs(layer.rgb.astype(int) - full.rgb)[middle].max() <= 25


def test_a_change_comes_before_the_blend(tint):
    pixels = _random_pixels(5, 6)
    blue = tf.constant([-0.1, -0.1, 0.2])
    changed = _lay(tint, _photograph(pixels), change=lambda gray, rgb: gray + 0 * rgb + blue)
    assert np.all(changed.rgb[..., 2] >= changed.rgb[..., 0])


def test_the_network_sees_a_profile_and_the_file_keeps_its_lightness(tint):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    pixels = _random_pixels(6, 7)
    np.testing.assert_allclose(  # a profile that does not fit is as good as none
        gray_batch(_photograph(pixels, icc_profile=profile))[0, ..., 0],
        pixels.mean(-1) / 255,
        atol=1e-6,
    )


def test_gray_costs_no_channels():
    levels = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    photograph = _photograph(np.broadcast_to(levels, (3, 4, 3)))
    np.testing.assert_allclose(gray_batch(photograph)[0], levels / 255, atol=1e-7)


def test_deviation_of_a_stored_result_is_in_steps_of_the_photograph():
    before = _photograph(_random_pixels(5, 6, np.uint16))
    rounded = np.rint(before.pixels / 257).astype(np.uint8)
    rounded[2, 3] = 255 - rounded[2, 3]
    expected = np.abs(257.0 * rounded.mean(-1) - before.pixels.mean(-1)).max()
    assert measure_deviation(before, _photograph(rounded)) == pytest.approx(expected, abs=1e-6)
