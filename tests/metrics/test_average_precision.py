import inspect
import math

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import average_precision_score

from tfcolor.metrics.average_precision import VARIANTS, MeanAveragePrecision, average_precision

CASE_A = ([1, 0, 1, 0, 1, 0, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
CASE_E = ([1, 255, 0, 1, 0], [0.9, 0.8, 0.7, 0.6, 0.5])


def _measure(labels, scores, variant="step", tie_penalty=0.0):
    return float(average_precision(labels, scores, variant=variant, tie_penalty=tie_penalty))


def _points(labels, scores):
    """The curve by brute force: one (recall, precision) per threshold."""
    pairs = [(y, s) for y, s in zip(labels, scores, strict=True) if y in (0, 1)]
    total = sum(y for y, _ in pairs)
    taken = [[y for y, s in pairs if s >= threshold] for threshold in sorted({s for _, s in pairs})]
    return [(sum(ys) / total, sum(ys) / len(ys)) for ys in reversed(taken)], total


def _reference(labels, scores, variant):
    points, total = _points(labels, scores)
    best = [max([p for r, p in points if r >= floor - 1e-9] or [0]) for floor, _ in points]
    if variant == "eleven_point":
        floors = [math.ceil(total * k / 10 - 1e-9) / total for k in range(11)]
        return np.mean([max(p for r, p in points if r >= floor - 1e-9) for floor in floors])
    if variant == "trapezoid":
        curve = [(0.0, 1.0), *points]
        return np.trapz([p for _, p in curve], [r for r, _ in curve])
    heights = best if variant == "interpolated" else [p for _, p in points]
    return np.sum(np.diff([0.0] + [r for r, _ in points]) * heights)


@pytest.mark.parametrize(
    ("labels", "scores", "variant", "tie_penalty", "expected"),
    [
        (*CASE_A, "step", 0.0, 0.7555555556),
        (*CASE_A, "trapezoid", 0.0, 0.7111111111),
        (*CASE_A, "eleven_point", 0.0, 0.7636363636),
        ([1] * 2 + [0] * 8, [0.0] * 10, "step", 0.0, 0.2),
        ([1] * 2 + [0] * 8, [0.0] * 10, "trapezoid", 0.0, 0.6),
        ([1] * 2 + [0] * 8, [0.0] * 10, "eleven_point", 0.0, 0.2),
        ([1] * 2 + [0] * 8, [0.0] * 10, "step", 1e-5, 0.2),
        ([1] * 2 + [0] * 8, [0.0] * 10, "trapezoid", 1e-5, 0.1),
        ([1, 1, 0, 0], [3.0] * 4, "step", 0.0, 0.5),
        ([1, 1, 0, 0], [3.0] * 4, "trapezoid", 0.0, 0.75),
        ([1] * 7 + [0] * 93, [0.0] * 100, "trapezoid", 0.0, 0.535),
        ([1] * 7 + [0] * 93, [0.0] * 100, "trapezoid", 1e-5, 0.035),
        (*CASE_E, "step", 0.0, 0.8333333333),
        ([1, 1, 0, 1, 0], CASE_E[1], "step", 0.0, 0.9166666667),
    ],
)
def test_golden_values(labels, scores, variant, tie_penalty, expected):
    assert _measure(labels, scores, variant, tie_penalty) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("order", [[1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 1, 1]])
def test_penalized_ties_do_not_depend_on_the_order(order):
    values = [_measure(order, [300.0] * 4, variant, 1e-5) for variant in ("step", "trapezoid")]
    assert values == pytest.approx([0.5, 0.25])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("num_scores", [2, 5, 1000])
def test_agrees_with_brute_force_on_ties_and_difficult_objects(variant, num_scores):
    random = np.random.default_rng(num_scores)
    for count in (1, 2, 7, 30, 61):
        labels = random.choice([0, 1, -1, 255], count, p=[0.5, 0.3, 0.1, 0.1])
        labels[0] = 1
        scores = random.integers(num_scores, size=count) / 7
        expected = _reference(labels, scores, variant)
        assert _measure(labels, scores, variant) == pytest.approx(expected, abs=1e-12)


def test_step_agrees_with_scikit_learn():
    random = np.random.default_rng(3)
    for levels in (3, 20, 10**6):
        labels, scores = random.integers(2, size=200), random.integers(levels, size=200) - 0.5
        expected = average_precision_score(labels, scores)
        assert _measure(labels, scores) == pytest.approx(expected, abs=1e-12)


def test_eleven_points_are_reached_exactly():
    # 3 of 10 positives first: 0.1 * 3 > 0.3 in floats would miss a recall of 0.3.
    labels = [1] * 3 + [0] * 90 + [1] * 7
    scores = np.arange(100, 0, -1.0)
    expected = (4 * 1.0 + 7 * 0.1) / 11
    assert _measure(labels, scores, "eleven_point") == pytest.approx(expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_perfect_rankings_and_empty_classes(variant):
    assert _measure([0, 1, 1], [0.0, 1.0, 2.0], variant) == pytest.approx(1.0)
    for labels in ([], [0, 0], [-1, 0], [255, -1]):
        assert math.isnan(_measure(labels, np.linspace(0, 1, len(labels)), variant))


def _batches(count=50, num_classes=4):
    random = np.random.default_rng(1)
    labels = random.choice([0, 1, -1], [count, num_classes], p=[0.6, 0.3, 0.1])
    labels[:, 2] = np.minimum(labels[:, 2], 0)
    scores = np.round(random.normal(size=[count, num_classes]), 1)
    return labels, scores


def _fill(metric, labels, scores, size=9):
    for start in range(0, len(labels), size):
        metric.update_state(labels[start : start + size], scores[start : start + size])
    return metric


def test_mean_leaves_out_classes_without_positives():
    labels, scores = _batches()
    metric = _fill(MeanAveragePrecision(4, tie_penalty=0.0), labels, scores)
    expected = []
    for column in (0, 1, 3):
        known = labels[:, column] >= 0
        expected.append(average_precision_score(labels[known, column], scores[known, column]))
    values = metric.per_class().numpy()
    np.testing.assert_allclose(values[[0, 1, 3]], expected)
    assert np.isnan(values[2])
    assert metric.result().dtype == tf.float64
    np.testing.assert_allclose(metric.result(), np.mean(expected))


def test_default_follows_the_protocol():
    labels, scores = _batches()
    metric = _fill(MeanAveragePrecision(4), labels, scores)
    known = labels[:, 0] >= 0
    scores = scores[known, 0] - 1e-5 * labels[known, 0]
    expected = average_precision_score(labels[known, 0], scores)
    np.testing.assert_allclose(metric.per_class()[0], expected)


def test_merging_equals_seeing_all():
    labels, scores = _batches()
    whole = _fill(MeanAveragePrecision(4, variant="interpolated"), labels, scores)
    parts = [MeanAveragePrecision(4, variant="interpolated") for _ in range(3)]
    for part, rows in zip(parts, np.array_split(np.arange(50), 3), strict=True):
        _fill(part, labels[rows], scores[rows])
    parts[0].merge_state(parts[1:])
    np.testing.assert_allclose(parts[0].per_class(), whole.per_class())


def test_updates_and_reads_in_a_graph():
    labels, scores = _batches()
    metric = MeanAveragePrecision(4, variant="interpolated")
    specs = [tf.TensorSpec([None, 4], tf.int32), tf.TensorSpec([None, 4], tf.float32)]

    @tf.function(input_signature=specs)
    def update(*batch):
        metric.update_state(*batch)

    update(labels.astype(np.int32), scores.astype(np.float32))
    inside = tf.function(metric.result)()
    eager = _fill(MeanAveragePrecision(4, variant="interpolated"), labels, scores.astype("f4"))
    np.testing.assert_allclose(inside, eager.result())


def test_nothing_is_zero_and_reset_forgets():
    metric = MeanAveragePrecision(4)
    assert metric.result() == 0
    assert _fill(metric, *_batches()).result() > 0
    metric.reset_state()
    assert metric.result() == 0
    assert [variable.shape[0] for variable in map(tf.convert_to_tensor, metric.variables)] == [0, 0]


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match="scores of the average precision"):
        MeanAveragePrecision(1).update_state([[1]], [[math.nan]])


def test_constructor_arguments_are_checked_and_serialized():
    with pytest.raises(ValueError, match="num_classes 0: expected at least 1"):
        MeanAveragePrecision(0)
    with pytest.raises(ValueError, match="variant 'area': expected one of step, trapezoid"):
        MeanAveragePrecision(2, variant="area")
    config = MeanAveragePrecision(3, variant="trapezoid", tie_penalty=0.5, name="map").get_config()
    assert set(inspect.signature(MeanAveragePrecision).parameters) <= set(config)
    assert MeanAveragePrecision.from_config(config).get_config() == config
