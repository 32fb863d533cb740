"""The linear layer on hypercolumns, at sparse locations or on a grid."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from tfcolor.core.taps import Scalar, Tap, map_size
from tfcolor.ops.dense_sampling import resize_features
from tfcolor.ops.implementation import choose_implementation
from tfcolor.ops.pass_through import PassThroughColumns
from tfcolor.ops.sparse_hypercolumn import sparse_hypercolumn

KERNEL_STDDEV = 1e-4


class HypercolumnProjection(tf.keras.layers.Layer):
    """Projects the joined channels of several taps: `columns @ kernel + bias`.

    Sampling and projecting are both linear, so their order is free. What is less
    comes first: a tap with fewer cells than there are locations is projected
    before it is sampled, and on a grid so is every coarse tap, which never
    builds the map of all channels. All agree to float32 rounding.

    Args:
      channels: features of each tap by name; their order is that of the
        kernel's rows.
      units: number of outputs.
      seed: of the kernel, normal with standard deviation 1e-4.
      name: name of the layer.

    Raises:
      ValueError: if there is no tap.

    References:
      Larsson, Maire, Shakhnarovich. Learning Representations for Automatic
      Colorization. ECCV 2016 (sparse training, dense inference).
    """

    def __init__(
        self, channels: Mapping[str, int], units: int, seed: int, name: str | None = None
    ) -> None:
        super().__init__(name=name, autocast=False)
        if not channels:
            raise ValueError("got no taps; a hypercolumn needs at least one")
        self.tap_names = tuple(channels)
        self.tap_channels = tuple(channels.values())
        self.units = units
        self.kernel = self.add_weight(
            name="kernel",
            shape=[sum(self.tap_channels), units],
            initializer=tf.keras.initializers.RandomNormal(stddev=KERNEL_STDDEV, seed=seed),
        )
        self.bias = self.add_weight(name="bias", shape=[units], initializer="zeros")

    def sparse(
        self,
        features: Mapping[str, tf.Tensor],
        locations: tf.Tensor,
        taps: Mapping[str, Tap],
        sampler: PassThroughColumns | None = None,
    ) -> tf.Tensor:
        """Projects the hypercolumns at sparse locations.

        Args:
          features: float [B, H, W, C] maps by tap name; others are ignored.
          locations: float32 [B, L, 2], (row, column) in input pixels.
          taps: geometry of each map.
          sampler: what `build_sampler` gave, after `features` passed through.

        Returns:
          [B, L, units] of the layer's compute dtype.
        """
        if sampler is not None:
            names, columns = tuple(sampler.taps), sampler.columns
        else:
            sizes = {name: map_size(features[name]) for name in self.tap_names}
            names = self._sampled_first(sizes, locations)
            columns = _sample(features, locations, taps, names) if names else None
        if names == self.tap_names:
            return self._project(columns, self.kernel) + self._cast(self.bias)
        kernels = dict(zip(self.tap_names, tf.split(self.kernel, self.tap_channels), strict=True))
        total = self._cast(self.bias)
        if columns is not None:
            kernel = tf.concat([kernels[name] for name in names], axis=0)
            total = total + self._project(columns, kernel)
        for members in self._projected_first(names, taps):
            maps = [self._project(features[name], kernels[name]) for name in members]
            joined = {members[0]: tf.add_n(maps)}
            total = total + _sample(joined, locations, taps, members[:1])
        return total

    def build_sampler(
        self, locations: tf.Tensor, taps: Mapping[str, Tap], image_size: tuple[Scalar, Scalar]
    ) -> PassThroughColumns | None:
        """Builds what the maps may pass through while the network makes them.

        Args:
          locations: float32 [B, L, 2], (row, column) in input pixels.
          taps: geometry of each map.
          image_size: (height, width) of the image in pixels: ints or scalar
            int32 tensors.

        Returns:
          A visitor for the taps that are sampled before they are projected, or
          None where the native op is not used or there is no such tap.
        """
        if choose_implementation(None, locations) != "native":
            return None
        # Exact for SAME padding; elsewhere only the order may differ, not the result.
        sizes = {
            name: tuple(-(-size // taps[name].stride) for size in image_size)
            for name in self.tap_names
        }
        names = self._sampled_first(sizes, locations)
        return (
            PassThroughColumns(locations, {name: taps[name] for name in names}) if names else None
        )

    def dense(
        self,
        features: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        grid: Tap,
        size: tuple[Scalar, Scalar],
    ) -> tf.Tensor:
        """Projects the hypercolumns at the center of every cell of a grid.

        Args:
          features: float [B, H, W, C] maps by tap name; others are ignored.
          taps: geometry of each map.
          grid: where to evaluate; only its stride and offset are read.
          size: (rows, columns) of the grid: ints or scalar int32 tensors.

        Returns:
          [B, rows, columns, units] of the layer's compute dtype, equal to
          `sparse` at the grid's centers.
        """
        kernels = tf.split(self._cast(self.kernel), self.tap_channels)
        total = tf.convert_to_tensor(self._cast(self.bias))
        for tap, members in _group_by_geometry(self.tap_names, taps, grid):
            maps = [features[self.tap_names[index]] for index in members]
            kernel = tf.concat([kernels[index] for index in members], axis=0)
            # One after the other, or the intermediate maps of all are alive at once.
            if tap is not None:
                with tf.control_dependencies([total]):
                    joined = self._project(tf.concat(maps, axis=-1), kernel)
                    total = total + resize_features(joined, tap, grid, size)
                continue
            sampled: list[tf.Tensor] = [total]
            for index, single in zip(members, maps, strict=True):
                with tf.control_dependencies(sampled[-1:]):
                    sampled.append(resize_features(single, taps[self.tap_names[index]], grid, size))
            total = total + self._project(tf.concat(sampled[1:], axis=-1), kernel)
        return total

    def _sampled_first(
        self, sizes: Mapping[str, tuple[Scalar, ...]], locations: tf.Tensor
    ) -> tuple[str, ...]:
        """Returns the taps not known to have fewer cells than there are locations."""
        num_locations = locations.shape[1]

        def is_small(size: tuple[Scalar, ...]) -> bool:
            static = num_locations is not None and not any(map(tf.is_tensor, size))
            return static and size[0] * size[1] < num_locations

        return tuple(name for name in self.tap_names if not is_small(sizes[name]))

    def _projected_first(
        self, sampled: tuple[str, ...], taps: Mapping[str, Tap]
    ) -> list[tuple[str, ...]]:
        """Groups the other taps by geometry: the sum of a group is sampled once."""
        groups: dict[tuple, tuple[str, ...]] = {}
        for name in self.tap_names:
            if name not in sampled:
                key = _geometry_key(taps[name])
                groups[key] = (*groups.get(key, ()), name)
        return list(groups.values())

    def _project(self, columns: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Multiplies [..., C] by [C, units] in the compute dtype."""
        return tf.tensordot(self._cast(columns), self._cast(kernel), axes=1)

    def _cast(self, value: tf.Tensor) -> tf.Tensor:
        """Casts to the compute dtype; `sparse` and `dense` bypass autocasting."""
        return tf.cast(value, self.compute_dtype)


