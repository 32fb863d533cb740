import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones.digits import DigitsCnn, DigitsCnnOptions
from tfcolor.heads.classifier import ClassifierHead


def _build(**options):
    return DigitsCnn(DigitsCnnOptions(**options), 1, 5)


def test_network_and_classifier_have_the_specified_parameters():
    with tf.Graph().as_default():
        backbone = _build()
        head = ClassifierHead(backbone.canonical_taps(), 10, 0.5, seed=0)
        counts = [
            sum(variable.shape.num_elements() for variable in part.trainable_variables)
            for part in (backbone, head)
        ]
    assert counts == [208 + 369_920, 320_010]
    assert sum(counts) == 690_138
    assert backbone.top_features == 32_000


def test_top_is_the_pooled_map_of_parts_on_raw_pixels():
    backbone = _build(width_multiplier=0.01)
    images = tf.random.uniform([2, 28, 28, 1])
    maps = backbone(images, convolutional=False)
    np.testing.assert_array_equal(maps["x"], images)
    first, second = backbone.convolutions.values()
    edges = tf.nn.relu(tf.nn.conv2d(images, first.kernel, 1, "SAME"))
    parts = tf.nn.relu(tf.nn.conv2d(edges, second.kernel, 1, "VALID"))
    np.testing.assert_allclose(maps["conv2"], parts, rtol=1e-4, atol=1e-5)
    assert parts.shape == [2, 23, 23, 12]
    pooled = parts.numpy()[:, 1:21, 1:21].reshape(2, 5, 4, 5, 4, 12).max(axis=(2, 4))
    np.testing.assert_allclose(maps["top"], pooled.reshape(2, 300), rtol=1e-4, atol=1e-5)


def test_convolutional_mode_ends_with_the_parts():
    backbone = _build(width_multiplier=0.01)
    maps = backbone(tf.random.uniform([2, 30, 33, 1]))
    assert maps["top"].shape == maps["conv2"].shape == [2, 30, 33, 12]
    taps = backbone.taps(30, 33)
    assert [tap.offset for tap in taps.values()] == [(0, 0), (0, 0), (0.5, 0.5)]
    assert [tap.stride for tap in taps.values()] == [1, 1, 1]


def test_initial_kernels_have_the_variance_of_he():
    kernel = _build().convolutions["conv2"].kernel.numpy()
    assert kernel.var() == pytest.approx(2 / (6 * 6 * 8), rel=0.02)
