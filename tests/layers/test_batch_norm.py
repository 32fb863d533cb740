import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.layers.batch_norm import (
    ParameterFreeBatchNorm,
    TrainableBatchNorm,
    collected_statistics,
)


def _reference_moving(batches):
    """The ramp of section 2 applied to (mean, variance) pairs in float64."""
    mean, variance = 0.0, 1.0
    for step, (batch_mean, batch_variance) in enumerate(batches):
        momentum = 0.999 * min(step, 1000) / 1000
        mean = momentum * mean + (1 - momentum) * batch_mean
        variance = momentum * variance + (1 - momentum) * batch_variance
    return mean, variance


def _batch(mean, variance):
    """Two values with exactly this mean and biased variance."""
    return tf.constant([[mean - variance**0.5], [mean + variance**0.5]], tf.float32)


@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 3, 5)])
def test_training_normalizes_with_biased_batch_statistics(shape):
    inputs = np.random.default_rng(3).normal(2, 3, shape).astype(np.float32)
    axes = tuple(range(len(shape) - 1))
    outputs = ParameterFreeBatchNorm()(inputs, training=True)
    expected = (inputs - inputs.mean(axes)) / np.sqrt(inputs.var(axes) + 1e-5)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_golden_moving_statistics():
    layer = ParameterFreeBatchNorm()
    golden = [(2, 4), (2.999001, 1.002997), (1.003993998, 1.998007988)]
    for batch, expected in zip([(2, 4), (3, 1), (1, 2)], golden, strict=True):
        layer(_batch(*batch), training=True)
        moving = layer.moving_mean.numpy()[0], layer.moving_variance.numpy()[0]
        np.testing.assert_allclose(moving, expected, rtol=1e-6)


@pytest.mark.parametrize("step", [10, 500, 1000, 5000])
def test_ramp_ends_at_a_thousand_updates(step):
    layer = ParameterFreeBatchNorm()
    layer.build([None, 1])
    layer.num_updates.assign(step)
    layer(_batch(3.0, 5.0), training=True)
    momentum = {10: 0.00999, 500: 0.4995}.get(step, 0.999)
    np.testing.assert_allclose(layer.moving_mean, [3 * (1 - momentum)], rtol=1e-4)
    assert layer.num_updates.numpy() == step + 1


def test_moving_statistics_normalize_outside_training():
    layer = ParameterFreeBatchNorm()
    batches = [(1.0, 2.0), (3.0, 4.0), (-2.0, 0.5)]
    for batch in batches:
        layer(_batch(*batch), training=True)
    mean, variance = _reference_moving(batches)
    outputs = layer(tf.constant([[7.0]]))
    np.testing.assert_allclose(outputs, [[(7 - mean) / np.sqrt(variance + 1e-5)]], rtol=1e-5)
    assert layer.num_updates.numpy() == 3


def test_moving_variant_uses_updated_statistics_without_their_gradient():
    layer = ParameterFreeBatchNorm("moving")
    layer(_batch(1.0, 2.0), training=True)
    inputs = tf.Variable(_batch(3.0, 4.0))
    with tf.GradientTape() as tape:
        outputs = layer(inputs, training=True)
    mean, variance = _reference_moving([(1.0, 2.0), (3.0, 4.0)])
    expected = (inputs.numpy() - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5)
    slope = 1 / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(tape.gradient(outputs, inputs), [[slope], [slope]], rtol=1e-5)


def test_gradient_flows_through_batch_statistics():
    inputs = np.random.default_rng(4).normal(size=[4, 2]).astype(np.float32)
    weights = tf.constant(np.random.default_rng(5).normal(size=[4, 2]), tf.float32)
    layer = ParameterFreeBatchNorm()

    def loss(values):
        return tf.reduce_sum(weights * layer(values, training=True))

    analytic, numeric = tf.test.compute_gradient(loss, [inputs], delta=1e-2)
    np.testing.assert_allclose(analytic[0], numeric[0], atol=2e-3)  # float32 differences


def test_large_mean_keeps_its_variance_when_synchronized():
    inputs = tf.constant([[1000.0], [1002.0], [1004.0]])
    outputs = ParameterFreeBatchNorm(synchronize=True)(inputs, training=True)
    np.testing.assert_allclose(outputs[:, 0], [-1.224743, 0, 1.224743], atol=1e-4)


def test_low_precision_is_computed_in_float32():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        layer = ParameterFreeBatchNorm()
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    inputs = tf.cast(tf.constant([[256.0], [258.0], [260.0]]), tf.bfloat16)
    outputs = layer(inputs, training=True)
    assert outputs.dtype == tf.bfloat16
    assert layer.moving_mean.dtype == tf.float32
    np.testing.assert_allclose(layer.moving_mean, [258.0])


def test_nothing_is_trainable():
    layer = ParameterFreeBatchNorm()
    layer.build([None, 3])
    assert layer.trainable_variables == []


def test_unknown_statistics_are_an_error():
    with pytest.raises(ValueError, match="statistics='running'; expected 'batch' or 'moving'"):
        ParameterFreeBatchNorm("running")


