import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.heads.projection import ProjectionHead
from tfcolor.models.network import kernel_and_bias_variables

TAPS = {"top": Tap("top", 32, 15.5, 6)}


def _features(batch=5):
    top = tf.random.stateless_normal([2 * batch, 3, 4, 6], [1, 2])
    return {"top": top}, {"image": tf.zeros([batch, 2, 8, 8, 1])}


def test_one_layer_without_batch_norm_is_linear_on_the_average():
    head = ProjectionHead(TAPS, 7, 1, use_batch_norm=False, seed=0)
    (dense,) = head.layers_in_order
    dense.bias.assign(tf.range(7.0))
    features, inputs = _features()
    expected = features["top"].numpy().mean(axis=(1, 2)) @ dense.kernel.numpy() + np.arange(7)
    found = head(features, inputs, TAPS)["embeddings"]
    np.testing.assert_allclose(found, expected.reshape(5, 2, 7), rtol=1e-4, atol=1e-5)


def test_layers_are_those_published():
    head = ProjectionHead(TAPS, 7, 3, use_batch_norm=True, seed=0)
    kernels, others = kernel_and_bias_variables(head)
    assert [kernel.shape.as_list() for kernel in kernels] == [[6, 6], [6, 6], [6, 7]]
    # Two of each hidden layer, scale and shift; only a scale in the last one.
    assert sorted(other.shape[0] for other in others) == [6, 6, 6, 6, 7]
    features, inputs = _features()
    embeddings = head(features, inputs, TAPS, training=True)["embeddings"].numpy().reshape(10, 7)
    np.testing.assert_allclose(embeddings.mean(axis=0), np.zeros(7), atol=1e-5)
    np.testing.assert_allclose(embeddings.std(axis=0), np.ones(7), rtol=0.01)


def test_no_layer_is_an_error():
    with pytest.raises(ValueError, match="num_layers=0; expected at least 1"):
        ProjectionHead(TAPS, 7, 0, use_batch_norm=True, seed=0)
