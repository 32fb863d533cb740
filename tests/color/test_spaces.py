import colorsys

import numpy as np
import pytest
import skimage.color
import tensorflow as tf

from tfcolor.color import spaces

GOLDENS = [  # rgb, hue, chroma, lightness, alpha, beta (spec, goldens 1)
    ((0.8, 0.2, 0.4), 0.944444, 0.6, 0.466667, -0.21423981, 1.28543883),
    ((0.1, 0.5, 0.3), 0.416667, 0.4, 0.3, 0.0, -1.33288904),
    ((0.9, 0.7, 0.1), 0.125, 0.8, 0.566667, -1.23507616, 0.35287890),
    ((0.0, 0.0, 1.0), 0.666667, 1.0, 1 / 3, 2.99910027, 0.0),
    ((0.25, 0.25, 0.25), 0.0, 0.0, 0.25, 0.0, 0.0),
]


def _random_rgb(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).random((*shape, 3)).astype(dtype)


@pytest.mark.parametrize(("rgb", "hue", "chroma", "lightness", "alpha", "beta"), GOLDENS)
def test_goldens(rgb, hue, chroma, lightness, alpha, beta):
    rgb = tf.constant(rgb, tf.float64)
    actual_hue, actual_chroma = spaces.rgb_to_hue_chroma(rgb)
    np.testing.assert_allclose(actual_hue, hue, atol=5e-7)
    np.testing.assert_allclose(actual_chroma, chroma, atol=1e-15)
    np.testing.assert_allclose(spaces.rgb_to_lightness(rgb), [lightness], atol=5e-7)
    np.testing.assert_allclose(spaces.rgb_to_alpha_beta(rgb, 1e-4), [alpha, beta], atol=1e-8)


@pytest.mark.parametrize(("rgb", "hue", "chroma", "lightness", "alpha", "beta"), GOLDENS)
def test_hue_chroma_round_trip_of_goldens(rgb, hue, chroma, lightness, alpha, beta):
    rgb = tf.constant(rgb, tf.float64)
    back = spaces.hue_chroma_to_rgb(*spaces.rgb_to_hue_chroma(rgb), spaces.rgb_to_lightness(rgb))
    assert np.abs(back - rgb).max() < 1e-15


def test_lightness_is_the_plain_mean_in_the_input_type():
    rgb = _random_rgb(2, 3, 4, dtype=np.float32)
    lightness = spaces.rgb_to_lightness(rgb)
    assert lightness.dtype == tf.float32
    np.testing.assert_allclose(lightness, rgb.mean(axis=-1, keepdims=True), rtol=1e-6)


def test_hue_and_chroma_agree_with_the_standard_library():
    rgb = np.concatenate([_random_rgb(50), np.round(_random_rgb(50, seed=1) * 2) / 2])
    hue, chroma = spaces.rgb_to_hue_chroma(rgb)
    assert hue.dtype == chroma.dtype == tf.float64
    np.testing.assert_allclose(hue, [colorsys.rgb_to_hsv(*color)[0] for color in rgb], atol=1e-15)
    np.testing.assert_allclose(chroma, [max(color) - min(color) for color in rgb], atol=1e-15)


def test_hue_stays_below_one():
    rgb = tf.constant([[1.0, 0.0, 1e-12], [1.0, 0.5, 0.5 + 6e-8], [1.0, 0.0, 1e-3]])
    hue, _ = spaces.rgb_to_hue_chroma(rgb)
    assert np.all((hue.numpy() >= 0) & (hue.numpy() < 1))
    np.testing.assert_allclose(hue[0], 0.0)


def test_hue_chroma_is_inverted_for_every_color():
    rgb = _random_rgb(5, 7, 3)
    hue, chroma = spaces.rgb_to_hue_chroma(rgb)
    back = spaces.hue_chroma_to_rgb(hue, chroma, spaces.rgb_to_lightness(rgb))
    np.testing.assert_allclose(back, rgb, atol=2e-15)