@pytest.mark.parametrize("use_scale", [False, True])
@pytest.mark.parametrize("use_center", [False, True])
def test_normalized_values_are_scaled_and_shifted(use_scale, use_center):
    layer = TrainableBatchNorm(use_scale=use_scale, use_center=use_center)
    inputs = np.random.default_rng(3).normal(2, 3, [4, 5, 3]).astype(np.float32)
    layer.build([None, 3])
    expected = (inputs - inputs.mean((0, 1))) / np.sqrt(inputs.var((0, 1)) + 1e-5)
    if use_scale:
        layer.scale.assign([2.0, -1.0, 0.5])
        expected = expected * np.array([2.0, -1.0, 0.5])
    if use_center:
        layer.bias.assign([0.1, 0.2, -3.0])
        expected = expected + np.array([0.1, 0.2, -3.0])
    with tf.GradientTape() as tape:
        outputs = layer(inputs, training=True)
        loss = tf.reduce_sum(outputs * inputs)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    assert len(layer.trainable_variables) == use_scale + use_center
    if use_center:
        gradient = tape.gradient(loss, layer.bias)
        np.testing.assert_allclose(gradient, inputs.sum((0, 1)), rtol=1e-5)


def test_constant_decay_starts_from_a_variance_of_a_half():
    layer = TrainableBatchNorm()
    layer(_batch(3.0, 5.0), training=True)
    np.testing.assert_allclose(layer.moving_mean, [0.003], rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, [0.999 * 0.5 + 0.005], rtol=1e-6)


def test_low_precision_is_scaled_in_float32():
    layer = TrainableBatchNorm()
    layer.build([None, 1])
    layer.bias.assign([256.0])
    outputs = layer(tf.cast(_batch(1.0, 4.0), tf.bfloat16), training=True)
    assert outputs.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(outputs, tf.float32), [[255.0], [257.0]], atol=1)


REPLICAS = """
import numpy as np
import tensorflow as tf
from tfcolor.layers.batch_norm import ParameterFreeBatchNorm

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    layers = [ParameterFreeBatchNorm(synchronize=flag) for flag in (True, False)]
    for layer in layers:
        layer.build([None, 3])
data = np.random.default_rng(6).normal(2, 3, [6, 4, 3]).astype(np.float32)
weights = np.random.default_rng(8).normal(size=data.shape).astype(np.float32)

def step(values, factors, layer):
    with tf.GradientTape() as tape:
        tape.watch(values)
        outputs = layer(values, training=True)
        loss = tf.reduce_sum(outputs * factors)
    return outputs, tape.gradient(loss, values)

def spread(array):
    # Replicas of different sizes: 2 and 4 examples.
    parts = [array[:2], array[2:]]
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(parts[context.replica_id_in_sync_group]))

@tf.function
def run(values, factors):
    return strategy.run(step, args=(values, factors, layers[0]))

results = run(spread(data), spread(weights))
outputs, gradients = [np.concatenate(strategy.experimental_local_results(r)) for r in results]
whole = ParameterFreeBatchNorm()
expected = step(tf.constant(data), tf.constant(weights), whole)
np.testing.assert_allclose(outputs, expected[0], rtol=1e-4, atol=1e-5)
np.testing.assert_allclose(gradients, expected[1], rtol=1e-4, atol=1e-5)
np.testing.assert_allclose(layers[0].moving_mean, whole.moving_mean, rtol=1e-5)
np.testing.assert_allclose(layers[0].moving_variance, whole.moving_variance, rtol=1e-5)
assert layers[0].num_updates.read_value() == 1
strategy.run(step, args=(spread(data), spread(weights), layers[1]))
means = data.mean(1)
np.testing.assert_allclose(
    layers[1].moving_mean, (means[:2].mean(0) + means[2:].mean(0)) / 2, rtol=1e-4)
"""


@pytest.mark.slow
def test_replicas_share_statistics():
    """Devices are split before TensorFlow starts, hence the other process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", REPLICAS], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr


def test_collected_statistics_are_those_that_would_be_stored():
    layers = [TrainableBatchNorm(use_ramp=True) for _ in range(2)]
    inputs = tf.random.stateless_normal([4, 3, 5, 2], seed=[1, 2])
    stored = layers[0](inputs, training=True)
    with collected_statistics() as collected:
        outputs = layers[1](inputs, training=True)
    np.testing.assert_array_equal(outputs, stored)
    assert len(collected) == 3
    for (variable, value), own, other in zip(
        collected,
        layers[1].statistics_variables,
        layers[0].statistics_variables,
        strict=True,
    ):
        assert variable is own
        np.testing.assert_array_equal(value, other)
    assert int(layers[1].num_updates) == 0
    layers[1](inputs, training=True)
    assert int(layers[1].num_updates) == 1


def test_frozen_layer_has_no_statistics_to_move():
    layer = TrainableBatchNorm()
    layer.build([None, 2])
    layer.trainable = False
    assert layer.statistics_variables == []
    with collected_statistics() as collected:
        layer(tf.ones([2, 2]), training=True)
    assert collected == []
