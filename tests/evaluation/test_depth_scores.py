import numpy as np
import pytest

from tfcolor.evaluation.depth_scores import DepthScores
from tfcolor.metrics.depth import DEPTH_MEASURES

SHAPES = ((5, 7), (9, 4), (3, 30), (6, 6))


@pytest.fixture(scope="module")
def images():
    """Depth and prediction of four images of different sizes, with holes."""
    random_numbers = np.random.default_rng(0)
    depths = [random_numbers.uniform(1, 9, shape).astype(np.float32) for shape in SHAPES]
    predictions = [one * np.exp(random_numbers.normal(0, 0.3, one.shape)) for one in depths]
    for one in depths:
        one[random_numbers.random(one.shape) < 0.3] = 0
    return list(zip(depths, predictions, strict=True))


def _scores(images):
    scores = DepthScores()
    for number, pair in enumerate(images):
        scores.add(f"{number}.png", *pair)
    return scores


def _measures(images):
    """All measures over the known pixels of some images, in NumPy."""
    depth, predicted = (np.concatenate([one[part].ravel() for one in images]) for part in (0, 1))
    depth, predicted = depth[depth > 0].astype(np.float64), predicted[depth > 0]
    ratio = np.maximum(depth / predicted, predicted / depth)
    error = np.abs(depth - predicted)
    shares = {f"delta_{power}": (ratio < 1.25**power).mean() for power in (1, 2, 3)}
    errors = {"mae": error.mean(), "mre": (error / depth).mean()}
    return {
        **shares,
        **errors,
        "rmse": np.sqrt((error**2).mean()),
        "log10": np.abs(np.log10(predicted / depth)).mean(),
    }


def test_every_pixel_counts_the_same(images):
    scores = _scores(images)
    assert scores.figures() == pytest.approx(_measures(images), rel=1e-9)
    assert scores.num_pixels == sum(np.count_nonzero(depth) for depth, _ in images)
    for row, image in zip(scores.rows, images, strict=True):
        expected = _measures([image])
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-9)
        assert (row["height"], row["width"]) == image[0].shape
    assert list(scores.rows[0])[:4] == ["image", "height", "width", "num_pixels"]


def test_intervals_are_quantiles_over_samples_of_images(images):
    scores = _scores(images)
    intervals, figures = scores.intervals(), scores.figures()
    random_numbers = np.random.default_rng(5)
    samples = [
        _measures([images[number] for number in random_numbers.integers(4, size=4)])
        for _ in range(1500)
    ]
    for name in DEPTH_MEASURES:
        low, high = intervals[name]
        assert low <= figures[name] <= high
        expected = np.quantile([one[name] for one in samples], [0.025, 0.975])
        spread = expected[1] - expected[0]
        np.testing.assert_allclose([low, high], expected, atol=0.15 * spread)


def test_one_image_is_its_own_interval(images):
    scores = _scores(images[:1])
    for name, value in scores.figures().items():
        assert scores.intervals()[name] == pytest.approx([value, value])


def test_an_image_without_known_depth_has_no_measures(images):
    scores = _scores([*images, (np.zeros((2, 3)), np.ones((2, 3)))])
    assert scores.figures() == pytest.approx(_measures(images), rel=1e-9)
    assert scores.rows[-1]["num_pixels"] == 0
    assert {scores.rows[-1][name] for name in DEPTH_MEASURES} == {None}
    empty = _scores([(np.zeros((2, 3)), np.ones((2, 3)))])
    assert set(empty.figures().values()) == {0}
    assert empty.intervals()["mae"] == [0, 0]
