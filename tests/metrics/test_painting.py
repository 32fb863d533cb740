import numpy as np
import pytest
import tensorflow as tf

from tfcolor.metrics.painting import ConstantColorError, ExplainedError, HiddenError


@pytest.fixture(scope="module")
def example():
    random_numbers = np.random.default_rng(3)
    targets = {
        "image": random_numbers.uniform(size=(4, 6, 6, 3)),
        "hidden": random_numbers.integers(0, 2, (4, 6, 6, 1)).astype(float),
        "weight": random_numbers.uniform(size=(4, 6, 6, 1)),
        "color": random_numbers.uniform(size=(4, 3)),
    }
    outputs = {"painted": random_numbers.uniform(size=(4, 6, 6, 3))}
    return ({name: np.float32(some) for name, some in one.items()} for one in (targets, outputs))


@pytest.fixture(scope="module")
def measured(example):
    """Targets, outputs, and the metrics that saw them in two parts."""
    targets, outputs = example
    metrics = [HiddenError(), ExplainedError(), ConstantColorError(3)]
    for part in (slice(0, 1), slice(1, 4)):
        for metric in metrics:
            metric.update_state(
                *({k: tf.constant(v[part]) for k, v in d.items()} for d in (targets, outputs))
            )
    return targets, outputs, [float(metric.result()) for metric in metrics], metrics[-1]


def test_errors_are_those_of_hidden_pixels(measured):
    targets, outputs, (error, explained, _), _ = measured
    hidden = np.broadcast_to(targets["hidden"] > 0, targets["image"].shape)
    painted = (targets["image"] - outputs["painted"])[hidden]
    assert error == pytest.approx(np.mean(painted**2), rel=1e-6)
    plain = (targets["image"] - targets["color"][:, None, None])[hidden]
    assert explained == pytest.approx(1 - np.sum(painted**2) / np.sum(plain**2), rel=1e-5)


def test_the_mean_color_explains_nothing_and_the_image_all(measured):
    targets = measured[0]
    plain = np.broadcast_to(targets["color"][:, None, None], targets["image"].shape)
    for painted, expected in ((plain, 0), (targets["image"], 1)):
        metric = ExplainedError()
        metric.update_state(targets, {"painted": painted})
        assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


def test_the_best_color_is_the_weighted_mean_of_all_images(measured):
    targets, _, (*_, loss), metric = measured
    weights = targets["weight"].astype(float)
    mean = (weights * targets["image"]).sum((0, 1, 2)) / weights.sum()
    assert loss == pytest.approx(np.mean(weights * (targets["image"] - mean) ** 2), rel=1e-6)
    np.testing.assert_allclose(metric.best_constant(), mean, rtol=1e-6)
    other = ConstantColorError(3, tf.constant([0.1, 0.2, 0.3], tf.float64))
    other.update_state(targets, {})
    expected = np.mean(weights * (targets["image"] - [0.1, 0.2, 0.3]) ** 2)
    assert float(other.result()) == pytest.approx(expected, rel=1e-6)
