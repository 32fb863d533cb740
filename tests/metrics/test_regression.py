import inspect

import numpy as np
import pytest

from tfcolor.metrics.regression import ConstantSquaredError


def test_it_agrees_with_numpy_over_several_updates():
    random_numbers = np.random.default_rng(3)
    values, weights = random_numbers.normal(2, 3, (40, 3)), random_numbers.uniform(0, 2, 40)
    metric = ConstantSquaredError(3)
    metric.update_state(values[:25].reshape(5, 5, 3), weights[:25].reshape(5, 5))
    metric.update_state(values[25:], weights[25:])
    mean = np.average(values, axis=0, weights=weights)
    np.testing.assert_allclose(metric.best_constant(), mean)
    for constant in (mean, np.array([1.0, -2.0, 0.5])):
        expected = np.mean(weights * np.sum((values - constant) ** 2, axis=1))
        assert float(metric.loss_of(constant)) == pytest.approx(expected)
    assert float(metric.result()) < float(metric.loss_of(mean + 0.1))


def test_without_targets_the_error_is_zero():
    metric = ConstantSquaredError(2)
    assert float(metric.result()) == 0
    metric.update_state([[1.0, 2.0], [3.0, 2.0]])
    assert float(metric.result()) == 1
    metric.reset_state()
    assert float(metric.result()) == 0


def test_constructor_arguments_are_serialized():
    metric = ConstantSquaredError(4, name="other")
    config = metric.get_config()
    assert set(inspect.signature(ConstantSquaredError).parameters) <= set(config)
    assert ConstantSquaredError.from_config(config).get_config() == config
