import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import map_coordinates

from tfcolor.core.taps import Tap
from tfcolor.heads.dense import DenseHead
from tfcolor.models.network import kernel_and_bias_variables


def _relu(values):
    return np.maximum(values, 0)


@pytest.mark.parametrize(("stride", "offset"), [(8, 3.5), (16, 6.0), (4, 1.5)])
def test_logits_are_the_convolutions_read_at_the_centers_of_the_cells(stride, offset):
    tap = Tap("last", stride, offset, 5)
    head = DenseHead(tap, 6, 8, seed=1)
    for variable in head.trainable_variables:
        variable.assign(np.random.default_rng(2).normal(size=variable.shape))
    height, width = 48, 32
    features = np.random.default_rng(0).normal(size=(2, height // stride, width // stride, 5))
    features = features.astype(np.float32)
    inputs = {"image": tf.zeros([2, height, width, 3])}
    logits = head({"last": features}, inputs, {"last": tap})["logits"]
    assert logits.shape == [2, 6, 4]

    first, second, last = ((one.kernel.numpy(), one.bias.numpy()) for one in head.convolutions)
    maps = _relu(_relu(features @ first[0] + first[1]) @ second[0] + second[1])
    maps = (maps @ last[0] + last[1])[..., 0]
    centers = (8 * np.indices((6, 4)) + 3.5 - offset) / stride
    for example in (0, 1):
        expected = map_coordinates(maps[example], centers, order=1, mode="nearest")
        np.testing.assert_allclose(logits[example], expected, rtol=1e-3, atol=1e-3)


def test_it_has_the_parameters_of_the_published_head():
    # Specification of the pretext tasks, golden 19. At full size it takes seconds.
    def count(channels, units):
        return (channels + 1) * units + (units + 1) * units + units + 1

    head = DenseHead(Tap("block3", 8, 3.5, 24), 16, 8, seed=0)
    assert sum(int(tf.size(variable)) for variable in head.variables) == count(24, 16)
    assert count(1024, 4096) == 20_983_809


def test_chance_comes_first_and_every_variable_has_a_role():
    tap = Tap("last", 8, 3.5, 32)
    head = DenseHead(tap, 16, 8, seed=0)
    features = {"last": tf.random.stateless_normal([2, 3, 4, 32], [0, 1])}
    logits = head(features, {"image": tf.zeros([2, 24, 32, 1])}, {"last": tap})["logits"]
    assert 0 < np.abs(logits).max() < 0.3
    kernels, biases = kernel_and_bias_variables(head)
    assert len(kernels) == len(biases) == 3
