import itertools

import numpy as np
import pytest
from skimage.color import rgb2ycbcr, ycbcr2rgb

from tfcolor.inference.video.color_tags import (
    BT709,
    SMPTE170M,
    UNKNOWN,
    WEIGHTS,
    ColorTags,
    complete_tags,
    rgb_to_yuv,
    yuv_lightness,
)

TELEVISION = ColorTags(SMPTE170M, SMPTE170M, SMPTE170M, False)


def yuv_to_rgb(yuv, matrix, is_full):
    """ITU-T H.273 read backwards, for 8-bit [3, H, W]."""
    red, blue = WEIGHTS[matrix]
    offset, span, chroma = (0, 255, 255) if is_full else (16, 219, 224)
    y, u, v = (yuv[0] - offset) / span, (yuv[1] - 128) / chroma, (yuv[2] - 128) / chroma
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    return np.stack([r, (y - red * r - blue * b) / (1 - red - blue), b], axis=-1)


def test_television_agrees_with_scikit_image():
    rgb = np.random.default_rng(0).random((5, 7, 3)).astype(np.float32)
    yuv = rgb_to_yuv(rgb, TELEVISION, is_subsampled=False)
    np.testing.assert_allclose(np.moveaxis(yuv, 0, -1), rgb2ycbcr(rgb), atol=0.51)
    planes = np.random.default_rng(1).integers(100, 150, (3, 5, 7)).astype(np.uint8)
    expected = ycbcr2rgb(np.moveaxis(planes, 0, -1).astype(float)).mean(axis=-1)
    found = (yuv_lightness(planes, TELEVISION, 8) - 16.0) / 219
    np.testing.assert_allclose(found, expected, atol=0.51 / 219)


@pytest.mark.parametrize(("matrix", "is_full"), itertools.product(WEIGHTS, (False, True)))
def test_colors_survive_the_way_there_and_back(matrix, is_full):
    tags = ColorTags(matrix, 1, 1, is_full)
    rgb = np.random.default_rng(2).random((4, 6, 3)).astype(np.float32)
    yuv = rgb_to_yuv(rgb, tags, is_subsampled=False).astype(float)
    np.testing.assert_allclose(yuv_to_rgb(yuv, matrix, is_full), rgb, atol=0.008)


@pytest.mark.parametrize(("matrix", "is_full"), itertools.product(WEIGHTS, (False, True)))
def test_lightness_is_the_mean_of_the_channels(matrix, is_full):
    tags = ColorTags(matrix, 1, 1, is_full)
    yuv = np.random.default_rng(3).integers(110, 140, (3, 4, 6)).astype(np.uint8)
    expected = yuv_to_rgb(yuv.astype(float), matrix, is_full).mean(axis=-1)
    black, white = tags.limits(8)
    found = (yuv_lightness(yuv, tags, 8).astype(float) - black) / (white - black)
    np.testing.assert_allclose(found, expected, atol=0.51 / (white - black))


def test_gray_keeps_its_lightness_to_the_bit():
    planes = np.full((3, 2, 3), 1 << 15, np.uint16)
    planes[0] = np.arange(6).reshape(2, 3) * 9000
    np.testing.assert_array_equal(yuv_lightness(planes, TELEVISION, 10), planes[0])


def test_gray_has_neutral_differences_and_its_own_lightness():
    gray = np.linspace(0, 1, 220, dtype=np.float32)[None, :, None].repeat(3, axis=-1)
    yuv = rgb_to_yuv(gray.repeat(2, axis=0), TELEVISION, is_subsampled=True)
    np.testing.assert_array_equal(yuv[0], np.arange(16, 236))
    assert np.all(yuv[2] == 128)
    assert yuv.shape == (3, 220)


def test_halved_differences_lie_on_the_left_columns():
    rgb = np.zeros((2, 8, 3), np.float32)
    rgb[:, 4:] = [0.0, 0.0, 1.0]
    blue = rgb_to_yuv(rgb, TELEVISION, is_subsampled=True)[2, :4].astype(int)
    full = rgb_to_yuv(rgb, TELEVISION, is_subsampled=False)[1, 0].astype(int)
    expected = [full[0], full[2], (full[3] + 2 * full[4] + full[5]) / 4, full[6]]
    np.testing.assert_allclose(blue, expected, atol=1)


@pytest.mark.parametrize(("size", "matrix"), [((480, 640), SMPTE170M), ((720, 1280), BT709)])
def test_unknown_tags_become_what_players_assume(size, matrix):
    unknown = ColorTags(UNKNOWN, UNKNOWN, UNKNOWN, True)
    assert complete_tags(unknown, *size) == ColorTags(matrix, matrix, matrix, True)
    known = ColorTags(9, 9, 16, False)
    assert complete_tags(known, *size) == known
