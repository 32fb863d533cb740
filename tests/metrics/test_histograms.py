import inspect

import numpy as np
import pytest
import scipy.optimize
import scipy.special
import tensorflow as tf

from tfcolor.metrics.histograms import ConstantHistogramDivergence, HistogramNll


def _random_probs(*shape, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(shape[-1], 0.5), shape[:-1])


def _weighted_divergence(targets, weights, constant):
    return (weights * scipy.special.rel_entr(targets, constant).sum(-1)).sum() / len(targets)


def test_nll_is_the_mean_over_pixels():
    metric = HistogramNll()
    probs = _random_probs(2, 3, 4, 6).astype(np.float32)
    labels = np.random.default_rng(1).integers(0, 6, (2, 3, 4)).astype(np.int32)
    chosen = [probs[index][labels[index]] for index in np.ndindex(2, 3, 4)]
    metric.update_state(labels[:1], np.log(probs[:1]))
    metric.update_state(labels[1:], np.log(probs[1:]))
    np.testing.assert_allclose(metric.result(), -np.log(chosen).mean(), rtol=1e-6)


def test_nll_divides_by_the_sum_of_weights():
    metric = HistogramNll()
    metric.update_state([1, 0], np.log([[0.5, 0.5], [0.25, 0.75]]), weights=[3.0, 1.0])
    np.testing.assert_allclose(metric.result(), (3 * np.log(2) + np.log(4)) / 4)


def test_constant_divergence_is_the_formula_written_out():
    targets = _random_probs(4, 5, 6)
    weights = np.random.default_rng(1).random((4, 5)) * 5
    metric = ConstantHistogramDivergence(6)
    for rows in (slice(0, 1), slice(1, 4)):
        metric.update_state(targets[rows], weights[rows])
    flat, flat_weights = targets.reshape(-1, 6), weights.ravel()
    mean = (flat_weights[:, None] * flat).sum(0) / flat_weights.sum()
    assert metric.result().dtype == tf.float64
    np.testing.assert_allclose(metric.result(), _weighted_divergence(flat, flat_weights, mean))


def test_constant_divergence_is_the_least_of_any_constant():
    targets = _random_probs(7, 4)
    weights = np.random.default_rng(2).random(7)
    metric = ConstantHistogramDivergence(4)
    metric.update_state(targets, weights)
    found = scipy.optimize.minimize(
        lambda z: _weighted_divergence(targets, weights, scipy.special.softmax(z)), np.zeros(4)
    )
    np.testing.assert_allclose(metric.result(), found.fun, atol=1e-8)


def test_constant_divergence_weighs_all_alike_by_default():
    targets = _random_probs(3, 5)
    plain, ones = ConstantHistogramDivergence(5), ConstantHistogramDivergence(5)
    plain.update_state(targets)
    ones.update_state(targets, np.ones(3))
    np.testing.assert_allclose(plain.result(), ones.result())
    expected = _weighted_divergence(targets, np.ones(3), targets.mean(0))
    np.testing.assert_allclose(plain.result(), expected)


def test_constant_divergence_of_one_hot_targets_is_the_entropy_of_their_mean():
    metric = ConstantHistogramDivergence(4)
    metric.update_state(np.eye(4, dtype=np.float32)[[0, 1, 1, 2]])
    np.testing.assert_allclose(metric.result(), 1.5 * np.log(2))


def test_constant_divergence_of_equal_targets_is_zero():
    metric = ConstantHistogramDivergence(5)
    metric.update_state(np.repeat(_random_probs(1, 5), 9, axis=0))
    np.testing.assert_allclose(metric.result(), 0, atol=1e-12)
    assert metric.result() >= 0


def test_constant_divergence_of_nothing_is_zero():
    metric = ConstantHistogramDivergence(5)
    assert metric.result() == 0
    metric.update_state(_random_probs(3, 5), np.zeros(3))
    assert metric.result() == 0


def test_reset_forgets():
    metric = ConstantHistogramDivergence(5)
    metric.update_state(_random_probs(3, 5))
    assert metric.result() > 0
    metric.reset_state()
    second = _random_probs(4, 5, seed=3)
    metric.update_state(second)
    expected = _weighted_divergence(second, np.ones(4), second.mean(0))
    np.testing.assert_allclose(metric.result(), expected)


def _updated_in_graph(metric, *tensors):
    """Updates a metric inside a function that knows only the last axis."""
    specs = [tf.TensorSpec([None, None, *tensor.shape[2:]], tensor.dtype) for tensor in tensors]

    @tf.function(input_signature=specs)
    def update(*arguments):
        metric.update_state(*arguments)

    update(*tensors)
    return metric


def test_constant_divergence_updates_in_a_graph_of_unknown_size():
    targets = _random_probs(2, 3, 5).astype(np.float32)
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    outside = ConstantHistogramDivergence(5)
    outside.update_state(targets, weights)
    inside = _updated_in_graph(ConstantHistogramDivergence(5), targets, weights)
    np.testing.assert_allclose(inside.result(), outside.result())


def test_nll_updates_in_a_graph_of_unknown_size():
    log_probs = np.log(_random_probs(2, 3, 5).astype(np.float32))
    labels = np.array([[0, 4, 2], [1, 1, 3]], np.int32)
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    outside = HistogramNll()
    outside.update_state(labels, log_probs, weights)
    inside = _updated_in_graph(HistogramNll(), labels, log_probs, weights)
    np.testing.assert_allclose(inside.result(), outside.result())


@pytest.mark.parametrize(
    ("metric_class", "arguments"),
    [(HistogramNll, {}), (ConstantHistogramDivergence, {"num_bins": 5})],
)
def test_constructor_arguments_are_serialized(metric_class, arguments):
    metric = metric_class(**arguments, name="other")
    config = metric.get_config()
    assert set(inspect.signature(metric_class).parameters) <= set(config)
    rebuilt = metric_class.from_config(config)
    assert rebuilt.get_config() == config
    assert rebuilt.name == "other"
    assert [v.shape for v in rebuilt.variables] == [v.shape for v in metric.variables]
