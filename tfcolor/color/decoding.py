"""From predicted histograms to one color per pixel, and how sure it is."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping

import tensorflow as tf

from tfcolor.color.binning import BinGrid
from tfcolor.core.options import option


def mode(probs: tf.Tensor, grid: BinGrid) -> tf.Tensor:
    """Returns the center of the most likely bin, the first of equals.

    Args:
      probs: float [..., K], histograms.
      grid: the K bins.

    Returns:
      float [...], in the unit of the grid.
    """
    probs = tf.convert_to_tensor(probs)
    best = tf.argmax(probs, axis=-1, output_type=tf.int32)
    return tf.gather(tf.constant(grid.centers, probs.dtype), best)


def expectation(probs: tf.Tensor, grid: BinGrid) -> tf.Tensor:
    """Returns the mean of the bin centers under each histogram.

    Args:
      probs: float [..., K], histograms that sum to 1.
      grid: the K bins, not circular.

    Returns:
      float [...], in the unit of the grid.
    """
    probs = tf.convert_to_tensor(probs)
    return tf.reduce_sum(probs * tf.constant(grid.centers, probs.dtype), axis=-1)


def quantile(
    probs: tf.Tensor, grid: BinGrid, level: float, *, is_interpolated: bool = True
) -> tf.Tensor:
    """Returns the value below which a given share of each histogram lies.

    Args:
      probs: float [..., K], histograms that sum to 1.
      grid: the K bins, not circular; with finite edges if interpolated.
      level: the share, in (0, 1).
      is_interpolated: whether to spread the mass of a bin evenly between its
        edges; otherwise the result is the center of the bin.

    Returns:
      float [...], in the unit of the grid.

    Raises:
      ValueError: if interpolating between infinite edges.
    """
    probs = tf.convert_to_tensor(probs)
    if is_interpolated and not all(map(math.isfinite, grid.edges)):
        raise ValueError("a grid with infinite edges: expected is_interpolated=False")
    # The last bin takes what is left, also where rounding keeps the sum below 1.
    earlier = probs[..., :-1]
    is_below = tf.cumsum(earlier, axis=-1) < level
    index = tf.reduce_sum(tf.cast(is_below, tf.int32), axis=-1)
    if not is_interpolated:
        return tf.gather(tf.constant(grid.centers, probs.dtype), index)
    mass = tf.gather(probs, index[..., None], batch_dims=-1)[..., 0]
    mass_below = tf.reduce_sum(tf.where(is_below, earlier, 0), axis=-1)
    fraction = tf.clip_by_value(tf.math.divide_no_nan(level - mass_below, mass), 0, 1)
    edges = tf.constant(grid.edges, probs.dtype)
    low, high = tf.gather(edges, index), tf.gather(edges, index + 1)
    return low + fraction * (high - low)


def median(probs: tf.Tensor, grid: BinGrid, *, is_interpolated: bool = True) -> tf.Tensor:
    """Returns the median of each histogram.

    Args:
      probs: float [..., K], histograms that sum to 1.
      grid: the K bins, not circular; with finite edges if interpolated.
      is_interpolated: whether to spread the mass of a bin between its edges;
        otherwise the result is the center of the bin that holds the median.

    Returns:
      float [...], in the unit of the grid.

    Raises:
      ValueError: if interpolating between infinite edges.

    Example:
      >>> median([0.25, 0.5, 0.25, 0.0], BinGrid.uniform(4)).numpy().item()
      0.375
    """
    return quantile(probs, grid, 0.5, is_interpolated=is_interpolated)


def hue_expectation(probs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the circular mean of a hue histogram and its concentration.

    Args:
      probs: float [..., K], histograms over K equal hue bins, with K static.

    Returns:
      (hue, magnitude): float [...] in [0, 1), and float [...] in [0, 1/K], the
      length of `1/K sum_k p_k exp(2 pi i (k + 0.5) / K)`.
    """
    probs = tf.convert_to_tensor(probs)
    num_bins = int(probs.shape[-1])
    angles = [2 * math.pi * center for center in BinGrid.uniform(num_bins).centers]
    cosines = tf.constant([math.cos(angle) for angle in angles], probs.dtype)
    sines = tf.constant([math.sin(angle) for angle in angles], probs.dtype)
    real = tf.reduce_sum(probs * cosines, axis=-1) / num_bins
    imaginary = tf.reduce_sum(probs * sines, axis=-1) / num_bins
    turns = tf.math.floormod(tf.atan2(imaginary, real) / (2 * math.pi), 1)
    # A tiny negative angle modulo 1 rounds to 1, which is the hue 0.
    hue = tf.where(turns < 1, turns, tf.zeros_like(turns))
    return hue, tf.sqrt(real**2 + imaginary**2)


