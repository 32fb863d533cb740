"""From values to bins: the grid of a histogram, and histograms of windows."""

import dataclasses
import math
import statistics

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class BinGrid:
    """The bins of a histogram along one axis.

    Args:
      edges: K + 1 increasing numbers; bin k holds `edges[k] <= v < edges[k+1]`.
        The first and the last may be infinite.
      centers: K numbers, the value each bin stands for.
      is_circular: whether the last bin is followed by the first, as for hue.

    Raises:
      ValueError: if the edges do not increase or do not match the centers.

    Example:
      >>> BinGrid.uniform(4).centers
      (0.125, 0.375, 0.625, 0.875)
    """

    edges: tuple[float, ...]
    centers: tuple[float, ...]
    is_circular: bool = False

    def __post_init__(self) -> None:
        """Checks the edges."""
        if not self.centers or len(self.edges) != len(self.centers) + 1:
            raise ValueError(
                f"{len(self.edges)} edges and {len(self.centers)} centers: "
                "expected at least one center and one edge more than centers"
            )
        if any(high <= low for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError(f"edges {self.edges}: expected increasing numbers")

    @classmethod
    def uniform(cls, num_bins: int, is_circular: bool = False) -> "BinGrid":
        """Returns bins of equal width on [0, 1].

        Args:
          num_bins: K, at least 1.
          is_circular: whether 0 and 1 are the same value.

        Returns:
          A grid whose bin k is centered on (k + 0.5) / K.

        Raises:
          ValueError: if `num_bins` is not positive.
        """
        return cls(_uniform_edges(num_bins), _uniform_centers(num_bins), is_circular)

    @classmethod
    def gaussian_quantile(cls, num_bins: int, scale: float = 25.0) -> "BinGrid":
        """Returns bins that are equally likely under a normal distribution.

        Args:
          num_bins: K, at least 1.
          scale: standard deviation; 25 fits the a and b of photographs in Lab.

        Returns:
          A grid whose bin k stands for the quantile (k + 0.5) / K, and whose
          outermost edges are infinite.

        Raises:
          ValueError: if `num_bins` or `scale` is not positive.
        """
        if not scale > 0:
            raise ValueError(f"scale {scale}: expected a positive number")
        normal = statistics.NormalDist(0.0, scale)
        inner = (normal.inv_cdf(edge) for edge in _uniform_edges(num_bins)[1:-1])
        centers = tuple(normal.inv_cdf(center) for center in _uniform_centers(num_bins))
        return cls((-math.inf, *inner, math.inf), centers)

    @property
    def num_bins(self) -> int:
        """The number of bins, K."""
        return len(self.centers)

    @property
    def is_uniform(self) -> bool:
        """Whether the bins have equal width on [0, 1]."""
        return self.edges == _uniform_edges(self.num_bins)

    def labels(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the bin that holds each value.

        On a uniform grid this is `min(floor(v K), K - 1)`, computed in the type
        of `values`. Values beyond the grid fall in the outermost bins.

        Args:
          values: float [...], in the unit of the edges, not NaN.

        Returns:
          int32 [...], in [0, K - 1].

        Example:
          >>> BinGrid.uniform(32).labels([0.0, 0.5, 1.0]).numpy().tolist()
          [0, 16, 31]
        """
        values = tf.convert_to_tensor(values)
        if self.is_uniform:
            scaled = tf.clip_by_value(values * self.num_bins, 0, self.num_bins - 1)
            return tf.cast(tf.floor(scaled), tf.int32)
        inner = tf.constant(self.edges[1:-1], values.dtype)
        flat = tf.searchsorted(inner, tf.reshape(values, [-1]), side="right")
        return tf.reshape(flat, tf.shape(values))


def windowed_histogram(
    labels: tf.Tensor, locations: tf.Tensor, num_bins: int, window: int
) -> tf.Tensor:
    """Returns the histogram of the labels around each location.

    The window is cut at the image border and what remains counts as 1, so every
    histogram sums to 1. Receives and gives no gradient.

    Args:
      labels: int32 [H, W], bins of one image, in [0, K - 1].
      locations: float32 [L, 2], (row, column) in pixels, rounded to the nearest
        pixel of the image.
      num_bins: K.
      window: pixels along each side of the window, odd; 1 gives one-hot rows.

    Returns:
      float32 [L, K], each row sums to 1.

    Raises:
      ValueError: if `window` is not a positive odd number.

    Example:
      >>> histograms = windowed_histogram([[0, 1], [1, 1]], [[0.0, 0.0]], 2, 3)
      >>> histograms.numpy().tolist()
      [[0.25, 0.75]]
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window {window}: expected a positive odd number of pixels")
    labels = tf.convert_to_tensor(labels, tf.int32)
    size = tf.shape(labels)
    pixels = tf.cast(tf.round(locations), tf.int32)
    pixels = tf.clip_by_value(pixels, 0, size - 1)
    steps = tf.range(window) - window // 2
    rows = pixels[:, 0, None, None] + steps[:, None]
    columns = pixels[:, 1, None, None] + steps
    is_inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    index = tf.where(is_inside, rows * size[1] + columns, 0)
    bins = tf.gather(tf.reshape(labels, [-1]), index)
    num_locations = tf.shape(pixels)[0]
    # Segment sums drop negative segments, here the pixels beyond the border.
    segments = tf.where(is_inside, bins + num_bins * tf.range(num_locations)[:, None, None], -1)
    counts = tf.math.unsorted_segment_sum(
        tf.ones_like(segments, tf.float32), segments, num_locations * num_bins
    )
    counts = tf.reshape(counts, [num_locations, num_bins])
    return counts / tf.reduce_sum(counts, axis=-1, keepdims=True)


def _uniform_edges(num_bins: int) -> tuple[float, ...]:
    """Returns the K + 1 edges of equal bins on [0, 1]."""
    if num_bins < 1:
        raise ValueError(f"num_bins {num_bins}: expected at least 1")
    return tuple(k / num_bins for k in range(num_bins + 1))


def _uniform_centers(num_bins: int) -> tuple[float, ...]:
    """Returns the K centers of equal bins on [0, 1]."""
    return tuple((k + 0.5) / num_bins for k in range(num_bins))
