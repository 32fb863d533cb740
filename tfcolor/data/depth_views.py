"""Views of photographs together with the depth of their pixels."""

import dataclasses

import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.data.transforms import rescaled_size, scaled_window


@dataclasses.dataclass(frozen=True)
class DepthViewOptions:
    """How a view is cut from a photograph whose depth is known."""

    side: int = option(
        240,
        "shorter side of the images before any view is cut, pixels; 0 leaves them as they are",
        minimum=0,
    )
    crop_height: int = option(240, "height of the view, pixels", minimum=8)
    crop_width: int = option(320, "width of the view, pixels", minimum=8)
    min_scale: float = option(
        1.0, "smallest random factor on the size of an image", minimum=0.1, maximum=10
    )
    max_scale: float = option(
        1.5,
        "largest random factor; a larger image is as near as its factor",
        minimum=0.1,
        maximum=10,
    )
    use_mirror: bool = option(True, "mirror half of the views left to right")

    def __post_init__(self) -> None:
        """Raises UsageError unless min_scale <= max_scale."""
        if self.min_scale > self.max_scale:
            raise UsageError(
                f"--depth_min_scale={self.min_scale}: expected at most "
                f"--depth_max_scale={self.max_scale}"
            )


def random_depth_view(
    image: tf.Tensor, depth: tf.Tensor, seed: tf.Tensor, options: DepthViewOptions
) -> tuple[tf.Tensor, tf.Tensor]:
    """Cuts the same random window out of a photograph and its depth map.

    A photograph that is enlarged by a factor looks as if it had been taken from
    so much nearer: its depth is divided by the factor. Depth is never averaged,
    as between two surfaces there is none.

    Args:
      image: uint8 [H, W, 3].
      depth: float32 [H, W], meters; 0 where it is not known.
      seed: int64 [2]; the same seed gives the same view.
      options: sizes and scales.

    Returns:
      (view, depth): float32 [h, w, 3] in [0, 1] and float32 [h, w] in meters;
      both 0 beyond the photograph.

    References:
      Eigen, Puhrsch, Fergus. Depth Map Prediction from a Single Image using a
      Multi-Scale Deep Network. NIPS 2014, section 3.4.
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 4))
    factor = tf.random.stateless_uniform([], seeds[0], options.min_scale, options.max_scale)
    base = based_size(image, options.side)
    scaled = tf.cast(tf.round(factor * tf.cast(base, tf.float32)), tf.int32)
    # The factor as it is after rounding to whole pixels.
    factor = tf.exp(tf.reduce_mean(tf.math.log(scaled / base)))
    offset = [
        _random_offset(seeds[1 + axis], scaled[axis], size)
        for axis, size in enumerate((options.crop_height, options.crop_width))
    ]
    view, depth = _window(image, depth, scaled, tf.stack(offset), options)
    if options.use_mirror:
        is_mirrored = tf.random.stateless_uniform([], seeds[3]) < 0.5
        view = tf.where(is_mirrored, view[:, ::-1], view)
        depth = tf.where(is_mirrored, depth[:, ::-1], depth)
    return view, depth / tf.cast(factor, tf.float32)


def center_depth_view(
    image: tf.Tensor, depth: tf.Tensor, options: DepthViewOptions
) -> tuple[tf.Tensor, tf.Tensor]:
    """Cuts the middle out of a photograph and its depth map, at the scale 1.

    Args:
      image: uint8 [H, W, 3].
      depth: float32 [H, W], meters; 0 where it is not known.
      options: sizes.

    Returns:
      (view, depth): as of `random_depth_view`.
    """
    base = based_size(image, options.side)
    offset = (tf.stack([options.crop_height, options.crop_width]) - base) // 2
    return _window(image, depth, base, offset, options)


def based_size(image: tf.Tensor, side: int) -> tf.Tensor:
    """Returns the size at which the network is to see a photograph.

    Args:
      image: uint8 [H, W, 3].
      side: of the shorter side, pixels; 0 for its own.

    Returns:
      int32 [2], (height, width) in pixels.

    Example:
      >>> based_size(tf.zeros([480, 640, 3], tf.uint8), 240).numpy()
      array([240, 320], dtype=int32)
    """
    size = tf.shape(image)[:2]
    return rescaled_size(size, tf.constant(side)) if side else size


def _window(
    image: tf.Tensor,
    depth: tf.Tensor,
    scaled: tf.Tensor,
    offset: tf.Tensor,
    options: DepthViewOptions,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Cuts a window out of a rescaled photograph and its depth map."""
    size = options.crop_height, options.crop_width
    view = scaled_window(image, scaled, offset, size, antialias=True)
    return view, _nearest_window(depth, scaled, offset, size)


def _nearest_window(
    depth: tf.Tensor, scaled: tf.Tensor, offset: tf.Tensor, size: tuple[int, int]
) -> tf.Tensor:
    """Returns the nearest depth of each pixel of a window, 0 beyond the map."""
    for axis in (0, 1):
        count, target = tf.shape(depth)[axis], scaled[axis]
        place = tf.range(size[axis]) - offset[axis]
        # The middle of a pixel of the window, in whole pixels of the map.
        source = tf.cast(((2 * place + 1) * count) // (2 * target), tf.int32)
        is_inside = (place >= 0) & (place < target)
        depth = tf.gather(depth, tf.clip_by_value(source, 0, count - 1), axis=axis)
        is_inside = is_inside[:, tf.newaxis] if axis == 0 else is_inside
        depth = tf.where(is_inside, depth, 0.0)
    return tf.ensure_shape(depth, size)


def _random_offset(seed: tf.Tensor, scaled: tf.Tensor, size: int) -> tf.Tensor:
    """Returns where a rescaled photograph begins in a random window, int32 []."""
    slack = tf.maximum(scaled - size, 0)
    corner = tf.random.stateless_uniform([], seed, maxval=slack + 1, dtype=tf.int32)
    return tf.maximum(size - scaled, 0) // 2 - corner