def test_difference_has_mean_zero_and_the_given_chroma_and_hue():
    rng = np.random.default_rng(1)
    hue, chroma = rng.random(40), rng.random(40)
    difference = spaces.hue_chroma_to_difference(hue, chroma).numpy()
    base = np.array([colorsys.hsv_to_rgb(h, 1.0, 1.0) for h in hue])
    expected = chroma[:, None] * (base - base.mean(axis=-1, keepdims=True))
    np.testing.assert_allclose(difference, expected, atol=1e-15)
    np.testing.assert_allclose(difference.sum(axis=-1), 0, atol=1e-15)


def test_hue_is_periodic():
    hue = tf.constant([0.0, 0.3, 0.9], tf.float64)
    chroma = tf.ones(3, tf.float64)
    for turns in (-1, 1):
        np.testing.assert_allclose(
            spaces.hue_chroma_to_difference(hue + turns, chroma),
            spaces.hue_chroma_to_difference(hue, chroma),
            atol=1e-14,
        )


def test_alpha_beta_is_inverted_without_eps():
    rgb = _random_rgb(4, 6)
    alpha_beta = spaces.rgb_to_alpha_beta(rgb, 0.0)
    lightness = spaces.rgb_to_lightness(rgb)
    np.testing.assert_allclose(spaces.alpha_beta_to_rgb(alpha_beta, lightness), rgb, atol=1e-14)


def test_alpha_beta_of_black_is_zero():
    np.testing.assert_array_equal(
        spaces.rgb_to_alpha_beta(tf.zeros([2, 3]), 1e-4), np.zeros([2, 2])
    )


# float32 leaves about 1e-5 of the 100 units of L*.
@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-10), (np.float32, 2e-4)])
def test_lab_agrees_with_scikit_image(dtype, atol):
    dark = 0.02 * _random_rgb(3, 5, seed=2)
    rgb = np.concatenate([_random_rgb(3, 5), dark, np.zeros((3, 1, 3)), np.ones((3, 1, 3))], axis=1)
    lab = spaces.rgb_to_lab(rgb.astype(dtype))
    assert lab.dtype == dtype
    np.testing.assert_allclose(lab, skimage.color.rgb2lab(rgb), atol=atol)


@pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB:UserWarning")
def test_lab_to_rgb_agrees_with_scikit_image():
    rng = np.random.default_rng(3)
    lab = rng.uniform([0, -100, -100], [100, 100, 100], (40, 3))
    expected = skimage.color.lab2rgb(lab)
    np.testing.assert_allclose(spaces.lab_to_rgb(lab), expected, atol=1e-10)


def test_lab_is_inverted():
    rgb = np.concatenate([_random_rgb(20), 0.01 * _random_rgb(20)])
    # The two branches of the Lab function meet to about 1e-5 only.
    np.testing.assert_allclose(spaces.lab_to_rgb(spaces.rgb_to_lab(rgb)), rgb, atol=1e-4)


def test_lab_gradients_are_finite_at_the_corners_of_the_cube():
    rgb = tf.constant([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(rgb)
        back = spaces.lab_to_rgb(spaces.rgb_to_lab(rgb))
    assert np.all(np.isfinite(tape.gradient(back, rgb)))


def test_spaces_work_in_a_pipeline_of_unknown_size():
    def convert(rgb):
        hue, chroma = spaces.rgb_to_hue_chroma(rgb)
        lightness = spaces.rgb_to_lightness(rgb)
        alpha_beta = spaces.rgb_to_alpha_beta(rgb, 1e-4)
        return (
            spaces.hue_chroma_to_rgb(hue, chroma, lightness),
            spaces.alpha_beta_to_rgb(alpha_beta, lightness),
            spaces.lab_to_rgb(spaces.rgb_to_lab(rgb)),
        )

    images = [_random_rgb(4, 3, dtype=np.float32), _random_rgb(2, 5, dtype=np.float32)]
    spec = tf.TensorSpec([None, None, 3])
    dataset = tf.data.Dataset.from_generator(lambda: iter(images), output_signature=spec)
    for image, results in zip(images, dataset.map(convert), strict=True):
        for result in results:
            # eps and the two branches of Lab make the inverses inexact.
            np.testing.assert_allclose(result, image, atol=2e-3)
