import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf

from tfcolor.layers.unit_mixture import (
    UnitMixture,
    mix_maps,
    proximal_step,
    sparse_rows,
    unit_rows,
)

NUM_UNITS = 23
PENALTY = 0.01


def _double(values):
    return tf.constant(values, tf.float64)


# Golden 10 of spec/pretext.md.


def test_golden_row_and_its_gradient():
    raw = _double([3, -4])
    with tf.GradientTape() as tape:
        tape.watch(raw)
        row = unit_rows(raw)
    np.testing.assert_allclose(row, [0.6, -0.8], rtol=1e-15)
    assert float(tf.reduce_sum(tf.abs(row))) == pytest.approx(1.4)
    np.testing.assert_allclose(tape.gradient(row, raw, _double([1, 0])), [0.128, 0.096])


def test_golden_proximal_step():
    found = proximal_step(_double([0.6, -0.8]), _double([1, 0]), 0.1, 0.5)
    np.testing.assert_allclose(found, [0.514496, -0.857493], atol=1e-6)


def test_golden_mixture():
    units = [_double(one) for one in ((1, 2), (3, -1), (0, 5))]
    rows = unit_rows(_double([[2, 1, 2], [0, -1, 0]]))
    np.testing.assert_allclose(mix_maps(units, rows[0]), [1.666667, 4.333333], atol=1e-6)
    np.testing.assert_allclose(mix_maps(units, rows[1]), [-3, 1], atol=1e-12)
    assert float(tf.reduce_sum(tf.abs(rows))) == pytest.approx(2.666667)


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_golden_flat_row(rate):
    row = UnitMixture(NUM_UNITS, PENALTY, rate).weights_of_units
    np.testing.assert_allclose(row, np.full(NUM_UNITS, 0.208514), atol=1e-6)
    assert float(tf.reduce_sum(tf.abs(row))) == pytest.approx(4.795832)


def test_gradient_by_raw_rows_is_that_of_the_paper():
    random = np.random.default_rng(0)
    raw, gradient = random.normal(size=(2, 4, 7))
    with tf.GradientTape() as tape:
        variable = tf.Variable(raw)
        rows = unit_rows(variable)
    row = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    along = np.sum(row * gradient, axis=1, keepdims=True)
    expected = (gradient - row * along) / np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(tape.gradient(rows, variable, _double(gradient)), expected)


def test_a_row_of_which_nothing_is_left_keeps_its_largest_weight():
    weights = _double([[0.6, -0.8, 0.0], [0.0, 0.6, 0.8]])
    gradient = _double([[0.0, 0.0, 0.0], [0.0, 0.0, -8.0]])
    found = proximal_step(weights, gradient, 0.5, 2.0)
    np.testing.assert_array_equal(found[0], [0, -1, 0])
    np.testing.assert_array_equal(found[1], [0, 0, 1])


def test_reported_rows_have_exact_zeros_and_unit_length():
    weights = _double([[0.6, 5e-4, -0.8, -9e-4], [0.5, -0.5, 0.5, 0.5]])
    found = sparse_rows(weights).numpy()
    np.testing.assert_array_equal(found == 0, [[False, True, False, True], [False] * 4])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(found[0], [0.6, 0, -0.8, 0], rtol=1e-12)
    np.testing.assert_array_equal(sparse_rows(weights, 0.9)[0], [0, 0, -1, 0])


@pytest.fixture(scope="module")
def problem():
    """Correlated units of which three make the target: (A, b) of w A w / 2 - b w."""
    random = np.random.default_rng(4)
    units = np.cumsum(random.normal(size=(200, NUM_UNITS)), axis=1) / 3 + random.normal(
        size=(200, NUM_UNITS)
    )
    truth = np.zeros(NUM_UNITS)
    truth[[2, 9, 20]] = 0.6, -0.5, 0.624
    target = units @ truth / np.linalg.norm(truth) + 0.3 * random.normal(size=200)
    scale = np.square(units).mean()
    return units.T @ units / 200 / scale, units.T @ target / 200 / scale


def _objective(problem, weights):
    quadratic, linear = problem
    smooth = weights @ quadratic @ weights / 2 - linear @ weights
    return smooth + PENALTY * np.abs(weights).sum()


@pytest.fixture(scope="module")
def solution(problem):
    """The best of many starts of SLSQP, with positive and negative parts as variables."""
    quadratic, linear = problem

    def value(parts):
        weights = parts[:NUM_UNITS] - parts[NUM_UNITS:]
        return weights @ quadratic @ weights / 2 - linear @ weights + PENALTY * parts.sum()

    def gradient(parts):
        slope = quadratic @ (parts[:NUM_UNITS] - parts[NUM_UNITS:]) - linear
        return np.concatenate([slope, -slope]) + PENALTY

    def length(parts):
        return np.sum((parts[:NUM_UNITS] - parts[NUM_UNITS:]) ** 2) - 1

    random, found = np.random.default_rng(1), []
    for _ in range(12):
        start = random.normal(size=NUM_UNITS)
        start = np.concatenate([start.clip(0), (-start).clip(0)]) / np.linalg.norm(start)
        result = scipy.optimize.minimize(
            value,
            start,
            jac=gradient,
            bounds=[(0, None)] * (2 * NUM_UNITS),
            constraints={"type": "eq", "fun": length},
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-13},
        )
        found.append(result.x[:NUM_UNITS] - result.x[NUM_UNITS:])
    return min(found, key=lambda weights: _objective(problem, weights))


