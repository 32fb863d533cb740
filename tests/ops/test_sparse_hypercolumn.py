import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.ops.sparse_hypercolumn import sample_features, sparse_hypercolumn

# Inside, on cells, on the border and far outside of a 5x3 map with stride 4.
LOCATIONS = np.array(
    [[[0, 0], [5, 7], [17.5, 3.25], [-9, 2]], [[16, 8], [1e6, -1e6], [2.5, 9.75], [8, 4]]],
    np.float32,
)


def _reference(features, locations, stride, offset):
    """The sampling rule of section 4.1, one location at a time, in float64."""
    _, height, width, channels = features.shape
    samples = np.zeros([*locations.shape[:2], channels])
    for index in np.ndindex(*locations.shape[:2]):
        for cell, weight in _corners(locations[index], (height, width), stride, offset):
            samples[index] += weight * features[index[0], cell[0], cell[1]]
    return samples


def _corners(location, sizes, stride, offset):
    axes = []
    for position, size, start in zip(location.astype(np.float64), sizes, offset, strict=True):
        cell = np.clip((position - start) / stride, 0, size - 1)
        low = int(min(np.floor(cell), max(size - 2, 0)))
        axes.append([(low, 1 - (cell - low)), (min(low + 1, size - 1), cell - low)])
    return [((row, column), a * b) for row, a in axes[0] for column, b in axes[1]]


def _random(*shape):
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("size", [(5, 3), (3, 5), (1, 6), (6, 1), (1, 1), (2, 2)])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (1.5, 1.5), (1.0, 2.25)])
def test_samples_follow_the_rule(size, offset):
    features = _random(2, *size, 7)
    samples = sample_features(features, tf.constant(LOCATIONS), Tap("a", 4, offset, 7))
    expected = _reference(features, LOCATIONS, 4, offset)
    np.testing.assert_allclose(samples, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(0.0, [0, 36, 48.75, 121, 2.5, 72.5]), (1.5, [0, 21, 25.75, 121, 1.375, 47.75])],
)
def test_golden_values(offset, expected):
    features = tf.reshape(tf.range(12.0) ** 2, [1, 3, 4, 1])
    locations = tf.constant([[[0, 0], [4, 8], [5, 7], [10, 30], [-3, 6], [8, 2]]], tf.float32)
    samples = sample_features(features, locations, Tap("a", 4, offset, 1))
    np.testing.assert_allclose(samples[0, :, 0], expected, rtol=1e-6)


def test_golden_gradient_weights():
    features = tf.Variable(tf.zeros([1, 3, 4, 1]))
    with tf.GradientTape() as tape:
        sample = sample_features(features, tf.constant([[[5.0, 7.0]]]), Tap("a", 4, 0.0, 1))
    expected = np.zeros([3, 4])
    expected[1, 1:3] = 0.1875, 0.5625
    expected[2, 1:3] = 0.0625, 0.1875
    np.testing.assert_allclose(
        tf.convert_to_tensor(tape.gradient(sample, features))[0, ..., 0], expected
    )


@pytest.mark.parametrize("size", [(5, 3), (2, 6), (1, 1)])
def test_gradient_matches_finite_differences(size):
    tap = Tap("a", 4, (1.5, 0.0), 2)

    def sample(features):
        return sample_features(features, tf.constant(LOCATIONS), tap)

    # The op is linear, so that a step of 1 has no truncation error.
    analytic, numeric = tf.test.compute_gradient(sample, [_random(2, *size, 2)], delta=1.0)
    np.testing.assert_allclose(analytic[0], numeric[0], atol=1e-5)


def test_locations_receive_no_gradient():
    locations = tf.Variable(LOCATIONS)
    with tf.GradientTape() as tape:
        samples = sample_features(_random(2, 5, 3, 2), locations, Tap("a", 4, 0.0, 2))
    assert tape.gradient(samples, locations) is None


