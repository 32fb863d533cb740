import itertools

import mpmath
import numpy as np
import pytest
import tensorflow as tf

from tfcolor.losses.alpha_beta import alpha_beta_divergence, alpha_beta_terms

P, Q = np.array([1, 2, 0.5]), np.array([2, 1, 0.5 * np.e])
# Goldens 1 to 3 of section 21 of the specification.
FIVE_CASES = [
    (0, 0, (0.2402265070, 0.2402265070, 0.5), 0.9804530139),
    (1, 0, (0.3068528194, 0.3862943611, 0.3591409142), 1.0522880948),
    (0.25, 0, (0.2547251178, 0.2698683954, 0.4577896147), 0.9823831279),
    (0, 1, (0.3862943611, 0.3068528194, 0.5), 1.1931471806),
    (1, -1, (0.1931471806, 0.3068528194, 0.3678794412), 0.8678794412),
    (-0.5, 0.5, (0.2705598884, 0.2147214859, 0.5948850828), 1.0801664570),
    (0.5, 0.5, (0.3431457505, 0.3431457505, 0.4208392871), 1.1071307881),
    (2, -1, (0.25, 0.5, 0.2715403174), 1.0215403174),
    (0.25, 0.75, (0.3637715706, 0.3242287200, 0.4578969460), 1.1458972366),
]
GRADIENTS = [
    (0, 0, 1.0589304647, -1.4552872326),
    (0.25, 0, 1.2389381333, -1.6055311749),
    (0, 0.25, 1.0975708871, -1.3311384531),
    (0.5, -0.5, 1.3702122469, -2.1403933561),
    (0.5, 0.5, 1.6034493015, -1.4982753492),
    (2, -1, 3.7785714286, -6.0785714286),
]
SIZES = (0, 1e-8, 1e-4, 1e-2, 0.25, 1, 2)
GRID = sorted({sign * size for sign in (-1, 1) for size in SIZES})
NEARLY_INVARIANT = [
    (alpha, distance - alpha) for alpha in (-1, 0.25, 2) for distance in (-1e-4, -1e-8, 1e-8, 1e-4)
]
# Around the limits of the series, whose reach is 1/4 over the spread of the exponents.
DIFFERENCES = (1e-6, 1e-4, 1e-2, 0.06, 0.0624, 0.126, 0.24, 0.26, 1, 3, 8)
DUALITIES = [(0.25, 0), (1, -1), (0.3, 0.7), (-0.5, 1e-7), (2, -1.999), (0, 0)]


def _differentiated(log_p, log_q, alpha, beta):
    """Returns the terms and their gradient with respect to log q."""
    log_q = tf.constant(log_q)
    with tf.GradientTape() as tape:
        tape.watch(log_q)
        terms = alpha_beta_terms(tf.constant(log_p), log_q, alpha, beta)
    return terms.numpy(), tape.gradient(terms, log_q).numpy()


def _exact(alpha, beta, log_p, log_q):
    """Returns equation 4.6 and its derivative as printed, with 100 digits."""
    alpha, beta, u, v = (mpmath.mpf(float(one)) for one in (alpha, beta, log_p, log_q))
    s, difference, exp = alpha + beta, u - v, mpmath.exp
    if alpha == beta == 0:
        term = difference**2 / 2
    elif alpha == 0:
        term = (exp(beta * v) * beta * (v - u) - exp(beta * v) + exp(beta * u)) / beta**2
    elif beta == 0:
        term = (exp(alpha * u) * alpha * difference - exp(alpha * u) + exp(alpha * v)) / alpha**2
    elif s == 0:
        term = (-alpha * difference + exp(alpha * difference) - 1) / alpha**2
    else:
        term = exp(alpha * u + beta * v) - alpha / s * exp(s * u) - beta / s * exp(s * v)
        term /= -alpha * beta
    slope = (exp(alpha * difference) - 1) / alpha if alpha else difference
    return term, -exp(s * v) * slope


