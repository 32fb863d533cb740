"""Bilinear sampling of feature maps at sparse input-pixel locations."""

from collections.abc import Sequence

import tensorflow as tf

from tfcolor.core.taps import Tap, map_size
from tfcolor.ops.implementation import choose_implementation
from tfcolor.ops.native_library import load_native_ops, stack_offsets


def sample_features(features: tf.Tensor, locations: tf.Tensor, tap: Tap) -> tf.Tensor:
    """Samples a feature map bilinearly at sparse input-pixel locations.

    `tap` maps each location into the feature map. A location that falls outside
    is moved to the nearest border sample, so every output is a convex
    combination of at most four feature vectors. On the pixel grid this agrees
    with `resize_features`, its dense counterpart, to float32 rounding.

    Args:
      features: float32, bfloat16 or half [B, H, W, C], one backbone activation.
        Its gradient is added up in its own dtype.
      locations: float32 [B, L, 2], (row, column) in input pixels; (0, 0) is the
        center of the top-left pixel. Receives no gradient.
      tap: geometry of `features`.

    Returns:
      [B, L, C] of the dtype of `features`, row `l` read at `locations[:, l]`;
      interpolated in float32.

    Raises:
      ValueError: if the static batch sizes of `features` and `locations`
        differ, or `locations` does not end in 2.

    Example:
      >>> ramp = tf.reshape(tf.range(4.0), [1, 2, 2, 1])
      >>> tap = Tap("conv1", stride=2, offset=0.5, channels=1)
      >>> sample_features(ramp, tf.constant([[[1.0, 1.0]]]), tap).numpy().item()
      0.75

    References:
      Larsson, Maire, Shakhnarovich. Learning Representations for Automatic
      Colorization. ECCV 2016 (sparse hypercolumn training).
    """
    features = tf.convert_to_tensor(features)
    locations = tf.stop_gradient(locations)
    _check_shapes(features, locations, tap)
    height, width = map_size(features)
    top, bottom, row_fraction = tap.neighbors(locations[..., 0], 0, height)
    left, right, column_fraction = tap.neighbors(locations[..., 1], 1, width)
    # One gather for all four corners: its gradient is one dense map, not four.
    cells = tf.stack([row * width + column for row in (top, bottom) for column in (left, right)], 1)
    weights = tf.stack(
        [
            row * column
            for row in (1 - row_fraction, row_fraction)
            for column in (1 - column_fraction, column_fraction)
        ],
        axis=1,
    )
    corners = tf.cast(_gather_cells(features, cells), tf.float32)
    samples = tf.reduce_sum(corners * weights[..., tf.newaxis], axis=1)
    return tf.cast(samples, features.dtype)


def sparse_hypercolumn(
    features: Sequence[tf.Tensor],
    locations: tf.Tensor,
    taps: Sequence[Tap],
    implementation: str | None = None,
) -> tf.Tensor:
    """Samples several maps at the same locations and joins their channels.

    The native op leaves cells of weight 0 alone, sums gradients in float32 and
    refuses locations that are not finite; else both implementations agree to
    float32 rounding.

    Args:
      features: one [B, H, W, C] map per tap, all of one dtype (float32,
        bfloat16 or half); sizes and channels may differ.
      locations: float32 [B, L, 2], (row, column) in input pixels. Receives no
        gradient.
      taps: geometry of each map, in the order of the output's channels.
      implementation: "native", "reference" (plain TensorFlow), or None for
        what `default_implementation` decided; under XLA always the reference.

    Returns:
      [B, L, sum of C] of the dtype of the maps.

    Raises:
      ValueError: if there is no map, not one tap per map, a static batch size
        differs from that of `locations`, or the implementation is unknown.
      NativeLibraryError: if "native" is asked for and is not built.
      InvalidArgumentError: from the native op, naming the input that is bad.

    Example:
      >>> maps = [tf.zeros([2, 8, 6, 3]), tf.zeros([2, 4, 3, 5])]
      >>> taps = [Tap("conv1", 1, 0.0, 3), Tap("conv2", 2, 0.5, 5)]
      >>> sparse_hypercolumn(maps, tf.zeros([2, 7, 2]), taps).shape.as_list()
      [2, 7, 8]
    """
    if not features or len(features) != len(taps):
        raise ValueError(
            f"got {len(features)} maps and {len(taps)} taps; expected one tap per map, at least one"
        )
    features = [tf.convert_to_tensor(single) for single in features]
    locations = tf.stop_gradient(locations)
    for single, tap in zip(features, taps, strict=True):
        _check_shapes(single, locations, tap)
    if choose_implementation(implementation, features[0]) == "native":
        return load_native_ops().tfcolor_sparse_hypercolumn(
            features,
            locations,
            stack_offsets(taps),
            strides=[tap.stride for tap in taps],
        )
    samples = [
        sample_features(single, locations, tap) for single, tap in zip(features, taps, strict=True)
    ]
    return tf.concat(samples, axis=-1)


def _gather_cells(features: tf.Tensor, cells: tf.Tensor) -> tf.Tensor:
    """Reads [B, 4, L] row-major cells of a [B, H, W, C] map as [B, 4, L, C]."""
    shape = tf.shape(features)
    flat = tf.reshape(features, [shape[0], shape[1] * shape[2], shape[3]])
    flat.set_shape([features.shape[0], None, features.shape[3]])
    return tf.gather(flat, cells, axis=1, batch_dims=1)


def _check_shapes(features: tf.Tensor, locations: tf.Tensor, tap: Tap) -> None:
    """Raises ValueError where static shapes cannot belong together."""
    if locations.shape.rank not in (None, 3) or locations.shape[-1] not in (None, 2):
        raise ValueError(f"locations have shape {locations.shape}; expected [B, L, 2]")
    if not features.shape[:1].is_compatible_with(locations.shape[:1]):
        raise ValueError(
            f"tap {tap.name!r} has {features.shape[0]} maps but locations are for "
            f"{locations.shape[0]} images; expected equal batch sizes"
        )
