import inspect

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.metrics.depth import DEPTH_MEASURES, DepthMetric, depth_errors, is_valid_depth


def _measures(depth, predicted):
    """Returns every measure by name, each by a metric of its own."""
    metrics = {name: DepthMetric(name) for name in DEPTH_MEASURES}
    for metric in metrics.values():
        metric.update_state(depth, predicted)
    return {name: float(metric.result()) for name, metric in metrics.items()}


def _reference(depth, predicted):
    """The measures as Eigen, Puhrsch and Fergus define them, in NumPy."""
    is_valid = np.isfinite(depth) & (depth > 0)
    depth, predicted = (one[is_valid].astype(np.float64) for one in (depth, predicted))
    predicted = np.maximum(predicted, 1e-3)
    ratio = np.maximum(depth / predicted, predicted / depth)
    return {
        **{f"delta_{power}": np.mean(ratio < 1.25**power) for power in (1, 2, 3)},
        "mae": np.mean(np.abs(depth - predicted)),
        "mre": np.mean(np.abs(depth - predicted) / depth),
        "rmse": np.sqrt(np.mean((depth - predicted) ** 2)),
        "log10": np.mean(np.abs(np.log10(depth) - np.log10(predicted))),
    }


def _maps(shape=(3, 7, 11)):
    random_numbers = np.random.default_rng(0)
    depth = random_numbers.uniform(0.5, 9, shape).astype(np.float32)
    predicted = depth * np.exp(random_numbers.normal(0, 0.4, shape))
    depth[random_numbers.random(shape) < 0.2] = 0
    return depth, predicted.astype(np.float32)


def test_golden_values():
    # Specification of the pretext tasks, golden 14. A ratio of 1.25 is no hit.
    measured = _measures([1.0, 2.0, 4.0, 8.0, 1.0], [1.2, 1.5, 4.0, 12.0, 1.25])
    expected = {"delta_1": 0.4, "delta_2": 1, "delta_3": 1, "mae": 0.99, "mre": 0.24}
    expected |= {"rmse": 1.808452, "log10": 0.095424}
    assert measured == pytest.approx(expected, rel=1e-5)


def test_agrees_with_numpy_and_leaves_out_what_is_not_known():
    depth, predicted = _maps()
    depth[0, 0, :3] = np.nan, np.inf, -1
    measured = _measures(depth, predicted)
    assert measured == pytest.approx(_reference(depth, predicted), rel=1e-12)
    predicted[~np.asarray(is_valid_depth(depth))] = np.nan
    assert _measures(depth, predicted) == measured


def test_predictions_are_clipped():
    assert _measures([2.0], [-3.0]) == _measures([2.0], np.array([1e-3]))
    assert _measures([2.0], [-3.0])["mae"] == pytest.approx(1.999)


def test_thresholds_are_strict_in_float64():
    for power, name in enumerate(("delta_1", "delta_2", "delta_3"), 1):
        limit = 1.25**power
        beyond = np.nextafter(limit, [0, 9]).tolist()
        shares = [_measures(np.ones(1), np.array([one]))[name] for one in (limit, *beyond)]
        assert shares == [0, 1, 0]


@pytest.mark.parametrize("name", DEPTH_MEASURES)
def test_pixels_may_come_in_parts_and_over_replicas(name):
    depth, predicted = _maps()
    parts = [DepthMetric(name) for _ in depth]
    for metric, *pair in zip(parts, depth, predicted, strict=True):
        metric.update_state(*pair)
    merged = DepthMetric(name)
    merged.merge_state(parts)
    expected = _reference(depth, predicted)[name]
    assert float(merged.result()) == pytest.approx(expected, rel=1e-12)
    merged.reset_state()
    assert float(merged.result()) == 0

    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        spread = DepthMetric(name)

    def update(context):
        place = context.replica_id_in_sync_group
        one, other = tf.constant(depth), tf.constant(predicted)
        begin, end = (0, 1) if place == 0 else (1, 3)
        spread.update_state(one[begin:end], other[begin:end])

    strategy.run(lambda: update(tf.distribute.get_replica_context()))
    assert float(spread.result()) == pytest.approx(expected, rel=1e-12)


def test_errors_are_ordered_like_the_measures():
    errors = depth_errors([2.0, 0.0, 1.0], [3.0, 1.0, 1.0])
    assert errors.shape == [2, len(DEPTH_MEASURES)]
    assert errors.dtype == tf.float64
    np.testing.assert_allclose(errors[0], [0, 1, 1, 1, 0.5, 1, np.log10(1.5)])


def test_it_can_be_rebuilt_and_refuses_other_names():
    metric = DepthMetric("mre", name="mine")
    arguments = set(inspect.signature(DepthMetric).parameters)
    assert arguments <= set(metric.get_config())
    twin = DepthMetric.from_config(metric.get_config())
    assert (twin.name, twin.measure) == ("mine", "mre")
    with pytest.raises(UsageError, match="unknown measure of depth 'delta_4'; known: delta_1"):
        DepthMetric("delta_4")