@pytest.mark.parametrize(("alpha", "beta", "elements", "total"), FIVE_CASES)
def test_five_cases(alpha, beta, elements, total):
    terms = alpha_beta_terms(np.log(P), np.log(Q), alpha, beta)
    np.testing.assert_allclose(terms, elements, rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(tf.reduce_sum(terms), total, rtol=1e-6)
    mean = alpha_beta_divergence(np.log(P), np.log(Q), alpha, beta)
    np.testing.assert_allclose(mean, total / 3, rtol=1e-6)


@pytest.mark.parametrize(("alpha", "beta", "term", "gradient"), GRADIENTS)
def test_gradients(alpha, beta, term, gradient):
    found = _differentiated([np.log(3)], [np.log(0.7)], alpha, beta)
    np.testing.assert_allclose(found, [[term], [gradient]], rtol=1e-6)


def test_near_limits_and_range():
    log_p, log_q = np.float32(np.log([3.0])), np.float32(np.log([0.7]))
    near = {(0.25, 1e-4): 1.238955821, (1e-4, 1e-4): 1.059009035, (1e-4, -1e-4): 1.058981835}
    for (alpha, beta), expected in near.items():
        terms = alpha_beta_terms(log_p, log_q, alpha, beta)
        np.testing.assert_allclose(terms, [expected], rtol=1e-6)
    np.testing.assert_allclose(alpha_beta_terms([120.0], [118.0], 1, -1), [4.3890560989], rtol=1e-6)
    np.testing.assert_allclose(alpha_beta_terms([120.0], [118.0], 0, 0), [2.0])
    for factor in (1, 5):
        logs = np.log([3.0 * factor]), np.log([0.7 * factor])
        np.testing.assert_allclose(alpha_beta_terms(*logs, 1, -1), [1.8304270531])
        scaled = 2.0658616978 * factor
        np.testing.assert_allclose(alpha_beta_terms(*logs, 1, 0), [scaled], rtol=1e-9)


def test_agrees_with_a_hundred_digits_in_and_around_every_limit():
    random_numbers = np.random.default_rng(0)
    differences = np.outer(DIFFERENCES, (1, -1)).ravel()
    worst = 0.0
    with mpmath.workdps(100):
        for alpha, beta in [*itertools.product(GRID, GRID), *NEARLY_INVARIANT]:
            chosen = random_numbers.choice(differences, 6, replace=False)
            log_q = random_numbers.uniform(-2, 2, 6).astype(np.float32)
            log_p = (log_q + chosen).astype(np.float32)
            found = np.array(_differentiated(log_p, log_q, alpha, beta))
            exact = [_exact(alpha, beta, *pair) for pair in zip(log_p, log_q, strict=True)]
            exact = np.array(exact, np.float64).T
            powers = np.abs([(alpha + beta) * log_p, (alpha + beta) * log_q])
            is_in_range = powers.max(axis=0) < 30
            worst = max(worst, np.abs(found / exact - 1)[:, is_in_range].max())
    assert worst < 1e-5


@pytest.mark.parametrize(("alpha", "beta"), DUALITIES)
def test_dualities(alpha, beta):
    u, v = np.random.default_rng(1).normal(0, 2, (2, 50))
    terms = alpha_beta_terms(u, v, alpha, beta)
    np.testing.assert_allclose(alpha_beta_terms(v, u, beta, alpha), terms, rtol=1e-10)
    np.testing.assert_allclose(alpha_beta_terms(-u, -v, -alpha, -beta), terms, rtol=1e-10)
    shifted = alpha_beta_terms(u + 3, v + 3, alpha, beta)
    np.testing.assert_allclose(shifted, np.exp(3 * (alpha + beta)) * terms, rtol=1e-10)


@pytest.mark.parametrize(("alpha", "beta"), [*DUALITIES, (-3, -2)])
def test_is_zero_exactly_where_both_are_equal(alpha, beta):
    v = np.float32([-300, -7, 0, 0.1, 4, 1000])
    terms, gradient = _differentiated(v, v, alpha, beta)
    np.testing.assert_array_equal(terms, 0)
    np.testing.assert_array_equal(gradient, 0)
    above = np.nextafter(v, np.float32(np.inf))
    is_different = above**2 > 0  # the square of the least float32 is 0
    assert np.all(alpha_beta_terms(above, v, alpha, beta).numpy()[is_different] > 0)


@pytest.mark.parametrize(("alpha", "beta"), [*DUALITIES, (-3, -2), (2, 2), (2, 1)])
def test_the_ends_of_the_range_are_finite(alpha, beta):
    ends = np.float32([-1e4, -200, 0, 200, 1e4])
    u, v = (one.ravel() for one in np.meshgrid(ends, ends))
    terms, gradient = _differentiated(u, v, alpha, beta)
    assert np.all(np.isfinite(terms))
    assert np.all(np.isfinite(gradient))
    assert np.all(terms[u != v] > 0)
    # Downhill is where the teacher is.
    np.testing.assert_array_equal(np.sign(gradient), np.sign(v - u))


def test_an_absent_class_costs_its_measure():
    """Golden 4, where p = (0, 1): e^-40 in its place."""
    logs = np.float32([-40, 0]), np.log(np.float32([0.3, 0.7]))
    np.testing.assert_allclose(sum(alpha_beta_terms(*logs, 1, 0)), 0.3566749439, rtol=1e-5)


def test_gradient_agrees_with_a_numerical_one_and_none_reaches_the_teacher():
    u, v = tf.constant(np.random.default_rng(2).normal(size=(2, 2, 3)))
    for alpha, beta in DUALITIES[:3]:
        actual, numerical = tf.test.compute_gradient(
            lambda z, a=alpha, b=beta: alpha_beta_divergence(u, z, a, b), [v]
        )
        np.testing.assert_allclose(actual[0], numerical[0], atol=1e-5)
    with tf.GradientTape() as tape:
        tape.watch(u)
        loss = alpha_beta_divergence(u, v, 0.25, 0.0)
    assert tape.gradient(loss, u) is None


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_narrow_numbers_are_widened(dtype):
    teacher, student = tf.cast(np.random.default_rng(3).normal(size=(2, 3, 5)), dtype)
    actual = alpha_beta_divergence(teacher, student, 0.25, 0.5)
    assert actual.dtype == tf.float32
    wide = tf.cast(teacher, tf.float32), tf.cast(student, tf.float32)
    np.testing.assert_array_equal(actual, alpha_beta_divergence(*wide, 0.25, 0.5))
