"""Tests of patches of pixels as features."""

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.parts.pixels import (
    PixelOptions,
    learn_whitening,
    patch_deviations,
    patch_features,
    prepare_patches,
)


@pytest.fixture(scope="module")
def pixels():
    """Returns smooth patches in two rotations, uint8 [300, 2, 3, 3, 1]."""
    rng = np.random.default_rng(0)
    mixing = rng.random((9, 9))
    flat = rng.random((300, 2, 9)) @ mixing / mixing.sum(axis=0)
    return (255 * flat).astype(np.uint8).reshape(300, 2, 3, 3, 1)


@pytest.mark.parametrize("shape, size", [((2, 7, 9, 1), 4), ((1, 6, 5, 3), 5), ((1, 3, 8, 1), 4)])
def test_deviations_are_those_of_every_patch(shape, size):
    images = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    count = [max(side - size + 1, 0) for side in shape[1:3]]
    expected = np.zeros((shape[0], *count))
    for n, row, column in np.ndindex(expected.shape):
        expected[n, row, column] = np.std(images[n, row : row + size, column : column + size] / 255)
    np.testing.assert_allclose(patch_deviations(images, size), expected, atol=1e-6)
    floats = (images / 255).astype(np.float32)
    np.testing.assert_allclose(patch_deviations(floats, size), expected, atol=1e-6)


def test_constant_patches_do_not_deviate():
    bright = np.full((1, 8, 8, 3), 251, np.uint8)
    assert np.max(patch_deviations(bright, 6)) < 1e-6


def test_golden_patch_is_standardized():
    patch = tf.constant([[0, 0.2, 0.4, 1]], tf.float32)
    found = prepare_patches(patch, PixelOptions(), None)
    np.testing.assert_allclose(found[0], [-0.944870, -0.472435, 0, 1.417305], atol=1e-5)


def test_features_of_many_patches_are_whitened_in_chunks(pixels, monkeypatch):
    monkeypatch.setattr("tfcolor.parts.pixels.PATCHES_PER_CHUNK", 70)
    options = PixelOptions(whiten=True, whitening_regularizer=0.01)
    flat = pixels.reshape(300, 2, 9) / 255
    mean, variance = flat.mean(axis=2, keepdims=True), flat.var(axis=2, keepdims=True)
    standard = (flat - mean) / np.sqrt(variance + 10 / 255)
    np.testing.assert_allclose(patch_features(pixels, options, None), standard, atol=1e-5)
    values, vectors = np.linalg.eigh(standard[:, 0].T @ standard[:, 0] / 300)
    expected = vectors @ np.diag((values + 0.01) ** -0.5) @ vectors.T
    whitening = learn_whitening(pixels, options)
    np.testing.assert_allclose(whitening, expected, atol=1e-3)
    whitened = patch_features(pixels, options, whitening)
    np.testing.assert_allclose(whitened, standard @ whitening, atol=1e-4)


def test_nothing_is_whitened_unless_asked(pixels):
    assert learn_whitening(pixels, PixelOptions()) is None


def test_no_patches_are_refused():
    nothing = np.zeros((0, 1, 3, 3, 1), np.uint8)
    with pytest.raises(UserError, match="there are no patches to whiten"):
        learn_whitening(nothing, PixelOptions(whiten=True))