@pytest.mark.parametrize(("batch", "num_locations"), [(0, 4), (3, 0), (0, 0)])
def test_empty_batches_and_location_lists(batch, num_locations):
    features = tf.Variable(tf.zeros([batch, 5, 3, 2]))
    with tf.GradientTape() as tape:
        samples = sample_features(features, tf.zeros([batch, num_locations, 2]), Tap("a", 2, 0.0))
    assert samples.shape == [batch, num_locations, 2]
    assert tf.convert_to_tensor(tape.gradient(samples, features)).shape == features.shape


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.half])
def test_low_precision_maps_are_interpolated_in_float32(dtype):
    features = tf.cast(_random(2, 5, 3, 2), dtype)
    tap = Tap("a", 4, 1.5, 2)
    samples = sample_features(features, tf.constant(LOCATIONS), tap)
    exact = sample_features(tf.cast(features, tf.float32), tf.constant(LOCATIONS), tap)
    assert samples.dtype == dtype
    np.testing.assert_array_equal(samples, tf.cast(exact, dtype))


def test_unknown_shapes_give_the_same_numbers():
    tap = Tap("a", 4, 1.5, 2)
    signature = [tf.TensorSpec([None, None, None, 2]), tf.TensorSpec([None, None, 2])]
    sample = tf.function(lambda *both: sample_features(*both, tap), input_signature=signature)
    features, locations = tf.constant(_random(2, 5, 3, 2)), tf.constant(LOCATIONS)
    np.testing.assert_allclose(
        sample(features, locations), sample_features(features, locations, tap), rtol=1e-6
    )


MAPS = [_random(2, 20, 12, 1), _random(2, 5, 3, 4), _random(2, 3, 2, 2)]
TAPS = [Tap("a", 1, 0.0, 1), Tap("b", 4, 1.5, 4), Tap("c", 8, 3.5, 2)]


def test_hypercolumn_joins_channels_in_tap_order(implementation, exact_columns):
    columns = sparse_hypercolumn(MAPS, tf.constant(LOCATIONS), TAPS, implementation)
    np.testing.assert_allclose(columns, exact_columns(MAPS, LOCATIONS, TAPS), rtol=1e-5, atol=1e-6)


def test_hypercolumn_gradients_are_the_transpose(implementation, exact_gradients):
    maps, weights = [tf.constant(one) for one in MAPS], _random(2, 4, 7)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        columns = sparse_hypercolumn(maps, tf.constant(LOCATIONS), TAPS, implementation)
    gradients = tape.gradient(columns, maps, output_gradients=tf.constant(weights))
    for one, other in zip(gradients, exact_gradients(MAPS, LOCATIONS, TAPS, weights), strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(one), other, rtol=1e-5, atol=1e-6)


def test_hypercolumn_checks_static_shapes(implementation):
    with pytest.raises(ValueError, match=r"'b' has 3 maps but locations are for 2"):
        sparse_hypercolumn(
            [MAPS[0], tf.zeros([3, 5, 3, 4])], tf.constant(LOCATIONS), TAPS[:2], implementation
        )


def test_permuting_the_batch_permutes_the_columns():
    features, locations = tf.constant(_random(2, 5, 3, 4)), tf.constant(LOCATIONS)
    tap = Tap("a", 4, 1.5, 4)
    np.testing.assert_array_equal(
        sample_features(features[::-1], locations[::-1], tap),
        sample_features(features, locations, tap)[::-1],
    )


def test_different_batch_sizes_are_an_error():
    with pytest.raises(ValueError, match=r"'conv1' has 3 maps but locations are for 2"):
        sample_features(tf.zeros([3, 5, 4, 1]), tf.constant(LOCATIONS), Tap("conv1", 1, 0.0))


def test_locations_of_another_shape_are_an_error():
    with pytest.raises(ValueError, match=r"\(3, 4\); expected \[B, L, 2\]"):
        sample_features(tf.zeros([3, 5, 4, 1]), tf.zeros([3, 4]), Tap("conv1", 1, 0.0))


def test_a_map_without_tap_is_an_error():
    with pytest.raises(ValueError, match="got 1 maps and 0 taps"):
        sparse_hypercolumn([tf.zeros([2, 5, 4, 1])], tf.constant(LOCATIONS), [])
