import numpy as np
import pytest
import scipy.ndimage
import skimage.color
import tensorflow as tf

from tests.data.test_inception_views import RAMP
from tfcolor.data.augmentation import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    color_jitter,
    contrastive_view,
    exemplar_colors,
    gaussian_blur,
    scale_principal_components,
    to_gray,
)

VIEW = np.random.default_rng(0).uniform(0.1, 0.9, (13, 17, 3)).astype(np.float32)


def _seed(number):
    return tf.constant([7, number], tf.int64)


def _hsv(change):
    """Returns the view with its HSV values changed, by scikit-image."""
    hsv = skimage.color.rgb2hsv(VIEW.astype(np.float64))
    return skimage.color.hsv2rgb(change(hsv))


def test_brightness_is_a_factor():
    expected = np.clip(1.7 * VIEW, 0, 1)
    np.testing.assert_allclose(adjust_brightness(VIEW, 1.7), expected, rtol=1e-6)


def test_contrast_is_about_the_mean_of_each_channel():
    mean = VIEW.mean(axis=(0, 1))
    expected = np.clip(1.6 * (VIEW - mean) + mean, 0, 1)
    np.testing.assert_allclose(adjust_contrast(tf.constant(VIEW), 1.6), expected, atol=1e-6)


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.8])
def test_saturation_is_multiplied(factor):
    expected = _hsv(lambda hsv: np.clip(hsv * [1, factor, 1], 0, 1))
    np.testing.assert_allclose(adjust_saturation(tf.constant(VIEW), factor), expected, atol=1e-5)


@pytest.mark.parametrize("turn", [-0.15, 0.2])
def test_hue_is_turned(turn):
    expected = _hsv(lambda hsv: np.add(hsv, [turn, 0, 0]) % [1, 2, 2])
    np.testing.assert_allclose(adjust_hue(tf.constant(VIEW), turn), expected, atol=1e-5)


def test_gray_is_the_luma_in_every_channel():
    luma = VIEW @ np.array([0.2989, 0.5870, 0.1140])
    expected = np.repeat(luma[..., np.newaxis], 3, axis=-1)
    np.testing.assert_allclose(to_gray(tf.constant(VIEW)), expected, atol=1e-5)


def test_blur_agrees_with_scipy():
    view = np.random.default_rng(1).uniform(size=(54, 54, 3)).astype(np.float32)
    blurred = gaussian_blur(tf.constant(view), tf.constant(1.3))
    # A tenth of 54, made odd, is 5 pixels: 2 to each side.
    expected = scipy.ndimage.gaussian_filter(
        view, 1.3, axes=(0, 1), radius=2, mode="constant", cval=0.0
    )
    np.testing.assert_allclose(blurred, expected, atol=1e-5)


def test_principal_components_are_scaled_about_the_mean():
    patch = 0.5 + 0.1 * (VIEW - 0.5)  # far from being clipped
    colors = patch.reshape(-1, 3).astype(np.float64)
    centered = colors - colors.mean(axis=0)
    _, axes = np.linalg.eigh(centered.T @ centered)
    expected = centered @ axes @ np.diag([2.0, 0.5, 1.5]) @ axes.T + colors.mean(axis=0)
    found = scale_principal_components(tf.constant(patch), tf.constant([2.0, 0.5, 1.5]))
    np.testing.assert_allclose(found, expected.reshape(patch.shape), atol=1e-5)
    same = scale_principal_components(tf.constant(patch), tf.ones([3]))
    np.testing.assert_allclose(same, patch, atol=1e-5)


def test_jitter_of_no_strength_changes_nothing():
    np.testing.assert_allclose(color_jitter(tf.constant(VIEW), _seed(1), 0.0), VIEW, atol=1e-5)


def test_jitter_is_some_order_of_the_four_changes():
    """A change at a time, in all orders: one of them is what was made."""
    seen = set()
    for number in range(12):
        view = tf.constant(VIEW)
        seeds = tf.unstack(tf.random.experimental.stateless_split(_seed(number), 5))
        ranges = [(0.2, 1.8)] * 3 + [(-0.2, 0.2)]
        draws = [
            tf.random.stateless_uniform([], own, *range_)
            for own, range_ in zip(seeds, ranges, strict=False)
        ]
        changes = [adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue]
        order = tf.random.experimental.stateless_shuffle(tf.range(4), seeds[4]).numpy()
        seen.add(tuple(order))
        for place in order:
            view = changes[place](view, draws[place])
        found = color_jitter(tf.constant(VIEW), _seed(number), 1.0)
        np.testing.assert_allclose(found, view, atol=1e-5)
    assert len(seen) > 4


def _views(count, **options):
    options = {"min_area": 0.3, "color_strength": 1.0, "use_blur": True, **options}
    seed = tf.constant(7, tf.int64)
    views = tf.data.Dataset.range(count).map(
        lambda number: contrastive_view(RAMP, tf.stack([seed, number]), 24, **options)
    )
    return list(views.as_numpy_iterator())


def test_views_are_pictures_that_the_seed_fixes():
    views = _views(4)
    for number, view in enumerate(views):
        other = contrastive_view(
            tf.constant(RAMP), _seed(number), 24, min_area=0.3, color_strength=1.0, use_blur=True
        )
        np.testing.assert_allclose(view, other, atol=1e-6)
        assert view.shape == (24, 24, 3)
        assert 0 <= view.min() < view.max() <= 1
    assert len({view.tobytes() for view in views}) == 4


def test_half_of_the_views_are_mirrored_and_a_fifth_is_gray():
    plain = _views(80, color_strength=0.0, use_blur=False)
    mirrored = np.mean([view[12, 20, 1] < view[12, 3, 1] for view in plain])
    assert 0.3 < mirrored < 0.7
    gray = np.mean([np.ptp(view, axis=-1).max() < 1e-6 for view in _views(80, use_blur=False)])
    assert 0.08 < gray < 0.35


def test_exemplar_colors_change_the_colors_and_keep_the_place():
    changed = [exemplar_colors(tf.constant(VIEW), _seed(number)).numpy() for number in range(8)]
    assert len({one.tobytes() for one in changed}) == 8
    for one in changed:
        assert one.shape == VIEW.shape
        assert 0 <= one.min() < one.max() <= 1
        assert np.abs(one - VIEW).max() > 0.05
    flat = np.ones_like(VIEW) * np.float32([0.7, 0.5, 0.3])
    for number in range(4):
        assert np.ptp(exemplar_colors(tf.constant(flat), _seed(number)), axis=(0, 1)).max() < 1e-5
