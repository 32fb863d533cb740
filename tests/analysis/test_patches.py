import colorsys

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.analysis.patches import Patch, color_consistency, cut_patch, readable_patch_size
from tfcolor.backbones import BACKBONES

IMAGE = np.random.default_rng(0).integers(0, 200, (9, 7, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("center", "size", "top", "left"),
    [((4, 3), 3, 3, 2), ((4.0, 3.0), 4, 3, 2), ((3.5, 2.5), 4, 2, 1), ((3.5, 2.5), 3, 3, 2)],
)
def test_patch_lies_around_its_center(center, size, top, left):
    patch = cut_patch(IMAGE, center, size)
    assert patch.is_inside.all()
    np.testing.assert_array_equal(patch.pixels, IMAGE[top : top + size, left : left + size])


def test_patch_beyond_the_border_is_light_gray():
    patch = cut_patch(IMAGE, (0, 6), 5)
    inside = np.zeros((5, 5), bool)
    inside[2:, :3] = True
    np.testing.assert_array_equal(patch.is_inside, inside)
    np.testing.assert_array_equal(patch.pixels[2:, :3], IMAGE[:3, 4:])
    assert (patch.pixels[~inside] == 225).all()


def test_patch_that_misses_the_photograph_is_empty():
    assert not cut_patch(IMAGE, (-20, 3), 5).is_inside.any()
    assert not cut_patch(IMAGE, (4, 40), 5).is_inside.any()


def plain(*colors, inside=True):
    return [Patch(np.full((2, 3, 3), color, np.uint8), np.full((2, 3), inside)) for color in colors]


def test_patches_of_one_hue_agree():
    found = color_consistency(plain((200, 100, 100), (120, 20, 20)))
    assert found["hue_variance"] == pytest.approx(0, abs=1e-6)
    assert found["mean_chroma"] == pytest.approx(100 / 255)
    assert found["color_spread"] == pytest.approx(0, abs=1e-6)


def test_opposite_hues_cancel():
    found = color_consistency(plain((200, 100, 100), (100, 200, 200)))
    assert found["hue_variance"] == pytest.approx(1)
    assert found["color_spread"] == pytest.approx(100 / 255)


def test_gray_patches_have_no_hue_but_no_spread():
    found = color_consistency(plain((9, 9, 9), (200, 200, 200)))
    assert np.isnan(found["hue_variance"])
    assert found["color_spread"] == found["mean_chroma"] == 0


def test_consistency_is_that_of_the_standard_library():
    generator = np.random.default_rng(3)
    patches = [
        Patch(
            generator.integers(0, 256, (4, 4, 3)).astype(np.uint8), generator.random((4, 4)) < 0.7
        )
        for _ in range(5)
    ]
    colors = []
    for patch in patches:
        total = 0j
        for rgb in patch.pixels[patch.is_inside] / 255.0:
            hue = colorsys.rgb_to_hsv(*rgb)[0]
            total += (max(rgb) - min(rgb)) * np.exp(2j * np.pi * hue)
        colors.append(total / patch.is_inside.sum())
    found = color_consistency(patches)
    lengths = np.abs(colors)
    assert found["hue_variance"] == pytest.approx(1 - abs(sum(colors)) / lengths.sum(), abs=1e-5)
    assert found["color_spread"] == pytest.approx(np.std(colors), abs=1e-5)
    assert found["mean_chroma"] == pytest.approx(lengths.mean(), abs=1e-5)


def test_without_patches_nothing_is_known():
    assert all(np.isnan(value) for value in color_consistency([]).values())


def test_pixels_beyond_the_photograph_have_no_color():
    red = plain((200, 0, 0))[0]
    half = Patch(red.pixels.copy(), red.is_inside.copy())
    half.pixels[0], half.is_inside[0] = 225, False
    assert color_consistency([half]) == color_consistency([red])
    assert color_consistency(plain((200, 0, 0), inside=False))["mean_chroma"] == 0


def test_patch_size_is_the_receptive_field_within_limits():
    backbone = BACKBONES["vgg16"](
        BACKBONES["vgg16"].Options(width_multiplier=1 / 16, use_batch_norm=False), 1, seed=0
    )
    # VGG-16: 3 pixels at conv1_1, 40 at conv3_3, 92 at conv4_3 and 404 at fc7.
    sizes = {name: readable_patch_size(backbone, name) for name in ("conv1_1", "conv3_3", "fc7")}
    assert sizes["conv1_1"] == 32
    # Max pools pass the gradient to one of their cells, not always to the outermost.
    assert 36 <= sizes["conv3_3"] <= 40
    assert sizes["fc7"] == 160


def test_dead_layer_gets_the_largest_patch(build_chain):
    backbone = build_chain().backbone
    backbone.convolutions["conv2"].set_weights([tf.zeros([3, 3, 4, 8]), -tf.ones([8])])
    assert readable_patch_size(backbone, "conv2") == 160
