import time

import numpy as np
import pytest
from scipy.special import softmax

from tfcolor.core.errors import UsageError
from tfcolor.inference.hint_field import HintOptions, pinned_bias, spread


def _scene(height=7, width=5, channels=3, seed=0):
    random_numbers = np.random.default_rng(seed)
    features = random_numbers.normal(0, 0.1, (height, width, channels)).astype(np.float32)
    lightness = random_numbers.uniform(0, 0.1, (height, width)).astype(np.float32)
    return features, lightness


def _two_halves(height=20, width=24):
    """Two regions of different features and equal lightness, with a little noise."""
    features, lightness = _scene(height, width)
    features[:, width // 2 :] += 10.0
    return features, 0 * lightness


def _dense_solution(features, lightness, cells, biases, options):
    """Minimizes the energy of the module's docstring with a dense matrix."""
    height, width, _ = features.shape
    unit = features - features.mean(axis=(0, 1))
    unit /= np.sqrt(np.mean(np.sum(unit**2, axis=-1)))
    light = (lightness - lightness.mean()) / lightness.std()
    looks = np.concatenate([unit, light[..., None]], axis=-1)
    matrix = options.decay * np.eye(height * width)
    for i in np.ndindex(height, width):
        for j in np.ndindex(height, width):
            if i < j and max(abs(i[0] - j[0]), abs(i[1] - j[1])) == 1:
                distance = np.sum((looks[i] - looks[j]) ** 2)
                weight = np.exp(-distance / (2 * options.similarity**2))
                pair = np.zeros(height * width)
                pair[i[0] * width + i[1]], pair[j[0] * width + j[1]] = 1, -1
                matrix += weight * np.outer(pair, pair)
    free = np.setdiff1d(np.arange(height * width), cells)
    field = np.zeros((height * width, biases.shape[1]))
    field[cells] = biases
    right = -matrix[np.ix_(free, cells)] @ biases
    field[free] = np.linalg.solve(matrix[np.ix_(free, free)], right)
    return field.reshape(height, width, -1)


@pytest.mark.parametrize("cells", [[11], [3, 0, 34]])
def test_field_is_the_minimum_of_the_energy(cells):
    options = HintOptions(similarity=0.7, decay=0.02)
    features, lightness = _scene()
    biases = np.random.default_rng(1).uniform(0, 9, (len(cells), 4))
    biases[:, 2] = 0
    field = spread(features, lightness, np.array(cells), biases, options)
    expected = _dense_solution(features, lightness, cells, biases, options)
    # The features are float32.
    np.testing.assert_allclose(field, expected, atol=1e-5)
    np.testing.assert_array_equal(field.reshape(35, 4)[cells], biases)
    assert expected[..., 0].std() > 0.1


def test_hints_add_up():
    features, lightness = _scene()
    cells = np.array([2, 20, 33])
    first, second = np.random.default_rng(2).uniform(0, 9, (2, 3, 2))
    both = spread(features, lightness, cells, first + 2 * second, HintOptions())
    parts = [spread(features, lightness, cells, part, HintOptions()) for part in (first, second)]
    np.testing.assert_allclose(both, parts[0] + 2 * parts[1], atol=1e-10)


def test_a_hint_stops_where_the_features_change():
    features, lightness = _two_halves()
    field = spread(features, lightness, np.array([5 * 24 + 4]), np.array([[8.0]]), HintOptions())
    assert field[:, :12].min() > 6
    assert field[:, 12:].max() < 0.01


def test_a_hint_fades_with_distance():
    flat = np.zeros((3, 60, 2), np.float32)
    cells, biases = np.array([60]), np.array([[1.0]])
    far = spread(flat, flat[..., 0], cells, biases, HintOptions(decay=1e-6))[1, :, 0]
    near = spread(flat, flat[..., 0], cells, biases, HintOptions(decay=0.05))[1, :, 0]
    assert np.all(np.diff(near) < 0)
    assert near[-1] < 1e-3 < 0.99 < far[-1]


def test_every_cell_may_be_pinned_and_no_bias_stays_none():
    features, lightness = _scene(2, 3)
    biases = np.arange(12.0).reshape(6, 2)
    field = spread(features, lightness, np.arange(6), biases, HintOptions())
    np.testing.assert_array_equal(field.reshape(6, 2), biases)
    nothing = spread(features, lightness, np.array([1]), np.zeros((1, 2)), HintOptions())
    np.testing.assert_array_equal(nothing, np.zeros((2, 3, 2)))


def test_pinned_histograms_are_nearly_all_color():
    random_numbers = np.random.default_rng(0)
    probs = random_numbers.dirichlet(np.full(6, 0.3), 4)
    colors = random_numbers.dirichlet(np.full(6, 0.3), 4)
    colors[3] = 0
    pinned = softmax(np.log(probs) + pinned_bias(probs, colors), axis=-1)
    np.testing.assert_allclose(pinned[:3], 0.99 * colors[:3] + 0.01 * probs[:3], atol=1e-10)
    np.testing.assert_allclose(pinned[3], probs[3])
    assert np.all(np.isfinite(pinned_bias(np.eye(6)[:4], colors)))


def test_a_photograph_is_solved_in_interactive_time():
    """512x512 pixels are 128x128 cells; the second photograph has no edges."""
    random_numbers = np.random.default_rng(0)
    textured = random_numbers.uniform(0, 1, (128, 128, 64)).astype(np.float32)
    for features in (textured, np.zeros_like(textured)):
        start = time.process_time()
        spread(features, features[..., 0], np.array([40, 9000]), np.ones((2, 4)), HintOptions())
        assert time.process_time() - start < 1


def test_bounds_of_the_options():
    with pytest.raises(UsageError, match=r"--hint_decay=0\.0: expected at least"):
        HintOptions(decay=0.0)
