import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.heads.linear_probes import LinearProbesHead
from tfcolor.layers.map_reduction import PROBE_RULES, adaptive_pool
from tfcolor.models.network import kernel_and_bias_variables

SIDE = 22
TAPS = (Tap("conv1", 2, 0.5, 3), Tap("conv2", 4, 1.5, 5))


@pytest.fixture
def features():
    """Maps of two images of 22 pixels: 11 and 6 cells along each side."""
    random_numbers = np.random.default_rng(0)
    shapes = {"conv1": (2, 11, 11, 3), "conv2": (2, 6, 6, 5)}
    return {
        name: tf.constant(random_numbers.normal(1, 2, shape), tf.float32)
        for name, shape in shapes.items()
    }


def _head(rule="rotnet", sizes=(4, 2), seed=1):
    return LinearProbesHead(TAPS, SIDE, PROBE_RULES[rule], sizes, num_classes=7, seed=seed)


def _reduced(features, name, size):
    return adaptive_pool(features[name], size).numpy()


def test_each_probe_is_a_linear_layer_on_its_normalized_map(features):
    head = _head()
    assert head.num_features == {"conv1": 16 * 3, "conv2": 4 * 5}
    logits = head(features, {}, {}, training=True)
    for name, size in (("conv1", 4), ("conv2", 2)):
        values = _reduced(features, name, size)
        mean, deviation = (getattr(values, one)(axis=(0, 1, 2)) for one in ("mean", "std"))
        values = ((values - mean) / np.sqrt(deviation**2 + 1e-5)).reshape(2, -1)
        classes = head.probes[name].classes
        classes.bias.assign(np.arange(7.0))
        expected = values @ classes.kernel.numpy() + np.arange(7)
        logits = head(features, {}, {}, training=True)[name]
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)


def test_some_protocols_do_not_normalize(features):
    head = _head("doersch", (3, 3))
    logits = head(features, {}, {}, training=True)["conv2"]
    values = _reduced(features, "conv2", 3).reshape(2, -1)
    expected = values @ head.probes["conv2"].classes.kernel.numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)


def test_probes_do_not_touch_each_other(features):
    head = _head()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(head(features, {}, {}, training=True)["conv1"][:, 0])
    gradients = tape.gradient(loss, head.trainable_variables)
    touched = {id(one) for one in head.probes["conv1"].trainable_variables}
    for variable, gradient in zip(head.trainable_variables, gradients, strict=True):
        assert (gradient is not None) == (id(variable) in touched)
    kernels, biases = kernel_and_bias_variables(head)
    assert (len(kernels), len(biases)) == (2, 2)  # batch norm has none


@pytest.mark.parametrize("rule", PROBE_RULES)
def test_maps_may_have_a_size_that_is_known_later(features, rule):
    head = _head(rule, (4, 2) if rule != "revisiting" else (60, 60))
    specs = {
        name: tf.TensorSpec([None, None, None, one.shape[-1]]) for name, one in features.items()
    }
    compute = tf.function(lambda maps: head(maps, {}, {}), input_signature=[specs])
    for name, logits in compute(features).items():
        np.testing.assert_allclose(logits, head(features, {}, {})[name], rtol=1e-4, atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError):
        compute({name: one[:, 1:] for name, one in features.items()})


def test_first_kernels_follow_the_seed():
    one, same, other = (_head(seed=seed).probes["conv1"].classes.kernel for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.any(one.numpy() != other.numpy())
