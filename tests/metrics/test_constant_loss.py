import numpy as np
import pytest
import scipy.optimize
import scipy.special
import tensorflow as tf

from tfcolor.color.outputs.base import Output
from tfcolor.metrics.constant_loss import ConstantLoss

HISTOGRAMS = (Output("hue", 4), Output("chroma", 4))


def _random_targets(seed, shape):
    random_numbers = np.random.default_rng(seed)
    targets = {}
    for name in ("hue", "chroma"):
        targets[name] = random_numbers.dirichlet(np.full(shape[-1], 0.3), shape[:-1])
        targets[f"{name}_weight"] = random_numbers.uniform(0, 2, shape[:-1])
    return {name: tf.constant(value, tf.float32) for name, value in targets.items()}


def _least_loss(histograms, weights):
    """Minimizes the weighted mean divergence over all constant histograms."""

    def loss(logits):
        probs = scipy.special.softmax(logits)
        return np.mean(weights * scipy.special.rel_entr(histograms, probs).sum(axis=-1))

    return scipy.optimize.minimize(loss, np.zeros(histograms.shape[-1]), tol=1e-12).fun


def test_it_is_what_numerical_optimization_finds():
    batches = [_random_targets(seed, (2, 3 + seed, 4)) for seed in range(2)]
    metric = ConstantLoss(HISTOGRAMS)
    for targets in batches:
        metric.update_state(targets, {})
    joined = {
        name: np.concatenate([np.reshape(t[name], (-1, *t[name].shape[2:])) for t in batches])
        for name in batches[0]
    }
    expected = sum(
        _least_loss(joined[name], joined[f"{name}_weight"]) for name in ("hue", "chroma")
    )
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_values_are_measured_by_their_squared_error():
    values = np.random.default_rng(0).normal(0, 1, (3, 5, 2)).astype(np.float32)
    targets = {"ab": tf.constant(values), "ab_weight": tf.ones([3, 5])}
    metric = ConstantLoss([Output("ab", 2, is_histogram=False)])
    metric.update_state(targets, {})
    assert float(metric.result()) == pytest.approx(values.var(axis=(0, 1)).sum(), rel=1e-5)
    other = ConstantLoss(metric.outputs)
    other.take_constants(metric)
    other.update_state({"ab": targets["ab"] + 3.0, "ab_weight": targets["ab_weight"]}, {})
    expected = values.var(axis=(0, 1)).sum() + 2 * 9
    assert float(other.result()) == pytest.approx(expected, rel=1e-5)


def test_it_is_rebuilt_from_its_config():
    rebuilt = ConstantLoss.from_config(ConstantLoss(HISTOGRAMS, name="least").get_config())
    assert (rebuilt.outputs, rebuilt.name) == (HISTOGRAMS, "least")