def _group_by_geometry(
    names: tuple[str, ...], taps: Mapping[str, Tap], grid: Tap
) -> list[tuple[Tap | None, list[int]]]:
    """Groups tap indices by what happens to them on a grid.

    Returns:
      (tap, indices) for taps coarser than the grid that share `tap`'s geometry
      and can be projected together, and (None, indices) for all others, which
      are sampled on the grid and projected together.
    """
    groups: dict[tuple | None, tuple[Tap | None, list[int]]] = {}
    for index, name in enumerate(names):
        tap = taps[name] if taps[name].stride > grid.stride else None
        key = None if tap is None else _geometry_key(tap)
        groups.setdefault(key, (tap, []))[1].append(index)
    return list(groups.values())


def _geometry_key(tap: Tap) -> tuple:
    """Returns a hashable that is equal only for provably equal geometry."""
    offsets = (offset.ref() if tf.is_tensor(offset) else offset for offset in tap.offset)
    return (tap.stride, *offsets)


def _sample(
    features: Mapping[str, tf.Tensor],
    locations: tf.Tensor,
    taps: Mapping[str, Tap],
    names: Sequence[str],
) -> tf.Tensor:
    """Samples the named maps, [B, L, sum of C]."""
    maps = [features[name] for name in names]
    return sparse_hypercolumn(maps, locations, [taps[name] for name in names])
