"""Hypercolumns sampled while the tapped maps pass through the op."""

from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.ops.native_library import load_native_ops, stack_offsets


class PassThroughColumns:
    """Samples each tapped map at the same locations as the network makes it.

    Called with a map, it returns the map to continue with and writes the map's
    slice of the columns. Going backward, the map's gradient passes too, and the
    sparse gradient is added to it in place: no map of zeros is made, and the
    cost follows the locations and not the size of the map. Values and gradients
    are those of `sparse_hypercolumn`. In place only inside `tf.function`; eager
    calls copy.

    Args:
      locations: float32 [B, L, 2], (row, column) in input pixels. Receives no
        gradient.
      taps: geometry and channels of each map by name, in the order of the
        columns' channels; maps of other names are returned untouched.

    Example:
      >>> taps = {"conv1": Tap("conv1", 1, 0.0, 3), "conv2": Tap("conv2", 2, 0.5, 5)}
      >>> visit = PassThroughColumns(tf.zeros([2, 7, 2]), taps)  # doctest: +SKIP
      >>> conv1 = visit("conv1", tf.zeros([2, 8, 6, 3]))  # doctest: +SKIP
      >>> conv2 = visit("conv2", tf.zeros([2, 4, 3, 5]))  # doctest: +SKIP
      >>> visit.columns.shape.as_list()  # doctest: +SKIP
      [2, 7, 8]
    """

    def __init__(self, locations: tf.Tensor, taps: Mapping[str, Tap]) -> None:
        self.taps = dict(taps)
        self._locations = tf.stop_gradient(locations)
        self._first_channels: dict[str, int] = {}
        self._num_channels = 0
        for name, tap in self.taps.items():
            self._first_channels[name] = self._num_channels
            self._num_channels += tap.channels
        self._columns: list[tf.Tensor] = []

    def __call__(self, name: str, features: tf.Tensor) -> tf.Tensor:
        """Samples one map, if it is one of the taps.

        Args:
          name: of the map; every tap is to be visited once, in any order.
          features: float32, bfloat16 or half [B, H, W, C].

        Returns:
          The same map, to continue with.

        Raises:
          ValueError: if a tap is visited twice.
        """
        if name not in self.taps:
            return features
        if name not in self._first_channels:
            raise ValueError(f"tap {name!r} is visited twice; expected once")
        tap = self.taps[name]
        features, columns = load_native_ops().tfcolor_hypercolumn_tap(
            features,
            self._locations,
            stack_offsets([tap])[0],
            self._columns,
            stride=tap.stride,
            first_channel=self._first_channels.pop(name),
            num_channels=self._num_channels,
        )
        self._columns = [columns]
        return features

    @property
    def columns(self) -> tf.Tensor:
        """The columns, [B, L, sum of C] of the dtype of the maps.

        Raises:
          ValueError: if a tap has not been visited.
        """
        if self._first_channels or not self._columns:
            missing = ", ".join(self._first_channels)
            raise ValueError(f"taps not visited yet: {missing}; expected every tap once")
        return self._columns[0]
