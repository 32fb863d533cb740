import numpy as np
import pytest

from tfcolor.metrics.flicker import Flicker

HEIGHT, WIDTH = 7, 9


def reference(before, after, flow, is_trusted, tolerance):
    """The definition, pixel by pixel."""
    changes = []
    for row in range(HEIGHT):
        for column in range(WIDTH):
            y, x = row + flow[row, column, 0], column + flow[row, column, 1]
            if not is_trusted[row, column] or not (0 <= y <= HEIGHT - 1 and 0 <= x <= WIDTH - 1):
                continue
            top, left = min(int(y), HEIGHT - 2), min(int(x), WIDTH - 2)
            down, right = y - top, x - left
            found = (
                (1 - down) * (1 - right) * after[top, left]
                + (1 - down) * right * after[top, left + 1]
                + down * (1 - right) * after[top + 1, left]
                + down * right * after[top + 1, left + 1]
            )
            own = before[row, column]
            if abs(found.mean() - own.mean()) <= tolerance:
                difference = (found - found.mean()) - (own - own.mean())
                changes.append(255 * np.sqrt((difference**2).sum()))
    return np.mean(changes), len(changes)


@pytest.fixture
def pair():
    numbers = np.random.default_rng(0)
    before, after = numbers.uniform(0.3, 0.7, (2, HEIGHT, WIDTH, 3))
    flow = numbers.normal(0, 1.5, (HEIGHT, WIDTH, 2))
    return before, after, flow, numbers.random((HEIGHT, WIDTH)) < 0.8


def test_flicker_is_the_mean_change_along_the_flow(pair):
    metric = Flicker(tolerance=0.1)
    metric.update(*pair)
    expected, count = reference(*pair, 0.1)
    assert 10 < count < HEIGHT * WIDTH
    np.testing.assert_allclose(metric.result(), expected)


def test_pairs_count_by_their_pixels(pair):
    before, _, flow, is_trusted = pair
    other = before, before[::-1], flow, ~is_trusted
    metric = Flicker(tolerance=0.1)
    metric.update(*pair)
    metric.update(*other)
    (first, count), (second, other_count) = reference(*pair, 0.1), reference(*other, 0.1)
    expected = (first * count + second * other_count) / (count + other_count)
    np.testing.assert_allclose(metric.result(), expected)


def test_colors_that_move_with_the_picture_do_not_flicker():
    before = np.random.default_rng(1).random((HEIGHT, WIDTH, 3))
    flow = np.broadcast_to([2.0, -1.0], (HEIGHT, WIDTH, 2))
    after = np.roll(before, (2, -1), axis=(0, 1))
    metric = Flicker()
    metric.update(before, after, flow, np.ones((HEIGHT, WIDTH), bool))
    assert metric.result() < 1e-9


def test_light_that_flickers_does_not_count_as_color():
    before = np.random.default_rng(2).uniform(0.3, 0.6, (HEIGHT, WIDTH, 3))
    still = np.zeros((HEIGHT, WIDTH, 2)), np.ones((HEIGHT, WIDTH), bool)
    metric = Flicker()
    metric.update(before, before + 0.015, *still)
    assert metric.result() < 1e-9


def test_what_changes_its_lightness_is_left_out():
    before = np.full((HEIGHT, WIDTH, 3), 0.5)
    after = before + np.array([0.3, 0.3, 0.1])
    metric = Flicker()
    metric.update(before, after, np.zeros((HEIGHT, WIDTH, 2)), np.ones((HEIGHT, WIDTH), bool))
    assert np.isnan(metric.result())


def test_shapes_must_fit(pair):
    before, after, flow, is_trusted = pair
    with pytest.raises(ValueError, match=r"\(7, 8, 3\).*expected \[H, W, 3\]"):
        Flicker().update(before, after[:, 1:], flow, is_trusted)
