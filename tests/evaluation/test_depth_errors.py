import numpy as np
import scipy.stats

from tfcolor.evaluation.depth_errors import BIN_METERS, ErrorsByDepth


def test_errors_are_means_over_the_pixels_of_each_range():
    random_numbers = np.random.default_rng(0)
    errors = ErrorsByDepth(("network", "mean depth"))
    truths, misses = [], []
    for _ in range(3):
        depth = random_numbers.uniform(1.5, 4, (7, 9))
        depth[0] = 0
        predicted = depth + random_numbers.normal(0, 0.5, depth.shape)
        errors.add(depth, (predicted, np.full(depth.shape, 2.5)))
        known = depth > 0
        truths.append(depth[known])
        misses.append(np.abs(predicted - depth)[known] / depth[known])
    edges, curves = errors.curves()
    np.testing.assert_array_equal(edges, BIN_METERS * np.arange(9))
    truth = np.concatenate(truths)
    misses = {"network": np.concatenate(misses), "mean depth": np.abs(2.5 - truth) / truth}
    for label, values in misses.items():
        expected = scipy.stats.binned_statistic(truth, values, "mean", edges)
        np.testing.assert_allclose(curves[label], expected.statistic)
        assert np.isnan(curves[label][:3]).all()


def test_far_pixels_are_put_together_and_no_pixel_is_no_range():
    errors = ErrorsByDepth(("network",))
    edges, curves = errors.curves()
    assert (edges.tolist(), len(curves["network"])) == ([0], 0)
    errors.add(np.array([[300.0, 99.9]]), (np.array([[150.0, 99.9]]),))
    edges, curves = errors.curves()
    assert edges[-1] == 100
    assert curves["network"][-1] == 0.25
