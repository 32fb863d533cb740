import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from tfcolor.losses.histogram import histogram_divergence


def _random_pair(*shape, dtype=np.float64):
    rng = np.random.default_rng(0)
    targets = rng.dirichlet(np.full(shape[-1], 0.5), shape[:-1])
    targets[..., 0, :] = np.eye(shape[-1])[1]
    return targets.astype(dtype), rng.normal(0, 2, shape).astype(dtype)


def test_golden_of_the_colorization_spec():
    divergence = histogram_divergence(tf.fill([4], 0.25), np.log([0.1, 0.2, 0.3, 0.4]))
    np.testing.assert_allclose(divergence, 0.12177727, atol=1e-8)


def test_goldens_of_the_pretraining_spec():
    targets = np.array([12, 13, 14, 10]) / 49
    divergence = histogram_divergence(targets, tf.constant([0.5, -0.5, 1.0, 0.0], tf.float64))
    np.testing.assert_allclose(divergence, 0.1329852101, atol=1e-10)
    # One-hot targets and uniform logits over 32 bins; hue with 5 C: 7 pixels.
    chroma = np.array([1, 1, 1, 0.4, 0, 0.8, 0.1])
    bins = tf.one_hot([31, 31, 31, 12, 0, 25, 3], 32, dtype=tf.float64)
    divergence = histogram_divergence(bins, tf.zeros([7, 32], tf.float64))
    np.testing.assert_allclose(tf.reduce_mean(divergence), 3.4657359028)
    np.testing.assert_allclose(tf.reduce_mean(5 * chroma * divergence), 10.6447602729)


def test_agrees_with_scipy():
    targets, logits = _random_pair(2, 3, 5, 7)
    expected = scipy.special.rel_entr(targets, scipy.special.softmax(logits, axis=-1)).sum(-1)
    actual = histogram_divergence(targets, logits)
    assert actual.shape == (2, 3, 5)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_is_zero_only_at_the_target():
    targets, _ = _random_pair(4, 6)
    targets = np.maximum(targets, 1e-6)
    targets /= targets.sum(-1, keepdims=True)
    np.testing.assert_allclose(histogram_divergence(targets, np.log(targets)), 0, atol=1e-12)
    assert np.all(histogram_divergence(targets, np.log(targets[::-1])).numpy()[[0, 3]] > 0.1)


def test_does_not_depend_on_a_shift_of_the_logits():
    targets, logits = _random_pair(3, 5)
    np.testing.assert_allclose(
        histogram_divergence(targets, logits + 123.0), histogram_divergence(targets, logits)
    )


def test_gradient_agrees_with_a_numerical_one():
    targets, logits = _random_pair(3, 4, 5)
    actual, numerical = tf.test.compute_gradient(
        lambda z: histogram_divergence(targets, z), [tf.constant(logits)]
    )
    np.testing.assert_allclose(actual[0], numerical[0], atol=1e-7)


def test_gradients_are_finite_at_empty_bins_and_large_logits():
    targets = tf.constant([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]])
    logits = tf.constant([[1e4, -1e4, 0.0], [0.0, 0.0, -1e30]])
    with tf.GradientTape() as tape:
        tape.watch([targets, logits])
        divergence = histogram_divergence(targets, logits)
    np.testing.assert_allclose(divergence, [2e4, 0.0], atol=1e-6)
    for gradient in tape.gradient(divergence, [targets, logits]):
        assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_narrow_logits_are_widened(dtype):
    targets, logits = _random_pair(3, 8, dtype=np.float32)
    narrow = tf.cast(logits, dtype)
    actual = histogram_divergence(targets, narrow)
    assert actual.dtype == tf.float32
    np.testing.assert_array_equal(
        actual, histogram_divergence(targets, tf.cast(narrow, tf.float32))
    )


def test_works_with_unknown_sizes():
    spec = tf.TensorSpec([None, None, None])
    graph = tf.function(histogram_divergence, input_signature=[spec, spec])
    targets, logits = _random_pair(2, 3, 5, dtype=np.float32)
    expected = histogram_divergence(targets, logits)
    np.testing.assert_allclose(graph(targets, logits), expected, rtol=1e-5)
    assert graph(targets[:0], logits[:0]).shape == (0, 3)
