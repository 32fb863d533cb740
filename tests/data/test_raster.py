import cv2
import numpy as np
import pytest

from tests.photograph_files import noise, turned
from tfcolor.data import raster
from tfcolor.data.raster import divide_by_alpha, narrow, row_bands, shrink, turn_upright, widen


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3)])
def test_turning_is_what_exif_says(orientation, shape):
    samples = noise(shape)
    np.testing.assert_array_equal(turn_upright(samples, orientation), turned(samples, orientation))


def test_bands_cover_every_row_once(monkeypatch):
    monkeypatch.setattr(raster, "BAND_SAMPLES", 20)
    rows = [row for band in row_bands(11, 6) for row in range(band.start, band.stop)]
    assert rows == list(range(11))
    assert [band.stop - band.start for band in row_bands(3, 100)] == [1, 1, 1]
    assert list(row_bands(0, 5)) == []


def test_narrow_rounds_every_value_to_the_nearest(monkeypatch):
    monkeypatch.setattr(raster, "BAND_SAMPLES", 1000)
    samples = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(narrow(samples), np.rint(samples / 257))
    assert narrow(noise((2, 3))).dtype == np.uint8


def test_narrow_keeps_a_view_of_gray():
    view = np.broadcast_to(noise((4, 6), np.uint16)[..., None], (4, 6, 3))
    assert narrow(view).strides[-1] == 0
    np.testing.assert_array_equal(narrow(view), narrow(view.copy()))


@pytest.mark.parametrize("peak", [1.0, 4095, 1023, 65535])
def test_widen_fills_16_bits(peak):
    samples = np.linspace(0, peak, 50)
    if peak > 1:
        samples = samples.astype(np.uint16)
    np.testing.assert_array_equal(widen(samples, peak), np.rint(samples * (65535 / peak)))


@pytest.mark.parametrize("channels", [1, 3])
def test_dividing_by_alpha_undoes_multiplying(channels):
    colors = noise((5, 7, channels), np.uint16)
    alpha = noise((5, 7), np.uint16, seed=1) | 0x8000
    multiplied = np.rint(colors * (alpha[..., None] / 65535)).astype(np.uint16)
    found = multiplied[..., 0] if channels == 1 else multiplied
    divide_by_alpha(found, alpha)
    np.testing.assert_allclose(found.reshape(colors.shape), colors, atol=1.01)  # rounded above


def _block_means(pixels, factor):
    height, width = pixels.shape[0] // factor, pixels.shape[1] // factor
    return pixels.reshape(height, factor, width, factor, -1).mean(axis=(1, 3))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_shrinking_averages(dtype):
    pixels = (
        np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (24, 40, 3)).astype(dtype)
    )
    small = shrink(pixels, 10)
    assert small.dtype == dtype
    assert np.abs(small - _block_means(pixels, 4)).max() <= 0.5 + 1e-6


def test_a_view_of_gray_is_shrunk_as_one_channel(monkeypatch):
    plane = np.random.default_rng(1).integers(0, 256, (24, 40)).astype(np.uint8)
    shapes = []
    resize = cv2.resize

    def note(pixels, *arguments, **options):
        shapes.append(pixels.shape)
        return resize(pixels, *arguments, **options)

    monkeypatch.setattr(cv2, "resize", note)
    small = shrink(np.broadcast_to(plane[..., None], (24, 40, 3)), 10)
    assert shapes == [(24, 40)]
    assert small.shape == (6, 10, 3)
    assert np.abs(small - _block_means(plane, 4)).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((30, 50), 50, (30, 50)),
        ((30, 50), 99, (30, 50)),
        ((1000, 3), 10, (10, 1)),
        ((5, 9), 3, (2, 3)),
    ],
)
def test_the_longer_side_fits_and_nothing_is_enlarged(size, side, expected):
    assert shrink(np.zeros((*size, 3), np.uint8), side).shape == (*expected, 3)