def _by_proximal_steps(problem, num_steps=4000):
    quadratic, linear = (_double(one) for one in problem)
    rate = 0.9 / float(np.linalg.eigvalsh(problem[0])[-1])

    @tf.function
    def descend(weights):
        for _ in tf.range(num_steps):
            gradient = tf.linalg.matvec(quadratic, weights) - linear
            weights = proximal_step(weights, gradient, rate, PENALTY)
            weights.set_shape([NUM_UNITS])
        return weights

    return descend(tf.fill([NUM_UNITS], _double(NUM_UNITS**-0.5))).numpy()


def test_proximal_zeros_are_those_of_an_independent_solver(problem, solution):
    found = _by_proximal_steps(problem)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-12)
    assert _objective(problem, found) <= _objective(problem, solution) + 1e-7
    np.testing.assert_array_equal(found == 0, np.abs(solution) < 1e-5)
    np.testing.assert_allclose(found, solution, atol=1e-4)
    assert np.count_nonzero(found) < 10
    assert {2, 9, 20} <= {*np.flatnonzero(found)}


def test_reparametrized_rows_reach_the_same_support_without_a_zero(problem, solution):
    quadratic, linear = (tf.cast(one, tf.float32) for one in problem)
    mixture = UnitMixture(NUM_UNITS, PENALTY)
    optimizer = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(0.01, 3000))
    optimizer.build([mixture.mixing_row])

    @tf.function
    def descend():
        for _ in tf.range(3000):
            with tf.GradientTape() as tape:
                weights = mixture.weights_of_units
                smooth = tf.tensordot(weights, tf.linalg.matvec(quadratic, weights) / 2 - linear, 1)
                loss = smooth + tf.add_n(mixture.losses)
            gradient = tape.gradient(loss, mixture.mixing_row)
            optimizer.apply_gradients([(gradient, mixture.mixing_row)])

    descend()
    weights = mixture.weights_of_units.numpy().astype(np.float64)
    assert _objective(problem, weights) < _objective(problem, solution) + 1e-4
    assert np.all(weights != 0)
    reported = sparse_rows(_double(weights), 3e-3).numpy()
    np.testing.assert_array_equal(reported == 0, np.abs(solution) < 1e-5)


def test_layer_starts_flat_and_mixes_maps_of_the_compute_dtype():
    mixture = UnitMixture(3, 0.5)
    maps = [tf.random.normal([2, 4, 5, 7]) for _ in range(3)]
    np.testing.assert_allclose(mixture(maps), sum(maps) / np.sqrt(3), rtol=1e-5, atol=1e-6)
    assert mixture([tf.cast(one, tf.bfloat16) for one in maps]).dtype == tf.bfloat16
    (loss,) = mixture.losses
    assert float(loss) == pytest.approx(0.5 * np.sqrt(3))
    assert [one.name for one in mixture.trainable_variables] == ["mixing_row:0"]


def test_penalty_moves_the_direction_and_not_the_length():
    mixture = UnitMixture(2, 1.0)
    mixture.mixing_row.assign([3.0, -4.0])
    with tf.GradientTape() as tape:
        loss = tf.add_n(mixture.losses)
    gradient = tape.gradient(loss, mixture.mixing_row).numpy()
    assert abs(gradient @ [3.0, -4.0]) < 1e-6
    assert np.abs(gradient).max() > 0.01


def test_wrong_numbers_of_units_are_errors():
    with pytest.raises(ValueError, match="num_units=0; expected at least 1"):
        UnitMixture(0, 0.1)
    with pytest.raises(ValueError, match="got 2 maps for 3 weights"):
        mix_maps([tf.zeros([1, 2, 2, 1])] * 2, tf.zeros([3]))


def test_a_row_with_a_rate_has_no_loss_and_steps_proximally():
    mixture = UnitMixture(3, 0.5, rate=0.2)
    assert not mixture.losses
    mixture.mixing_row.assign([0.6, 0.0, -0.8])
    np.testing.assert_allclose(mixture.weights_of_units, [0.6, 0.0, -0.8])
    gradient = tf.constant([0.1, 0.05, -0.3])
    # A loss times 2 has twice the penalty.
    expected = proximal_step(mixture.weights_of_units, gradient, 0.2, 1.0)
    np.testing.assert_allclose(mixture.stepped(gradient, 2.0), expected)
    assert expected[1] == 0 and float(tf.norm(expected)) == pytest.approx(1)
    np.testing.assert_allclose(mixture.stepped(gradient * np.inf), [0.6, 0.0, -0.8])
