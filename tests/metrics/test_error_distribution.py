import inspect

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.metrics.error_distribution import ErrorDistribution
from tfcolor.metrics.image_quality import AlphaBetaRmse


def _images(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0.05, 1.0, (2, *shape, 3))


def _errors(target, predicted, eps):
    def alpha_beta(rgb):
        red, green, blue = np.moveaxis(rgb, -1, 0)
        return np.array([blue - (red + green) / 2, red - green]) / (rgb.mean(axis=-1) + eps)

    return np.hypot(*(alpha_beta(predicted) - alpha_beta(target)))


@pytest.mark.parametrize(("eps", "num_bins", "maximum"), [(1e-4, 2000, 2.0), (0.05, 30, 0.5)])
def test_curve_counts_the_pixels_below_each_edge(eps, num_bins, maximum):
    target, predicted = _images(3, 6, 7)
    metric = ErrorDistribution(eps, num_bins=num_bins, maximum=maximum)
    for rows in (slice(0, 1), slice(1, 3)):
        metric.update_state(target[rows], predicted[rows])
    errors = _errors(target, predicted, eps)
    edges, fractions = metric.cumulative()
    assert fractions.dtype == tf.float64
    np.testing.assert_allclose(edges, np.linspace(0, maximum, num_bins + 1))
    np.testing.assert_allclose(fractions, [(errors < edge).mean() for edge in edges.numpy()])


def test_median_is_that_of_the_pixels_to_a_bin():
    target, predicted = _images(2, 9, 11)
    metric = ErrorDistribution(1e-4)
    metric.update_state(target, predicted)
    median = np.median(_errors(target, predicted, 1e-4))
    np.testing.assert_allclose(metric.result(), median, atol=2 * 2.0 / 2000)


def test_median_is_interpolated_in_its_bin():
    gray = np.full((1, 1, 4, 3), 0.5)
    predicted = gray.copy()
    # With beta = 2 d / 0.5 for R + d and G - d: errors 0, 0.6, 0.6, 0.6.
    predicted[0, 0, 1:] += [0.15, -0.15, 0]
    metric = ErrorDistribution(0.0, num_bins=2, maximum=1.0)
    metric.update_state(gray, predicted)
    np.testing.assert_allclose(metric.result(), 0.5 + 0.5 / 3)


def test_errors_beyond_the_maximum_are_counted():
    target, predicted = _images(2, 3, 4)
    metric = ErrorDistribution(1e-4, num_bins=5, maximum=0.01)
    metric.update_state(target, predicted)
    expected = (_errors(target, predicted, 1e-4) < 0.01).mean()
    np.testing.assert_allclose(metric.cumulative()[1][-1], expected)
    assert expected < 0.5
    np.testing.assert_allclose(metric.result(), 0.01)


def test_equal_images_have_no_error_above_the_first_bin():
    target, _ = _images(2, 3, 4)
    metric = ErrorDistribution(1e-4, num_bins=8, maximum=2.0)
    metric.update_state(target, target)
    np.testing.assert_array_equal(metric.cumulative()[1], [0, *[1] * 8])


def test_root_mean_square_is_that_of_the_metric_of_its_name():
    target, predicted = _images(2, 5, 6)
    distribution, rmse = ErrorDistribution(1e-2, num_bins=20_000, maximum=5.0), AlphaBetaRmse(1e-2)
    distribution.update_state(target, predicted)
    rmse.update_state(target, predicted)
    edges, fractions = distribution.cumulative()
    centers = (edges[1:] + edges[:-1]).numpy() / 2
    mean_square = np.sum(np.diff(fractions) * centers**2)
    np.testing.assert_allclose(np.sqrt(mean_square / 2), rmse.result(), rtol=1e-3)


def test_weight_zero_leaves_an_image_out():
    target, predicted = _images(3, 4, 5)
    weighted, alone = ErrorDistribution(1e-4), ErrorDistribution(1e-4)
    weighted.update_state(target, predicted, [0.0, 1.0, 0.0])
    alone.update_state(target[1:2], predicted[1:2])
    np.testing.assert_allclose(weighted.cumulative(), alone.cumulative())


def test_nothing_has_no_error_and_reset_forgets():
    target, predicted = _images(2, 3, 4)
    metric = ErrorDistribution(1e-4)
    assert metric.result() == 0
    metric.update_state(target, predicted)
    assert metric.result() > 0
    metric.reset_state()
    assert metric.result() == 0
    assert not np.any(metric.cumulative()[1])


def test_updates_in_a_graph_of_unknown_size():
    target, predicted = _images(2, 3, 4).astype(np.float32)
    outside, inside = ErrorDistribution(1e-4), ErrorDistribution(1e-4)
    outside.update_state(target, predicted)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])] * 2)
    def update(*images):
        inside.update_state(*images)

    update(target, predicted)
    np.testing.assert_allclose(inside.cumulative(), outside.cumulative())


def test_constructor_arguments_are_serialized():
    metric = ErrorDistribution(0.05, num_bins=7, maximum=3.0, name="other")
    config = metric.get_config()
    assert set(inspect.signature(ErrorDistribution).parameters) <= set(config)
    rebuilt = ErrorDistribution.from_config(config)
    assert rebuilt.get_config() == config
    assert [v.shape for v in rebuilt.variables] == [v.shape for v in metric.variables]


@pytest.mark.parametrize("options", [{"num_bins": 0}, {"maximum": 0.0}])
def test_bins_are_checked(options):
    with pytest.raises(ValueError, match="expected positive numbers"):
        ErrorDistribution(1e-4, **options)
