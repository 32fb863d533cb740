"""Spreading color hints: a field of biases over the cells of the network's grid.

A global bias b moves every predicted histogram to `q_n = softmax(log p_n + b)`
(histogram transfer, eq. 2.6 of the dissertation). Hints need a bias that differs
from place to place, b_n. At a hinted cell h it is pinned to the value that turns
p_h into `t_h = (1 - e) c_h + e p_h`, nearly all of it in the bins c_h of the hint's
color:

  b_h = log t_h - log p_h - log e = log(1 + (1 - e) / e * c_h / p_h),

which is 0 in all other bins. Elsewhere the field minimizes

  E(b) = sum_n decay |b_n|^2 + sum_(i~j) w_ij |b_i - b_j|^2

over pairs of neighbors among 8, with `w_ij = exp(-|f_i - f_j|^2 / (2 similarity^2))`.
f are the features of the network's hidden layer and the lightness, each scaled to
a variance of 1 over the photograph. So a hint spreads as far as cells look alike
to the network, and fades where they do not. The minimum is a screened Poisson
problem, sparse, symmetric and positive definite: it is factorized once and solved
for each bin that has a hint. It is linear in the b_h, and without hints it is 0.

NumPy and SciPy in float64.
"""

import dataclasses

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from tfcolor.core.options import check_options, option

_FLOOR = 1e-12
"""The least predicted probability, as in histogram transfer."""

_REST = 0.01
"""e, the share of a pinned histogram that stays as it was predicted."""

_NEIGHBORS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Steps (rows, columns) to one cell of each pair among 8 neighbors."""


@dataclasses.dataclass(frozen=True)
class HintOptions:
    """How far the colors of hints spread."""

    similarity: float = option(
        0.12,
        "difference of two neighboring cells that stops a hint, as a share of how much the cells"
        " of the photograph differ; larger lets hints cross weaker edges",
        minimum=1e-3,
    )
    decay: float = option(
        3e-4,
        "how fast a hint fades with distance where nothing stops it: over 1 / sqrt(decay) cells"
        " of 4 pixels of what the network sees",
        minimum=1e-9,
    )

    def __post_init__(self) -> None:
        """Raises UsageError if a value is not accepted."""
        check_options(self, "hint_")


def pinned_bias(probs: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Returns the biases that bring histograms to the colors of hints.

    Args:
      probs: float [P, K], predicted histograms that sum to 1.
      colors: float [P, K], where each hint's color lies; sums to 1, or is all 0
        to leave a histogram as it is.

    Returns:
      float64 [P, K], not negative, 0 in bins without a hint's color.

    Example:
      >>> bias = pinned_bias(np.array([[0.5, 0.5]]), np.array([[0.0, 1.0]]))
      >>> np.exp(bias).round(6).tolist()
      [[1.0, 199.0]]
    """
    floored = np.maximum(np.asarray(probs, np.float64), _FLOOR)
    return np.log1p((1 - _REST) / _REST * np.asarray(colors, np.float64) / floored)


def spread(
    features: np.ndarray,
    lightness: np.ndarray,
    cells: np.ndarray,
    biases: np.ndarray,
    options: HintOptions,
) -> np.ndarray:
    """Returns the field of biases that pinned cells cause.

    Args:
      features: float [h, w, D], the network's hidden layer on its grid.
      lightness: float [h, w], in any unit.
      cells: int [P], pinned cells, `w * row + column`, all different.
      biases: float [P, K], their biases, of all histograms side by side.
      options: how far hints spread.

    Returns:
      float64 [h, w, K], which equals `biases` at `cells` and is between 0 and
      the largest of them elsewhere.
    """
    height, width = lightness.shape
    energy = _energy_matrix(_scaled(features, lightness), options)
    is_free = np.ones(height * width, bool)
    is_free[cells] = False
    used = np.flatnonzero(np.any(biases != 0, axis=0))
    values = np.asarray(biases, np.float64)[:, used]
    field = np.zeros((height * width, biases.shape[1]))
    field[np.ix_(cells, used)] = values
    if used.size and is_free.any():
        rows = energy[is_free]
        # Both options suit a symmetric positive definite matrix: less fill, no pivots.
        factors = scipy.sparse.linalg.splu(
            rows[:, is_free].tocsc(),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        field[np.ix_(is_free, used)] = factors.solve(-(rows[:, cells] @ values))
    return field.reshape(height, width, -1)


def _scaled(features: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """Returns features and lightness, each of total variance 1, float32 [h, w, D + 1]."""
    parts = []
    for part in (features, lightness[..., None]):
        centered = np.float32(part) - np.mean(part, axis=(0, 1), dtype=np.float32)
        deviation = np.sqrt(np.mean(np.sum(centered**2, axis=-1)))
        parts.append(centered / max(deviation, 1e-6))
    return np.concatenate(parts, axis=-1)


def _energy_matrix(features: np.ndarray, options: HintOptions) -> scipy.sparse.csr_matrix:
    """Returns A with `E(b) = sum_k b_k^T A b_k`, [h w, h w], from [h, w, D] features."""
    height, width = features.shape[:2]
    index = np.arange(height * width).reshape(height, width)
    firsts, seconds, weights = [], [], []
    for down, right in _NEIGHBORS:
        first = np.s_[: height - down, max(0, -right) : width - max(0, right)]
        second = np.s_[down:, max(0, right) : width - max(0, -right)]
        distances = np.sum((features[first] - features[second]) ** 2, axis=-1, dtype=np.float64)
        firsts.append(index[first].ravel())
        seconds.append(index[second].ravel())
        weights.append(np.exp(-distances.ravel() / (2 * options.similarity**2)))
    pairs = (np.concatenate(firsts), np.concatenate(seconds))
    half = scipy.sparse.coo_matrix((np.concatenate(weights), pairs), (index.size, index.size))
    affinity = (half + half.T).tocsr()
    diagonal = np.asarray(affinity.sum(axis=1)).ravel() + options.decay
    return (scipy.sparse.diags(diagonal) - affinity).tocsr()
