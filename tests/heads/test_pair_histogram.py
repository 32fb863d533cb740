import numpy as np
import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.heads.pair_histogram import PairHistogramHead
from tfcolor.models.network import kernel_and_bias_variables

TAPS = {"a": Tap("a", 2, 0.5, 3), "b": Tap("b", 4, 1.5, 5)}
BATCH, PAIRS, BINS, UNITS = 2, 4, 6, 7


def _head(**options):
    return PairHistogramHead(TAPS, BINS, UNITS, **{"dropout_rate": 0.0, **options}, seed=3)


def _inputs():
    random_numbers = np.random.default_rng(0)
    features = {
        "a": random_numbers.normal(size=(BATCH, 8, 10, 3)).astype(np.float32),
        "b": random_numbers.normal(size=(BATCH, 4, 5, 5)).astype(np.float32),
    }
    locations = random_numbers.uniform(-3, 20, (BATCH, 2 * PAIRS, 2)).astype(np.float32)
    seeds = tf.constant([[1, 2], [1, 3]], tf.int64)
    return features, {"locations": tf.constant(locations), "seed": seeds}


def _bilinear(feature, tap, location):
    """One column of a map [H, W, C], by the definition."""
    cells = [
        np.clip((place - tap.offset[axis]) / tap.stride, 0, feature.shape[axis] - 1)
        for axis, place in enumerate(location)
    ]
    low = [int(cell) for cell in cells]
    total = 0
    for corner in np.ndindex(2, 2):
        at = [min(low[i] + corner[i], feature.shape[i] - 1) for i in (0, 1)]
        weights = [abs(1 - corner[i] - (cells[i] - low[i])) for i in (0, 1)]
        total = total + weights[0] * weights[1] * feature[at[0], at[1]]
    return total


def test_logits_follow_from_the_codes_of_both_locations():
    features, inputs = _inputs()
    head = _head()
    for variable in head.trainable_variables:
        variable.assign(np.random.default_rng(1).normal(size=variable.shape))
    logits = head(features, inputs, TAPS)["logits"]
    assert logits.shape == [BATCH, PAIRS, BINS]
    for place in np.ndindex(BATCH, PAIRS):
        example, pair = place
        codes = []
        for location in inputs["locations"].numpy()[example, 2 * pair : 2 * pair + 2]:
            column = [_bilinear(features[name][example], TAPS[name], location) for name in TAPS]
            column = np.concatenate(column)
            codes.append(np.maximum(column @ head.hidden.kernel.numpy() + head.hidden.bias, 0))
        expected = np.concatenate(codes) @ head.bins.kernel.numpy() + head.bins.bias
        np.testing.assert_allclose(logits[example, pair], expected, rtol=1e-3, atol=1e-3)


def test_both_locations_share_a_code_but_not_their_place():
    features, inputs = _inputs()
    logits = _head()(features, inputs, TAPS)["logits"]
    order = [1, 0, 3, 2, 5, 4, 7, 6]
    exchanged = {**inputs, "locations": tf.gather(inputs["locations"], order, axis=1)}
    assert np.any(np.abs(_head()(features, exchanged, TAPS)["logits"] - logits) > 1e-6)


def test_every_variable_has_a_role_and_one_seed_gives_one_head():
    kernels, biases = kernel_and_bias_variables(_head())
    shapes = [tuple(kernel.shape) for kernel in kernels]
    assert sorted(shapes) == sorted([(8, UNITS), (2 * UNITS, BINS)])
    assert len(biases) == 2
    for first, second in zip(_head().variables, _head().variables, strict=True):
        np.testing.assert_array_equal(first, second)


def test_dropout_is_on_in_training_alone():
    features, inputs = _inputs()
    head = _head(dropout_rate=0.5)
    head.hidden.bias.assign(tf.ones([UNITS]))
    still = head(features, inputs, TAPS)["logits"]
    np.testing.assert_array_equal(head(features, inputs, TAPS)["logits"], still)
    assert np.any(head(features, inputs, TAPS, training=True)["logits"] != still)