def chromatic_fading(chroma: tf.Tensor, magnitude: tf.Tensor, eta: float) -> tf.Tensor:
    """Reduces the chroma where the hue is uncertain.

    Args:
      chroma: float [...], in [0, 1].
      magnitude: float [...], from `hue_expectation`.
      eta: the magnitude from which on the chroma is left alone, positive.

    Returns:
      float [...], chroma times `min(magnitude / eta, 1)`.
    """
    return chroma * tf.minimum(magnitude / eta, 1)


def entropy(probs: tf.Tensor) -> tf.Tensor:
    """Returns the entropy of each histogram in nats, with 0 log 0 = 0.

    Args:
      probs: float [..., K], histograms that sum to 1.

    Returns:
      float [...], in [0, log K].
    """
    return -tf.reduce_sum(tf.math.xlogy(probs, probs), axis=-1)


def normalized_entropy(probs: tf.Tensor) -> tf.Tensor:
    """Returns the entropy as a share of that of the uniform histogram.

    Args:
      probs: float [..., K], histograms that sum to 1, with K static, at least 2.

    Returns:
      float [...], in [0, 1].
    """
    probs = tf.convert_to_tensor(probs)
    return tf.clip_by_value(entropy(probs) / math.log(int(probs.shape[-1])), 0, 1)


CHROMA_DECODERS: Mapping[str, Callable[..., tf.Tensor]] = {
    "median": median,
    "mode": mode,
    "expectation": expectation,
    "q75": functools.partial(quantile, level=0.75),
}


@dataclasses.dataclass(frozen=True)
class DecodingOptions:
    """How hue and chroma histograms become a color."""

    chroma: str = option(
        "median", "Chroma taken from its histogram.", choices=tuple(CHROMA_DECODERS)
    )
    hue: str = option(
        "expectation", "Hue taken from its histogram.", choices=("expectation", "mode")
    )
    use_fading: bool = option(True, "Whether to reduce the chroma where the hue is uncertain.")
    fading_eta: float = option(
        0.03, "Hue concentration from which on chroma is not reduced.", minimum=1e-6
    )


def decode_hue_chroma(
    hue_probs: tf.Tensor, chroma_probs: tf.Tensor, options: DecodingOptions
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns one hue and chroma per pixel, and how uncertain the color is.

    Args:
      hue_probs: float [..., K], hue histograms over equal bins, with K static.
      chroma_probs: float [..., K'], chroma histograms over equal bins.
      options: which statistics to use.

    Returns:
      (hue, chroma, uncertainty): float [...] in [0, 1), float [...] in [0, 1]
      and float [...] in [0, 1], the normalized hue entropy times the chroma
      before fading (which would hide the most uncertain pixels).

    Raises:
      ValueError: if an option has an unknown value.
    """
    if options.chroma not in CHROMA_DECODERS:
        raise ValueError(f"chroma {options.chroma!r}: expected one of {sorted(CHROMA_DECODERS)}")
    if options.hue not in ("expectation", "mode"):
        raise ValueError(f"hue {options.hue!r}: expected 'expectation' or 'mode'")
    chroma_grid = BinGrid.uniform(int(chroma_probs.shape[-1]))
    chroma = CHROMA_DECODERS[options.chroma](chroma_probs, chroma_grid)
    hue, magnitude = hue_expectation(hue_probs)
    if options.hue == "mode":
        hue = mode(hue_probs, BinGrid.uniform(int(hue_probs.shape[-1]), is_circular=True))
    uncertainty = normalized_entropy(hue_probs) * chroma
    if options.use_fading:
        chroma = chromatic_fading(chroma, magnitude, options.fading_eta)
    return hue, chroma, uncertainty
