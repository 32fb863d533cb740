import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.features import UNRECTIFIED_TOP
from tfcolor.core.taps import Tap
from tfcolor.heads.cluster import ClusterHead
from tfcolor.models.network import kernel_and_bias_variables

TAPS = {"conv1": Tap("conv1", 2, 0.5, 3), "top": Tap("top", 8, 3.5, 5)}
B, K = 4, 3


@pytest.fixture
def linear():
    """The top of B images before its last ReLU."""
    return np.random.default_rng(0).normal(size=(B, 5)).astype(np.float32)


def _features(linear):
    return {"top": tf.nn.relu(linear), UNRECTIFIED_TOP: tf.constant(linear)}


def test_without_layers_of_its_own_the_top_is_clustered_before_its_relu(linear):
    head = ClusterHead(TAPS, K, seed=1)
    outputs = head(_features(linear), {}, TAPS)
    np.testing.assert_array_equal(outputs["embeddings"], linear)
    expected = np.maximum(linear, 0) @ head.clusters.kernel.numpy()
    np.testing.assert_allclose(outputs["logits"], expected, rtol=1e-5, atol=1e-8)


def test_the_last_layer_is_clustered_before_its_relu(linear):
    head = ClusterHead(TAPS, K, (7, 6), seed=1)
    first, second, last = (one.numpy() for one in kernel_and_bias_variables(head)[0])
    embeddings = np.maximum(np.maximum(linear, 0) @ first, 0) @ second
    outputs = head(_features(linear), {}, TAPS)
    np.testing.assert_allclose(outputs["embeddings"], embeddings, rtol=1e-4, atol=1e-6)
    expected = np.maximum(embeddings, 0) @ last
    np.testing.assert_allclose(outputs["logits"], expected, rtol=1e-4, atol=1e-7)


def test_a_map_is_averaged(linear):
    top = np.random.default_rng(1).uniform(size=(B, 2, 3, 5)).astype(np.float16)
    outputs = ClusterHead(TAPS, K, seed=1)({"top": tf.constant(top)}, {}, TAPS)
    average = top.astype(np.float32).mean(axis=(1, 2))
    np.testing.assert_allclose(outputs["embeddings"], average, rtol=1e-6)
    assert outputs["logits"].dtype == tf.float32


def test_a_restart_draws_the_last_layer_anew_and_nothing_else():
    head = ClusterHead(TAPS, 500, (20,), seed=1)
    hidden, first = head.hidden[0].kernel.numpy(), head.clusters.kernel.numpy()
    head.clusters.bias.assign_add(tf.ones([500]))
    head.restart(3)
    kernel = head.clusters.kernel.numpy()
    np.testing.assert_allclose([kernel.mean(), kernel.std()], [0, 0.01], atol=3e-4)
    assert abs(np.corrcoef(kernel.ravel(), first.ravel())[0, 1]) < 0.05
    np.testing.assert_array_equal(head.clusters.bias, np.zeros(500))
    np.testing.assert_array_equal(head.hidden[0].kernel, hidden)
    same = ClusterHead(TAPS, 500, (20,), seed=1)
    same.restart(3)
    np.testing.assert_array_equal(same.clusters.kernel, kernel)
