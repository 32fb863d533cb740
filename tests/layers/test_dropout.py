import numpy as np
import pytest
import tensorflow as tf

from tfcolor.layers.dropout import StatelessDropout

SEEDS = tf.constant([[1, 2], [3, 4], [5, 6], [1, 3], [2, 1]], tf.int64)


def _kept(layer, seeds, shape=(7, 11)):
    return layer(tf.ones([len(seeds), *shape]), seeds, training=True).numpy() > 0


def test_masks_belong_to_the_examples_not_to_the_batch():
    layer = StatelessDropout(0.5, seed=9)
    whole = _kept(layer, SEEDS)
    np.testing.assert_array_equal(_kept(layer, SEEDS[:2]), whole[:2])
    np.testing.assert_array_equal(_kept(layer, SEEDS[2:]), whole[2:])
    np.testing.assert_array_equal(_kept(layer, SEEDS[::-1]), whole[::-1])


def test_masks_differ_between_examples_and_layers():
    kept = _kept(StatelessDropout(0.5, seed=9), SEEDS)
    other = _kept(StatelessDropout(0.5, seed=10), SEEDS)
    masks = np.concatenate([kept, other]).reshape(10, -1)
    assert len(np.unique(masks, axis=0)) == 10


@pytest.mark.parametrize("rate", [0.2, 0.7])
def test_rate_and_scale(rate):
    outputs = StatelessDropout(rate, seed=1)(tf.fill([5, 40, 100], 3.0), SEEDS, training=True)
    values, counts = np.unique(outputs, return_counts=True)
    np.testing.assert_allclose(values, [0, 3 / (1 - rate)], rtol=1e-6)
    # 20,000 draws: four standard deviations are 0.013.
    assert abs(counts[0] / counts.sum() - rate) < 0.014


def test_gradient_is_the_mask():
    layer, inputs = StatelessDropout(0.5, seed=9), tf.Variable(tf.ones([5, 6]))
    with tf.GradientTape() as tape:
        outputs = layer(inputs, SEEDS, training=True)
    np.testing.assert_array_equal(tape.gradient(outputs, inputs), outputs)


def test_graph_with_unknown_shapes_draws_the_same():
    layer = StatelessDropout(0.5, seed=9)
    signature = [tf.TensorSpec([None, None, 11]), tf.TensorSpec([None, 2], tf.int64)]
    traced = tf.function(lambda *both: layer(*both, training=True), input_signature=signature)
    np.testing.assert_array_equal(traced(tf.ones([5, 7, 11]), SEEDS) > 0, _kept(layer, SEEDS))
    assert traced(tf.ones([0, 7, 11]), SEEDS[:0]).shape == [0, 7, 11]


def test_identity_outside_training():
    inputs = tf.random.normal([2, 3])
    np.testing.assert_array_equal(StatelessDropout(0.5, seed=9)(inputs), inputs)
    np.testing.assert_array_equal(StatelessDropout(0.0, seed=9)(inputs, training=True), inputs)


def test_dtype_is_kept():
    inputs = tf.ones([5, 3], tf.bfloat16)
    assert StatelessDropout(0.5, seed=9)(inputs, SEEDS, training=True).dtype == tf.bfloat16


def test_training_without_seeds_is_an_error():
    with pytest.raises(ValueError, match="'fc6' got no seeds"):
        StatelessDropout(0.5, seed=9, name="fc6")(tf.ones([2, 3]), training=True)


def test_rate_of_one_is_an_error():
    with pytest.raises(ValueError, match=r"rate=1; expected a number in \[0, 1\)"):
        StatelessDropout(1, seed=9)
