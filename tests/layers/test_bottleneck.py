import numpy as np
import pytest
import tensorflow as tf

from tfcolor.layers.bottleneck import BottleneckUnit


def _unit(in_channels, channels, **options):
    """A unit whose every number is random, also those that start as 0 or 1."""
    unit = BottleneckUnit(in_channels, channels, 3, seed=4, **options)
    random = np.random.default_rng(0)
    for variable in unit.variables:
        if variable.dtype.is_floating:
            start = 1.0 if variable.name.startswith(("scale", "moving_variance")) else 0.0
            variable.assign(start + 0.2 * random.normal(size=variable.shape))
    return unit


def _activate(norm, values):
    deviation = np.sqrt(norm.moving_variance.numpy() + 1e-5)
    values = (values - norm.moving_mean.numpy()) / deviation
    return np.maximum(values * norm.scale.numpy() + norm.bias.numpy(), 0)


def _expected(unit, inputs, stride):
    """Outside of training, from the definition."""
    first = _activate(unit.norms[0], inputs)
    second = _activate(unit.norms[1], first @ unit.convolutions[0].kernel.numpy()[0, 0])
    kernel = unit.convolutions[1].kernel.numpy()
    reach = kernel.shape[0] // 2
    padded = np.pad(second, [(0, 0), (reach, reach), (reach, reach), (0, 0)])
    height, width = inputs.shape[1:3]
    third = sum(
        padded[:, row : row + height : stride, column : column + width : stride]
        @ kernel[row, column]
        for row in range(len(kernel))
        for column in range(len(kernel))
    )
    third = _activate(unit.norms[2], third)
    branch = third @ unit.convolutions[2].kernel.numpy()[0, 0] + unit.convolutions[2].bias.numpy()
    if unit.shortcut is None:
        return inputs + branch
    projected = first[:, ::stride, ::stride] @ unit.shortcut.kernel.numpy()[0, 0]
    return projected + unit.shortcut.bias.numpy() + branch


@pytest.mark.parametrize(
    ("in_channels", "channels", "options", "projects"),
    [
        (5, 5, {}, False),
        (5, 7, {}, True),
        (5, 5, {"stride": 2}, True),
        (5, 7, {"stride": 2}, True),
        (5, 5, {"kernel": 1}, False),
    ],
)
def test_a_unit_is_its_definition(in_channels, channels, options, projects):
    unit = _unit(in_channels, channels, **options)
    assert (unit.shortcut is not None) == projects
    for size in ((6, 7), (1, 1)):
        inputs = np.random.default_rng(1).normal(size=[2, *size, in_channels]).astype(np.float32)
        expected = _expected(unit, inputs, options.get("stride", 1))
        np.testing.assert_allclose(unit(inputs), expected, rtol=1e-4, atol=1e-5)


def test_training_normalizes_with_the_batch():
    unit = _unit(5, 5)
    inputs = tf.random.stateless_normal([2, 6, 7, 5], [1, 2])
    scaled = 3 * inputs + 1
    branches = [unit(one, training=True) - one for one in (inputs, scaled)]
    np.testing.assert_allclose(branches[0], branches[1], rtol=1e-3, atol=1e-4)
    assert np.abs(unit(inputs) - inputs - branches[0]).max() > 1e-3


@pytest.mark.parametrize("channels", [5, 7])
@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_units_compute_in_float32_whatever_the_policy(channels, dtype):
    inputs = tf.cast(tf.random.stateless_normal([2, 4, 3, 5], [1, 2]), dtype)
    expected = _unit(5, channels)(tf.cast(inputs, tf.float32))
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        found = _unit(5, channels)(inputs)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
