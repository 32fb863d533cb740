"""Two convolutions on one map, read at sparse locations or on a grid."""

from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Scalar, Tap, Window, compose_tap, map_size
from tfcolor.layers.convolution import Convolution
from tfcolor.ops.dense_sampling import resize_features
from tfcolor.ops.pass_through import PassThroughColumns
from tfcolor.ops.sparse_hypercolumn import sample_features

WINDOW = Window(2)


class ConvolvedMap(tf.keras.layers.Layer):
    """Applies a rectified 2x2 and a linear 1x1 convolution to one map, then reads it.

    It has the interface of `HypercolumnProjection`. A cell sees its own and the
    next row and column, so what it gives is centered half a cell further.

    Args:
      tap: the map; only its name and channels are used.
      units: outputs of both convolutions.
      seed: both kernels derive from it.
      name: name of the layer.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 3 (the head for colorization).
    """

    def __init__(self, tap: Tap, units: int, seed: int, name: str | None = None) -> None:
        super().__init__(name=name, autocast=False)
        self.tap_name = tap.name
        self.convolutions = []
        for number, (kernel, channels) in enumerate(((WINDOW.kernel, tap.channels), (1, units)), 1):
            kernel_seed = derive_seed(seed, f"convolution{number}")
            layer = Convolution(
                units, kernel, kernel_initializer=tf.keras.initializers.HeNormal(kernel_seed)
            )
            layer.build([None, None, None, channels])
            self.convolutions.append(layer)

    def sparse(
        self,
        features: Mapping[str, tf.Tensor],
        locations: tf.Tensor,
        taps: Mapping[str, Tap],
        sampler: PassThroughColumns | None = None,
    ) -> tf.Tensor:
        """Reads the convolved map at sparse locations.

        Args:
          features: float [B, H, W, C] maps by tap name.
          locations: float32 [B, L, 2], (row, column) in input pixels.
          taps: geometry of each map.
          sampler: what `build_sampler` gave: nothing.

        Returns:
          float [B, L, units].
        """
        del sampler
        maps, tap = self._convolve(features, taps)
        return sample_features(maps, locations, tap)

    def build_sampler(
        self, locations: tf.Tensor, taps: Mapping[str, Tap], image_size: tuple[Scalar, Scalar]
    ) -> None:
        """Builds nothing: maps are convolved before they are sampled.

        Args:
          locations: float32 [B, L, 2], not read.
          taps: not read.
          image_size: not read.
        """
        del locations, taps, image_size

    def dense(
        self,
        features: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        grid: Tap,
        size: tuple[Scalar, Scalar],
    ) -> tf.Tensor:
        """Reads the convolved map at every cell of a grid.

        Args:
          features: float [B, H, W, C] maps by tap name.
          taps: geometry of each map.
          grid: where to read; only its stride and offset are used.
          size: (rows, columns) of the grid: ints or scalar int32 tensors.

        Returns:
          float [B, rows, columns, units].
        """
        maps, tap = self._convolve(features, taps)
        return resize_features(maps, tap, grid, size)

    def _convolve(
        self, features: Mapping[str, tf.Tensor], taps: Mapping[str, Tap]
    ) -> tuple[tf.Tensor, Tap]:
        """Returns the convolved map, float [B, h, w, units], and where its cells lie."""
        first, second = self.convolutions
        maps, start = features[self.tap_name], taps[self.tap_name]
        tap = compose_tap(start.name, second.filters, [WINDOW], map_size(maps), start=start)
        return second(tf.nn.relu(first(tf.cast(maps, self.compute_dtype)))), tap
