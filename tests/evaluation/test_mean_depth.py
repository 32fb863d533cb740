import numpy as np

from tfcolor.evaluation.mean_depth import COLUMNS, ROWS, MeanDepthMap


def _maps(count, factor):
    random_numbers = np.random.default_rng(0)
    depths = random_numbers.uniform(1, 9, (count, ROWS * factor, COLUMNS * factor))
    depths[random_numbers.random(depths.shape) < 0.3] = 0
    return depths


def test_prediction_is_the_mean_of_the_others_at_each_place():
    depths = _maps(5, 1)
    means = MeanDepthMap(fallback=4.0)
    for depth in depths:
        means.add(depth)
    others = np.delete(depths, 2, axis=0)
    counts = (others > 0).sum(axis=0)
    expected = np.where(counts, others.sum(axis=0) / np.maximum(counts, 1), 4.0)
    assert (counts == 0).any()
    np.testing.assert_allclose(means.predict(depths[2]), expected, rtol=1e-5)


def test_images_of_other_sizes_count_by_their_known_area():
    depths = _maps(3, 3)
    means = MeanDepthMap(fallback=4.0)
    for depth in (*depths, np.full((ROWS, COLUMNS), 2.0)):
        means.add(depth)
    found = means.predict(np.zeros((ROWS, COLUMNS)))
    cells = depths.reshape(3, ROWS, 3, COLUMNS, 3)
    totals = cells.sum(axis=(0, 2, 4)) / 9 + 2
    weights = (cells > 0).sum(axis=(0, 2, 4)) / 9 + 1
    np.testing.assert_allclose(found, totals / weights, rtol=1e-5)


def test_a_single_image_is_predicted_by_the_fallback():
    depth = _maps(1, 1)[0, :40]
    means = MeanDepthMap(fallback=3.5)
    means.add(depth)
    found = means.predict(depth)
    assert found.shape == depth.shape
    np.testing.assert_allclose(found, 3.5, rtol=1e-6)
