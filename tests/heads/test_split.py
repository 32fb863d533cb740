import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.heads.split import SplitHead

TAPS = {"conv1": Tap("conv1", 2, 0.0, 4), "conv2": Tap("conv2", 4, 0.0, 6)}
B = 2
LOCATIONS = tf.constant([[[0.0, 4.0], [4.0, 0.0], [8.0, 4.0]]] * B)
"""On cells of both maps."""


@pytest.fixture
def features():
    random = np.random.default_rng(0)
    shapes = {"conv1": (B, 5, 4, 4), "conv2": (B, 3, 2, 6)}
    return {
        name: tf.constant(random.normal(size=shape).astype(np.float32))
        for name, shape in shapes.items()
    }


def _columns(features, half):
    """Returns the channels of one half at the locations, [B, L, 5]."""
    cells = [
        features["conv1"].numpy()[:, [0, 2, 4], [2, 0, 2]],
        features["conv2"].numpy()[:, [0, 1, 2], [1, 0, 1]],
    ]
    return np.concatenate([np.split(one, 2, axis=-1)[half] for one in cells], axis=-1)


def test_each_half_of_the_channels_has_its_own_linear_layer(features):
    head = SplitHead(TAPS, 7, 3, seed=0)
    head.color.bias.assign(tf.range(7.0))
    outputs = head(features, {"locations": LOCATIONS}, TAPS)
    for half, layer in enumerate((head.color, head.lightness)):
        expected = _columns(features, half) @ layer.kernel.numpy() + layer.bias.numpy()
        np.testing.assert_allclose(outputs[layer.name], expected, rtol=1e-5, atol=1e-7)
    assert outputs["color"].shape == (B, 3, 7)
    assert outputs["lightness"].shape == (B, 3, 3)


@pytest.mark.parametrize(("name", "half"), [("color", 0), ("lightness", 1)])
def test_no_gradient_reaches_the_other_half(features, name, half):
    head = SplitHead(TAPS, 7, 3, seed=0)
    with tf.GradientTape() as tape:
        tape.watch(features)
        loss = tf.reduce_sum(head(features, {"locations": LOCATIONS}, TAPS)[name] ** 2)
    for gradient in tape.gradient(loss, features).values():
        halves = np.split(gradient.numpy(), 2, axis=-1)
        assert np.any(halves[half] != 0)
        assert np.all(halves[1 - half] == 0)


def test_kernels_of_the_halves_differ():
    head = SplitHead(TAPS, 7, 7, seed=0)
    assert np.any(head.color.kernel.numpy() != head.lightness.kernel.numpy())
