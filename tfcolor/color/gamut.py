"""The 313 color classes: points of the ab plane, soft targets, class weights."""

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

# For each a, the lowest and the highest b; both in steps of 10. These are the
# corners of all grid cells that touch the convex hull of sRGB in the ab plane.
_COLUMNS = {
    -90: (50, 90),
    -80: (20, 90),
    -70: (0, 90),
    -60: (-20, 90),
    -50: (-30, 100),
    -40: (-40, 100),
    -30: (-50, 100),
    -20: (-50, 100),
    -10: (-60, 100),
    0: (-70, 100),
    10: (-80, 90),
    20: (-80, 90),
    30: (-90, 90),
    40: (-100, 90),
    50: (-100, 80),
    60: (-110, 80),
    70: (-110, 80),
    80: (-110, 70),
    90: (-110, 70),
    100: (-90, 0),
}

GAMUT_POINTS = np.array(
    [(a, b) for a, (low, high) in _COLUMNS.items() for b in range(low, high + 1, 10)], np.int32
)
"""int32 [313, 2], the (a, b) of each class, sorted by a, then by b."""

GAMUT_POINTS.setflags(write=False)

GRAY_THRESHOLD = 5.0
"""An image whose |a| and |b| stay within this teaches nothing about color."""

_PRIOR_FLOOR = 1e-12


def nearest_point(ab: tf.Tensor) -> tf.Tensor:
    """Returns the class whose point is nearest.

    Args:
      ab: float [..., 2], a* and b* of CIE Lab.

    Returns:
      int32 [...], rows of `GAMUT_POINTS`, in [0, 312]; of equally near points the
      first.

    Example:
      >>> nearest_point([1.0, -2.0]).numpy().item()
      120
    """
    return tf.argmin(_squared_distances(ab), axis=-1, output_type=tf.int32)


def soft_encode(ab: tf.Tensor, *, neighbors: int = 10, sigma: float = 5.0) -> tf.Tensor:
    """Returns the distribution over the nearest classes.

    The nearest points share the mass in proportion to `exp(-d^2 / (2 sigma^2))`.
    Of points equally far from a color the first count as nearer.

    Args:
      ab: float [..., 2], a* and b* of CIE Lab; may lie outside of the gamut.
      neighbors: how many classes are not zero, in [1, 313].
      sigma: standard deviation in the unit of `ab`, positive.

    Returns:
      float32 [..., 313], each sums to 1.

    Raises:
      ValueError: if `neighbors` or `sigma` is out of range.

    Example:
      >>> soft_encode([0.0, 5.0], neighbors=2)[120:122].numpy().tolist()
      [0.5, 0.5]

    References:
      Zhang, Isola, Efros. Colorful Image Colorization. ECCV 2016, which prints 5
      neighbors where the authors' code has 10.
    """
    num_points = len(GAMUT_POINTS)
    if not 1 <= neighbors <= num_points:
        raise ValueError(f"neighbors {neighbors}: expected 1 to {num_points}")
    if not sigma > 0:
        raise ValueError(f"sigma {sigma}: expected a positive number")
    distances = _squared_distances(ab)
    nearest, index = tf.math.top_k(-tf.reshape(distances, [-1, num_points]), neighbors)
    rows = tf.broadcast_to(tf.range(tf.shape(index)[0])[:, None], tf.shape(index))
    encoded = tf.scatter_nd(
        tf.stack([rows, index], axis=-1),
        tf.nn.softmax(nearest / (2 * sigma**2)),
        [tf.shape(index)[0], num_points],
    )
    return tf.ensure_shape(tf.reshape(encoded, tf.shape(distances)), distances.shape)


def is_gray(ab: tf.Tensor, *, threshold: float = GRAY_THRESHOLD) -> tf.Tensor:
    """Whether each image is gray: no |a| or |b| exceeds the threshold anywhere.

    Args:
      ab: float [..., H, W, 2], a* and b* of CIE Lab.
      threshold: in the unit of `ab`.

    Returns:
      bool [...].
    """
    return tf.reduce_all(tf.abs(ab) <= threshold, axis=[-3, -2, -1])


def rebalancing_weights(
    prior: ArrayLike, mix: float = 0.5, *, num_bins: int = len(GAMUT_POINTS)
) -> np.ndarray:
    """Returns a weight for each class, larger the rarer it is.

    The reciprocal of the prior mixed with a uniform distribution, scaled so that
    the mean weight under the prior is 1. Empty classes are floored.

    Args:
      prior: float [K], frequency of each class, not negative; any sum.
      mix: the share of the uniform distribution, in [0, 1]; 1 weighs all alike.
      num_bins: K, the length that `prior` must have.

    Returns:
      float64 [K], positive and finite.

    Raises:
      ValueError: if `prior` is no histogram of K classes or `mix` is out of range.

    Example:
      >>> rebalancing_weights([3.0, 1.0], mix=0.0, num_bins=2).round(6).tolist()
      [0.666667, 2.0]

    References:
      Zhang, Isola, Efros. Colorful Image Colorization. ECCV 2016, eq. 4.
    """
    mass = np.asarray(prior, np.float64)
    if mass.shape != (num_bins,):
        raise ValueError(f"prior of shape {list(mass.shape)}: expected [{num_bins}]")
    if not (np.all(np.isfinite(mass) & (mass >= 0)) and mass.sum() > 0):
        raise ValueError(
            f"prior from {mass.min()} with sum {mass.sum()}: expected finite numbers, "
            "not negative, not all 0"
        )
    if not 0 <= mix <= 1:
        raise ValueError(f"mix {mix}: expected 0 to 1")
    floored = np.maximum(mass / mass.sum(), _PRIOR_FLOOR)
    floored /= floored.sum()
    weights = 1 / ((1 - mix) * floored + mix / num_bins)
    return weights / (floored @ weights)


def _squared_distances(ab: tf.Tensor) -> tf.Tensor:
    """Returns the float32 [..., 313] squared distances of float [..., 2] colors.

    Differences, as a matrix product would round: on a GPU, to ten bits.
    """
    ab = tf.cast(ab, tf.float32)
    points = tf.constant(GAMUT_POINTS, tf.float32)
    return (ab[..., :1] - points[:, 0]) ** 2 + (ab[..., 1:] - points[:, 1]) ** 2
