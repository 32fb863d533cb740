"""Histogram transfer: moving predicted colors to a known distribution of colors.

Two ways: `quantile_transfer` remaps colors, `fit_bias` biases predicted
histograms. NumPy and SciPy in float64.
"""

import numpy as np
import scipy.optimize
import scipy.special
from numpy.typing import ArrayLike

_FLOOR = 1e-12
"""The least predicted probability: a bias moves no mass into a bin that has none."""

_SUM_TOLERANCE = 1e-3
"""How far a histogram's sum may be from 1, enough for sums of float32 or float16."""


def chi_square(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Returns the symmetric chi-square distance of histograms.

    Args:
      first: float [..., K], not negative.
      second: float [..., K], not negative.

    Returns:
      float64 [...], `1/2 sum (p - q)^2 / (p + q)`, where an empty bin of both
      counts 0; in [0, 1] for histograms that sum to 1.

    Example:
      >>> chi_square([0.5, 0.5, 0.0], [0.0, 0.5, 0.5]).item()
      0.5
    """
    p, q = np.asarray(first, np.float64), np.asarray(second, np.float64)
    total = p + q
    return 0.5 * np.sum((p - q) ** 2 / np.where(total > 0, total, 1), axis=-1)


def apply_bias(probs: ArrayLike, bias: ArrayLike) -> np.ndarray:
    """Returns the histograms `softmax(log p + b)`.

    Args:
      probs: float [..., K], histograms that sum to 1; zeros count as 1e-12.
      bias: float [K], defined up to a constant.

    Returns:
      float64 [..., K], each sums to 1.

    Example:
      >>> apply_bias([0.25, 0.75], np.log([3.0, 1.0])).round(6).tolist()
      [0.5, 0.5]
    """
    return scipy.special.softmax(_floored_log(probs) + np.asarray(bias), axis=-1)


def transfer_energy(
    bias: ArrayLike, probs: ArrayLike, target: ArrayLike, weight: float
) -> tuple[float, np.ndarray]:
    """Returns what `fit_bias` minimizes, and its gradient.

    With `p*_n = softmax(log p_n + b)`, this is the mean divergence of the biased
    histograms from the predicted, plus the distance of their mean from the target:
    `E(b) = mean_n KL(p*_n || p_n) + weight * chi2(mean_n p*_n, t)`.

    Args:
      bias: float [K], b; a constant added to it changes nothing.
      probs: float [N, K], predicted histograms that sum to 1; zeros count as 1e-12.
      target: float [K], t, the histogram to reach, sums to 1.
      weight: of the distance from the target, not negative.

    Returns:
      (energy, gradient): a number, and float64 [K], which sums to 0.

    Raises:
      ValueError: if shapes disagree, or something is no histogram.

    References:
      Larsson, Maire, Shakhnarovich. Learning Representations for Automatic
      Colorization. ECCV 2016; eq. 2.6 of the first author's dissertation.
    """
    probs, target = _checked(probs, target, weight)
    return _energy(np.asarray(bias, np.float64), _floored_log(probs), target, weight)


def fit_bias(
    probs: ArrayLike,
    target: ArrayLike,
    *,
    weight: float = 10.0,
    max_samples: int = 20_000,
    seed: int = 0,
) -> np.ndarray:
    """Returns the bias that brings predicted histograms closest to a target.

    A minimum of `transfer_energy`, found from a bias of zero. `apply_bias` applies
    it.

    Args:
      probs: float [N, K], predicted histograms that sum to 1; zeros count as 1e-12.
      target: float [K], the histogram to reach, sums to 1.
      weight: of the distance from the target, not negative; 0 gives no bias.
      max_samples: how many of the N histograms are used; more are sub-sampled.
      seed: chooses the sample.

    Returns:
      float64 [K], with mean 0.

    Raises:
      ValueError: if shapes disagree, or something is no histogram.

    References:
      Eq. 2.6, as `transfer_energy`.
    """
    probs, target = _checked(probs, target, weight)
    if len(probs) > max_samples:
        probs = probs[np.random.default_rng(seed).choice(len(probs), max_samples, replace=False)]
    problem = (_floored_log(probs), target, weight)
    rough = scipy.optimize.minimize(
        _energy,
        np.zeros(len(target)),
        problem,
        method="trust-exact",
        jac=True,
        hess=_hessian,
        options={"gtol": 1e-7},
    )
    # The energy is flat to rounding before the bias is exact; its gradient is not.
    # The constant that is free would make the equations singular: it is set to 0.
    exact = scipy.optimize.root(
        lambda bias: _energy(bias, *problem)[1] + bias.mean(),
        rough.x - rough.x.mean(),
        jac=lambda bias: _hessian(bias, *problem) + 1 / len(bias),
        tol=1e-12,
    )
    best = min(exact.x, rough.x, key=lambda bias: np.linalg.norm(_energy(bias, *problem)[1]))
    return best - best.mean()


def match_quantiles(source: ArrayLike, target: ArrayLike) -> np.ndarray:
    """Returns values with the order of the source and the distribution of the target.

    The value of mid-rank r among N becomes the target's quantile (r - 1/2) / N.
    Equal values stay equal.

    Args:
      source: float [N].
      target: float [M].

    Returns:
      float64 [N], in the range of the target, the source itself if both agree.

    Raises:
      ValueError: if something is empty, not a vector or not finite.

    Example:
      >>> match_quantiles([3.0, 1.0, 2.0], [10.0, 20.0, 40.0]).tolist()
      [40.0, 10.0, 20.0]
    """
    ordered = np.sort(_finite_vector("target", target))
    quantiles = (np.arange(len(ordered)) + 0.5) / len(ordered)
    return np.interp(_mid_quantiles(source), quantiles, ordered)


def match_to_histogram(source: ArrayLike, edges: ArrayLike, mass: ArrayLike) -> np.ndarray:
    """Returns values with the order of the source and the distribution of a histogram.

    As `match_quantiles`, for a target that is uniform inside each bin.

    Args:
      source: float [N].
      edges: float [K + 1], increasing, finite.
      mass: float [K], the share of each bin, sums to 1.

    Returns:
      float64 [N], in `[edges[0], edges[K]]`.

    Raises:
      ValueError: if something is not finite, `mass` is no histogram, or the edges
        do not increase or do not match it.

    Example:
      >>> match_to_histogram([7.0, 9.0], [0.0, 1.0, 2.0], [0.5, 0.5]).tolist()
      [0.5, 1.5]
    """
    edges, mass = _finite_vector("edges", edges), _checked_histogram("mass", mass)
    if len(edges) != len(mass) + 1 or np.any(np.diff(edges) <= 0):
        raise ValueError(
            f"edges {edges} for {len(mass)} bins: expected {len(mass) + 1} increasing numbers"
        )
    return np.interp(_mid_quantiles(source), np.append(0, np.cumsum(mass)), edges)


class QuantileTransfer:
    """Gives colors the distribution of those of a reference.

    Both images are divided by their lightness, each channel's distribution is
    matched by quantiles, and the source's lightness is multiplied back. What was
    learned from an image holds for the same image at any size.

    Args:
      gray: float [H, W, 1], the lightness of the source, mean of R, G and B.
      rgb: float [H, W, 3], the colors of the source, in [0, 1].
      reference_rgb: float [I, J, 3], an image of any size, in [0, 1].
      eps: added to the lightness that divides and multiplies; tames dark pixels.

    Raises:
      ValueError: if shapes disagree, or something is empty or not finite.

    References:
      Larsson, Maire, Shakhnarovich. Learning Representations for Automatic
      Colorization. ECCV 2016 (histogram transfer by quantile matching).
    """

    def __init__(
        self, gray: np.ndarray, rgb: np.ndarray, reference_rgb: np.ndarray, *, eps: float
    ) -> None:
        reference = np.asarray(reference_rgb, np.float64)
        if reference.ndim != 3 or reference.shape[2] != 3:
            raise ValueError(f"reference_rgb {reference.shape}: expected [I, J, 3]")
        self._eps = eps
        source = self._relative(gray, rgb)
        target = reference / (reference.mean(axis=-1, keepdims=True) + eps)
        self._curves = [
            _quantile_curve(source[..., c].ravel(), target[..., c].ravel()) for c in range(3)
        ]

    def __call__(self, gray: np.ndarray, rgb: np.ndarray) -> np.ndarray:
        """Moves colors.

        Args:
          gray: float [H, W, 1], lightness.
          rgb: float [H, W, 3], colors in [0, 1].

        Returns:
          float64 [H, W, 3], RGB; `rgb` itself if the source was the reference.
          Colors may leave [0, 1] and their mean may leave `gray`; the caller
          brings them back.

        Raises:
          ValueError: if shapes disagree.
        """
        source = self._relative(gray, rgb)
        moved = [np.interp(source[..., c], *self._curves[c]) for c in range(3)]
        return np.stack(moved, axis=-1) * (np.asarray(gray, np.float64) + self._eps)

    def _relative(self, gray: np.ndarray, rgb: np.ndarray) -> np.ndarray:
        """Returns colors divided by lightness, float64 [H, W, 3]."""
        gray, rgb = np.asarray(gray, np.float64), np.asarray(rgb, np.float64)
        if rgb.shape != (*gray.shape[:2], 3) or gray.shape[2:] != (1,):
            raise ValueError(
                f"gray {gray.shape} and rgb {rgb.shape}: expected [H, W, 1] and [H, W, 3]"
            )
        return rgb / (gray + self._eps)


def _quantile_curve(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (values, matched): what `match_quantiles` makes of float64 [N] values."""
    matched = match_quantiles(source, target)
    values, first = np.unique(source, return_index=True)
    return values, matched[first]


def _energy(
    bias: np.ndarray, log_probs: np.ndarray, target: np.ndarray, weight: float
) -> tuple[float, np.ndarray]:
    """Returns the energy and its gradient, given float64 [N, K] logarithms.

    As `KL(p* || p) = p* . b - log Z`, the gradient is the mean over n of
    `p* (c - p* . c)`, with c the sum of b and the weighted derivative of chi2.
    """
    biased = log_probs + bias
    log_sums = scipy.special.logsumexp(biased, axis=1, keepdims=True)
    posteriors = np.exp(biased - log_sums)
    mean = posteriors.mean(axis=0)
    energy = mean @ bias - log_sums.mean() + weight * chi_square(mean, target)
    c = bias + weight * (0.5 - 2 * _shares(target, mean) ** 2)
    gradient = mean * c - posteriors.T @ (posteriors @ c) / len(posteriors)
    return float(energy), gradient


def _hessian(
    bias: np.ndarray, log_probs: np.ndarray, target: np.ndarray, weight: float
) -> np.ndarray:
    """Returns the second derivatives of the energy, float64 [K, K]."""
    posteriors = scipy.special.softmax(log_probs + bias, axis=1)
    mean = posteriors.mean(axis=0)
    shares = _shares(target, mean)
    c = bias + weight * (0.5 - 2 * shares**2)
    slopes = posteriors * (c - (posteriors @ c)[:, None])
    cross = slopes.T @ posteriors / len(posteriors)
    covariance = np.diag(mean) - posteriors.T @ posteriors / len(posteriors)
    curvatures = 4 * weight * shares**2 / np.maximum(mean + target, _FLOOR)
    of_target = covariance @ (curvatures[:, None] * covariance)
    return np.diag(slopes.mean(axis=0)) - cross - cross.T + covariance + of_target


def _shares(target: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Returns `t / (q + t)` of float64 [K] histograms, 0 where both are empty.

    The derivative of chi2 is `1/2 - 2 (t / (q + t))^2`.
    """
    return np.divide(target, mean + target, out=np.zeros_like(target), where=target > 0)


def _floored_log(probs: ArrayLike) -> np.ndarray:
    """Returns the logarithms of float [..., K] histograms that sum to exactly 1."""
    floored = np.maximum(np.asarray(probs, np.float64), _FLOOR)
    return np.log(floored / floored.sum(axis=-1, keepdims=True))


def _mid_quantiles(values: ArrayLike) -> np.ndarray:
    """Returns the quantile at which each of float [N] values stands, float64 [N]."""
    import scipy.stats  # a second to import, which most commands can spare

    ranks = scipy.stats.rankdata(_finite_vector("source", values))
    return (ranks - 0.5) / len(ranks)


def _checked(probs: ArrayLike, target: ArrayLike, weight: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns float [N, K] histograms and the float64 [K] target, once checked."""
    target, probs = _checked_histogram("target", target), np.asarray(probs)
    if probs.ndim != 2 or not len(probs) or probs.shape[1] != len(target):
        raise ValueError(f"probs {probs.shape}: expected [N, {len(target)}], as long as target")
    sums = probs.sum(axis=1, dtype=np.float64)
    if not (np.all(probs >= 0) and np.all(abs(sums - 1) < _SUM_TOLERANCE)):
        raise ValueError(
            f"probs from {probs.min()} with sums {sums.min()} to {sums.max()}: expected "
            "histograms, not negative, that sum to 1"
        )
    if not 0 <= weight < np.inf:
        raise ValueError(f"weight {weight}: expected a finite number, not negative")
    return probs, target


def _checked_histogram(name: str, mass: ArrayLike) -> np.ndarray:
    """Returns a float64 [K] histogram that sums to exactly 1, once checked."""
    mass = _finite_vector(name, mass)
    if np.any(mass < 0) or not abs(mass.sum() - 1) < _SUM_TOLERANCE:
        raise ValueError(
            f"{name} from {mass.min()} with sum {mass.sum()}: expected a histogram, not negative, "
            "that sums to 1"
        )
    return mass / mass.sum()


def _finite_vector(name: str, values: ArrayLike) -> np.ndarray:
    """Returns a float64 [N] vector, N at least 1, once checked."""
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not len(values) or not np.all(np.isfinite(values)):
        raise ValueError(
            f"{name} of shape {list(values.shape)} with {np.sum(~np.isfinite(values))} values not "
            "finite: expected a vector of finite numbers, at least one"
        )
    return values
