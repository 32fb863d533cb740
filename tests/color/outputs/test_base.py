"""What holds for every output space in the table."""

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs import OUTPUT_SPACES
from tfcolor.color.outputs.base import TargetOptions


@pytest.fixture(params=OUTPUT_SPACES)
def space(request):
    return OUTPUT_SPACES[request.param]()


@pytest.fixture(scope="module")
def rgb():
    return np.random.default_rng(0).uniform(0, 1, (13, 17, 3)).astype(np.float32)


def test_name_is_the_key(space):
    assert type(space) is OUTPUT_SPACES[space.name]


def test_same_space_is_built_again(space):
    assert OUTPUT_SPACES[space.name](space.num_bins).outputs == space.outputs


def test_targets_have_a_row_and_a_weight_per_location(space, rgb):
    locations = tf.constant([[0.0, 0.0], [12.0, 16.0], [5.0, 3.0], [7.0, 7.0]])
    targets = space.make_targets(rgb, locations, TargetOptions())
    names = {output.name for output in space.outputs}
    assert set(targets) == names | {f"{name}_weight" for name in names}
    for output in space.outputs:
        assert targets[output.name].shape == [4, output.size]
        assert targets[f"{output.name}_weight"].shape == [4]
        if output.is_histogram:
            np.testing.assert_allclose(tf.reduce_sum(targets[output.name], -1), 1, rtol=1e-5)


def test_labels_are_bins_of_the_histograms(space, rgb):
    labels, weights = space.labels(rgb), space.label_weights(rgb)
    assert set(labels) == set(weights) == set(space.histograms)
    for name, bins in labels.items():
        assert bins.shape == weights[name].shape == rgb.shape[:2]
        assert np.min(bins) >= 0 and np.max(bins) < space.histograms[name]


def test_a_certain_prediction_of_the_truth_gives_the_color_back(space, rgb):
    """The way through labels, decoding and lightness, to the width of a bin."""
    muted = 0.5 + (rgb - 0.5) * 0.4
    locations = tf.cast(
        tf.reshape(tf.stack(tf.meshgrid(range(13), range(17), indexing="ij"), -1), [-1, 2]),
        tf.float32,
    )
    if space.histograms:
        predictions = {
            name: tf.one_hot(labels, space.histograms[name])[None]
            for name, labels in space.labels(muted).items()
        }
    else:
        targets = space.make_targets(muted, locations, TargetOptions())
        predictions = {"ab": tf.reshape(targets["ab"], [1, 13, 17, 2])}
    coordinates, uncertainty = space.decode(predictions, DecodingOptions())
    gray = muted.mean(axis=-1, keepdims=True)[None]
    difference = space.to_difference(coordinates, gray).numpy()
    np.testing.assert_allclose(difference.mean(-1), 0, atol=1e-6)
    np.testing.assert_allclose(uncertainty, 0, atol=1e-6)
    # Of the L* of a color and that of gray with the same mean, Lab takes the second.
    error = np.abs(gray + difference - muted).mean()
    assert error < (0.02 if space.histograms else 0.003)


def test_a_bias_is_largest_towards_its_color(space):
    for angle in (0.1, 0.6):
        for values in space.rotated_bias(angle, 2.0).values():
            assert values.dtype == np.float32
            assert np.abs(values).max() <= 2.0 + 1e-6
        assert not any(np.any(values) for values in space.rotated_bias(angle, 0.0).values())


def test_posteriors_are_the_predictions_unless_asked_otherwise():
    for kind in OUTPUT_SPACES.values():
        space = kind()
        predictions = {
            output.name: tf.constant(
                np.random.default_rng(0).dirichlet(np.ones(output.size), 3), tf.float32
            )
            for output in space.outputs
        }
        posteriors = space.posteriors(predictions, DecodingOptions(temperature=1.0))
        for name, value in predictions.items():
            np.testing.assert_array_equal(posteriors[name], value)
