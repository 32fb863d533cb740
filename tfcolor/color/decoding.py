"""From predicted histograms to one color per pixel, and how sure it is."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from tfcolor.color.binning import BinGrid
from tfcolor.core.options import check_options, option


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


def quantile_bin(probs: tf.Tensor, level: float | tf.Tensor) -> tf.Tensor:
    """Returns the first bin at which the cumulative histogram reaches a share.

    Args:
      probs: float [..., K], histograms that sum to 1.
      level: the share, in (0, 1), a number or float [...].

    Returns:
      int32 [...], in [0, K - 1].
    """
    _, is_below = _cumulative(probs, level)
    return tf.reduce_sum(tf.cast(is_below, tf.int32), axis=-1)


def _cumulative(probs: tf.Tensor, level: float | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns cumulative histograms, and which of them are below a level.

    A product with a triangular matrix: six times as fast as `tf.cumsum`, which
    goes through the bins of one histogram after the other.

    Returns:
      float [..., K], and bool [..., K - 1]: the last bin takes what is left, also
      where rounding keeps the sum below 1.
    """
    probs = tf.convert_to_tensor(probs)
    num_bins = int(probs.shape[-1])
    triangle = tf.constant(np.triu(np.ones([num_bins, num_bins])), probs.dtype)
    sums = tf.reshape(tf.reshape(probs, [-1, num_bins]) @ triangle, tf.shape(probs))
    level = tf.convert_to_tensor(level, probs.dtype)
    return sums, sums[..., :-1] < level[..., None]


def quantile(
    probs: tf.Tensor, grid: BinGrid, level: float | tf.Tensor, *, is_interpolated: bool = True
) -> tf.Tensor:
    """Returns the value below which a given share of each histogram lies.

    At a random level this draws from the histogram.

    Args:
      probs: float [..., K], histograms that sum to 1.
      grid: the K bins; with finite edges if interpolated.
      level: the share, in (0, 1), a number or float [...].
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
    cumulative, is_below = _cumulative(probs, level)
    index = tf.reduce_sum(tf.cast(is_below, tf.int32), axis=-1)
    if not is_interpolated:
        return tf.gather(tf.constant(grid.centers, probs.dtype), index)
    # The sums on both sides of the level, found without a gather for each pixel.
    inner, zero = cumulative[..., :-1], tf.constant(0, probs.dtype)
    low_sum = tf.maximum(tf.reduce_max(tf.where(is_below, inner, zero), axis=-1), zero)
    above = tf.where(is_below, tf.constant(np.inf, probs.dtype), inner)
    high_sum = tf.minimum(tf.reduce_min(above, axis=-1), cumulative[..., -1])
    level = tf.convert_to_tensor(level, probs.dtype)
    fraction = tf.clip_by_value(tf.math.divide_no_nan(level - low_sum, high_sum - low_sum), 0, 1)
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
    probs = tf.convert_to_tensor(probs)
    # Not `xlogy`, which ONNX lacks.
    logs = tf.math.log(tf.maximum(probs, np.finfo(probs.dtype.as_numpy_dtype).tiny))
    return -tf.reduce_sum(probs * logs, axis=-1)


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
AB_DECODERS: Mapping[str, Callable[..., tf.Tensor]] = {
    "expectation": expectation,
    "mode": mode,
    "median": functools.partial(median, is_interpolated=False),
}
SAMPLINGS = ("none", "pixelwise", "once")


@dataclasses.dataclass(frozen=True)
class DecodingOptions:
    """How predicted histograms become a color."""

    chroma: str = option(
        "median", "chroma taken from its histogram", choices=tuple(CHROMA_DECODERS)
    )
    hue: str = option(
        "expectation", "hue taken from its histogram", choices=("expectation", "mode")
    )
    use_fading: bool = option(True, "whether to reduce the chroma where the hue is uncertain")
    fading_eta: float = option(
        0.03, "hue concentration from which on chroma is not reduced", minimum=1e-6
    )
    lab: str = option(
        "expectation", "a and b taken from their histograms", choices=tuple(AB_DECODERS)
    )
    temperature: float = option(
        0.0,
        "sharpens histograms below 1 and flattens them above; 0 takes the space's own: 0.38 for"
        " lab_gamut (the annealed mean), else 1",
        minimum=0,
    )
    sampling: str = option(
        "none",
        "draws colors from the histograms: for every pixel by itself, or with one random number"
        " for the whole photograph, which stays coherent",
        choices=SAMPLINGS,
    )
    seed: int = option(0, "seed of the draws", minimum=0)
    bias_strength: float = option(
        0.0, "favors colors at --decoding_bias_angle by so many nats", minimum=0
    )
    bias_angle: float = option(
        0.0, "the favored color in turns around the hue circle or, for Lab, from +a to +b"
    )

    def __post_init__(self) -> None:
        """Raises UsageError if a value is not accepted."""
        check_options(self, "decoding_")


def reshape_posterior(
    probs: tf.Tensor, bias: float | np.ndarray | tf.Tensor, temperature: float | tf.Tensor
) -> tf.Tensor:
    """Returns `softmax((log p + bias) / temperature)`, p itself where that is p.

    Args:
      probs: float [..., K], histograms.
      bias: float [K] or a number, added to the log-probabilities.
      temperature: positive; below 1 sharpens. A number, or float [B] with one
        for each `probs[b]`.

    Returns:
      float [..., K], histograms; of the same bits for a number and for a
      tensor of it.

    References:
      Zhang, Isola, Efros. Colorful Image Colorization. ECCV 2016, equation 5.
    """
    probs = tf.convert_to_tensor(probs)
    is_unbiased = not tf.is_tensor(bias) and not np.any(bias)
    if is_unbiased and not tf.is_tensor(temperature) and temperature == 1:
        return probs
    tiny = np.finfo(probs.dtype.as_numpy_dtype).tiny
    logits = tf.math.log(tf.maximum(probs, tiny)) + tf.cast(bias, probs.dtype)
    # The largest is 0, which any temperature leaves in its place.
    logits -= tf.reduce_max(logits, axis=-1, keepdims=True)
    temperature = tf.cast(temperature, probs.dtype)
    if temperature.shape.rank:
        temperature = tf.reshape(temperature, [-1] + [1] * (probs.shape.rank - 1))
    reshaped = tf.nn.softmax(logits / tf.maximum(temperature, tiny))
    is_exact = is_unbiased and temperature.shape.rank  # a number of 1 has returned
    return tf.where(temperature == 1, probs, reshaped) if is_exact else reshaped


def draw_levels(size: tf.Tensor, sampling: str, seeds: tf.Tensor, index: int) -> tf.Tensor:
    """Draws the shares at which histograms are inverted to sample from them.

    Args:
      size: int32 [2], height and width.
      sampling: "pixelwise" for a number per pixel, "once" for one per image.
      seeds: int32 [B], one per image.
      index: of the histogram, so that two of them are drawn independently.

    Returns:
      float32 [B, H, W] or [B, 1, 1], in [0, 1).
    """
    shape = size if sampling == "pixelwise" else tf.constant([1, 1])
    return tf.map_fn(
        lambda seed: tf.random.stateless_uniform(shape, tf.stack([seed, index])),
        tf.convert_to_tensor(seeds, tf.int32),
        fn_output_signature=tf.TensorSpec([None, None], tf.float32),
    )
