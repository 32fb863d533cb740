"""The alpha-beta divergence between unnormalized measures, from their logarithms."""

import math
from collections.abc import Callable

import tensorflow as tf

MAX_EXPONENT = 30.0
"""Powers of the measures are kept within e^-30 and e^30."""

_NEAR = 0.25
"""Largest spread of three exponents for which the series is used."""
_DEGREE = 6


def alpha_beta_divergence(
    teacher: tf.Tensor, student: tf.Tensor, alpha: float, beta: float
) -> tf.Tensor:
    """Returns the alpha-beta divergence of two measures per feature.

    At (1/T, 0) it is the generalized Kullback-Leibler divergence of the T-th
    roots of the measures times T^2, at (0, 0) half the squared distance of the
    logarithms. `(alpha, alpha)` is symmetric and `(alpha, -alpha)` does not
    change if a constant is added to both sides.

    Args:
      teacher: float [..., C], u = log p.
      student: float [..., C], v = log q.
      alpha: any number.
      beta: any number.

    Returns:
      float32 [...] (float64 for a float64 student), the mean of
      `alpha_beta_terms` over C: not negative, 0 only where u = v.

    Example:
      >>> alpha_beta_divergence([1.0, 2.0], [2.0, 0.0], 0.0, 0.0).numpy().item()
      1.25

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, equations 4.5 and 4.7.
    """
    return tf.reduce_mean(alpha_beta_terms(teacher, student, alpha, beta), axis=-1)


def alpha_beta_terms(
    teacher: tf.Tensor, student: tf.Tensor, alpha: float, beta: float
) -> tf.Tensor:
    """Returns the alpha-beta divergence of each pair of elements.

    All five cases of the definition are one function without a special case: a
    divided difference of exp, the mean slope between points of the curve. With
    D = u - v,

      d(u, v) = D^2 exp[(alpha + beta) v, alpha u + beta v, (alpha + beta) u]
      dd/dv = -D exp[(alpha + beta) v, alpha u + beta v]

    where exp[a, a, ...] is the limit for equal points: a derivative. Both are
    computed without cancellation for every alpha and beta. No gradient reaches
    the teacher.

    Args:
      teacher: float [...], u = log p, finite.
      student: float [...], v = log q, finite. Types narrower than float32 are
        widened first.
      alpha: any number.
      beta: any number.

    Returns:
      float32 [...] (float64 for a float64 student). Beyond e^30 the powers of p
      and q count as e^30.

    Example:
      >>> alpha_beta_terms([120.0], [118.0], 1.0, -1.0).numpy().item()
      4.389...

    References:
      Larsson, 2017, equation 4.6. Cichocki, Cruces, Amari. Generalized
      Alpha-Beta Divergences and Their Application to Robust Nonnegative Matrix
      Factorization. Entropy 13, 2011.
    """
    student = tf.convert_to_tensor(student)
    student = student if student.dtype == tf.float64 else tf.cast(student, tf.float32)
    teacher = tf.stop_gradient(tf.cast(teacher, student.dtype))

    @tf.custom_gradient
    def divergence(log_q: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        difference = teacher - log_q
        base = (alpha + beta) * log_q

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return -upstream * difference * _slope(base, difference, alpha)

        return difference**2 * _bend(base, difference, alpha, alpha + beta), gradient

    return divergence(student)


def _slope(base: tf.Tensor, difference: tf.Tensor, factor: float) -> tf.Tensor:
    """Returns exp[base, base + factor * difference], the first divided difference."""
    scale = _clipped_exp(base + tf.nn.relu(factor * difference))
    return scale * _mean_decay(tf.abs(factor * difference))


def _bend(base: tf.Tensor, difference: tf.Tensor, first: float, second: float) -> tf.Tensor:
    """Returns the second divided difference of exp.

    Its points are `base`, `base + first * difference` and `base + second *
    difference`. The largest is factored out: `below` and `furthest` are how far
    the others lie below it.
    """
    low, middle, high = sorted((0.0, first, second))
    is_ahead = difference >= 0
    scale = _clipped_exp(base + tf.where(is_ahead, high * difference, low * difference))
    distance = tf.abs(difference)
    below = tf.where(is_ahead, (high - middle) * distance, (middle - low) * distance)
    furthest = (high - low) * distance
    series = _bend_series(-below, -furthest)
    # Both slopes are exact to rounding, and different enough to be subtracted.
    lower_slope = tf.exp(-below) * _mean_decay(tf.nn.relu(furthest - below))
    quotient = (_mean_decay(below) - lower_slope) / tf.maximum(furthest, _NEAR)
    return scale * tf.where(furthest < _NEAR, series, quotient)


def _bend_series(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Returns exp[0, first, second] for points close to 0.

    The k-th term is the sum of all products of k points over (k + 2)!.
    """
    power = products = tf.ones_like(first)
    total = products / 2
    for degree in range(1, _DEGREE + 1):
        power = first * power
        products = power + second * products
        total += products / math.factorial(degree + 2)
    return total


def _mean_decay(distance: tf.Tensor) -> tf.Tensor:
    """Returns the mean of exp over [-distance, 0], 1 where the distance is 0."""
    positive = tf.where(distance > 0, distance, tf.ones_like(distance))
    return tf.where(distance > 0, -tf.math.expm1(-positive) / positive, tf.ones_like(distance))


def _clipped_exp(exponent: tf.Tensor) -> tf.Tensor:
    """Returns exp, neither overflowing nor vanishing."""
    return tf.exp(tf.clip_by_value(exponent, -MAX_EXPONENT, MAX_EXPONENT))
