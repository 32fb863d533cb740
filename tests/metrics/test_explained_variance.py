import numpy as np
import pytest
from sklearn.metrics import r2_score

from tfcolor.metrics.explained_variance import ExplainedVariance

B, L, D = 4, 5, 3


def _compare(targets, outputs):
    return targets["truth"], outputs["answer"], targets["weights"]


@pytest.fixture
def batches():
    random = np.random.default_rng(0)
    truth = random.normal(3, [1, 5, 20], size=(2, B, L, D)).astype(np.float32)
    answer = truth + random.normal(0, [0.5, 3, 30], size=truth.shape).astype(np.float32)
    weights = random.integers(0, 3, size=(2, B, L)).astype(np.float32)
    return truth, answer, weights


def _measure(metric, truth, answer, weights):
    for batch in zip(truth, answer, weights, strict=True):
        targets = {"truth": batch[0], "weights": batch[2]}
        metric.update_state(targets, {"answer": batch[1]})
    return float(metric.result())


def test_share_is_that_of_scikit_learn(batches):
    truth, answer, weights = batches
    expected = r2_score(truth.reshape(-1, D), answer.reshape(-1, D), sample_weight=weights.ravel())
    metric = ExplainedVariance(D, _compare)
    assert _measure(metric, *batches) == pytest.approx(expected, rel=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0
    assert _measure(metric, *batches) == pytest.approx(expected, rel=1e-6)


def test_the_truth_explains_all_and_the_mean_nothing(batches):
    truth, _, weights = batches
    ones = np.ones_like(weights)
    assert _measure(ExplainedVariance(D, _compare), truth, truth, weights) == pytest.approx(1)
    mean = np.broadcast_to(truth.mean(axis=(0, 1, 2)), truth.shape)
    assert _measure(ExplainedVariance(D, _compare), truth, mean, ones) == pytest.approx(0, abs=1e-6)


def test_a_truth_that_does_not_vary_is_not_explained():
    same = np.full([1, B, L, D], 2.0)
    metric = ExplainedVariance(D, _compare)
    assert _measure(metric, same, same, same[..., 0]) == 0
