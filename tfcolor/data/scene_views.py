"""Views of scenes at their own scale, with label maps or random scales, zero-padded.

Padding is 0 in [0, 1], before any mean is subtracted; for label maps it is 255.
"""

import tensorflow as tf

from tfcolor.data.sources.label_maps import VOID_LABEL
from tfcolor.data.transforms import rescaled_size, scaled_window


def random_scene_crop(
    image: tf.Tensor, label_map: tf.Tensor, seed: tf.Tensor, crop_size: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Cuts the same random square out of a photograph and its label map.

    The scale stays as it is. An image smaller than the square is padded on both
    sides. Half of the squares are mirrored left to right.

    Args:
      image: uint8 [H, W, 3].
      label_map: uint8 [H, W], the class of each pixel.
      seed: int64 [2]; the same seed gives the same crop.
      crop_size: side S of the square, in pixels.

    Returns:
      (view, labels): float32 [S, S, 3] in [0, 1], 0 in the padding, and uint8
      [S, S], 255 in the padding.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and
      Self-Supervised Representation Learning. 2017 (segmentation of VOC 2012).
    """
    place_seed, mirror_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    offset = _random_offset(place_seed, tf.shape(image)[:2], crop_size)
    is_mirrored = _coin(mirror_seed)
    view = _unit(_placed(image, offset, crop_size, crop_size, 0))
    labels = _placed(label_map[:, :, tf.newaxis], offset, crop_size, crop_size, VOID_LABEL)
    return _mirrored_if(is_mirrored, view), _mirrored_if(is_mirrored, labels)[:, :, 0]


def padded_scene(image: tf.Tensor, height: int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Puts a photograph into the middle of a black canvas.

    Args:
      image: uint8 [h, w, 3].
      height: H of the canvas, in pixels, at least h.
      width: W of the canvas, in pixels, at least w.

    Returns:
      (scene, offset): float32 [H, W, 3] in [0, 1], and int32 [2], the (row,
      column) of the photograph's top-left pixel on the canvas. Where the
      margins cannot be equal, the one above or on the left is a pixel narrower.

    Raises:
      InvalidArgumentError: if the photograph is larger than the canvas.

    Example:
      >>> scene, offset = padded_scene(tf.ones([2, 3, 3], tf.uint8), 5, 8)
      >>> scene.shape, offset.numpy()
      (TensorShape([5, 8, 3]), array([1, 2], dtype=int32))
    """
    size = tf.shape(image)[:2]
    fits = tf.debugging.assert_less_equal(
        size, [height, width], f"expected an image of at most {height} x {width} pixels"
    )
    # Only in a graph is there an operation to wait for.
    with tf.control_dependencies([] if fits is None else [fits]):
        offset = (tf.stack([height, width]) - size) // 2
    return _unit(_placed(image, offset, height, width, 0)), offset


def random_scaled_crop(
    image: tf.Tensor, seed: tf.Tensor, crop_size: int, min_scale: float, max_scale: float
) -> tf.Tensor:
    """Returns a random square of a randomly scaled photograph.

    Both sides are multiplied by one uniform factor and rounded, bilinearly and
    without antialiasing, as the VOC 2007 protocol had it; a result smaller than
    the square is padded on both sides. Half of the squares are mirrored left to
    right. No pixel outside of the square is computed.

    Args:
      image: uint8 [H, W, 3].
      seed: int64 [2]; the same seed gives the same crop.
      crop_size: side S of the square, in pixels.
      min_scale: the smallest factor, positive.
      max_scale: the largest factor; equal to `min_scale` for a fixed one.

    Returns:
      float32 [S, S, 3] in [0, 1], 0 in the padding.

    Raises:
      ValueError: unless 0 < min_scale <= max_scale.

    References:
      Krahenbuhl, Doersch, Donahue, Darrell. Data-dependent Initializations of
      Convolutional Neural Networks. ICLR 2016 (VOC 2007 classification).
    """
    if not 0 < min_scale <= max_scale:
        raise ValueError(
            f"min_scale={min_scale}, max_scale={max_scale}: expected 0 < min_scale <= max_scale"
        )
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
    uniform = tf.random.stateless_uniform([], seeds[0])
    factor = min_scale + (max_scale - min_scale) * uniform
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    scaled = tf.maximum(tf.cast(tf.round(factor * size), tf.int32), 1)
    offset = _random_offset(seeds[1], scaled, crop_size)
    view = scaled_window(image, scaled, offset, crop_size, antialias=False)
    return _mirrored_if(_coin(seeds[2]), view)


def corner_crops(image: tf.Tensor, crop_size: int, side: int) -> tf.Tensor:
    """Cuts the four corners and the middle out of a rescaled photograph.

    Args:
      image: uint8 [H, W, 3].
      crop_size: side S of the squares, in pixels, at most `side`.
      side: length of the shorter side after rescaling, in pixels.

    Returns:
      float32 [10, S, S, 3] in [0, 1]: top left, top right, bottom left, bottom
      right, middle, then the same mirrored left to right.

    Raises:
      ValueError: if `crop_size` is larger than `side`.
    """
    if crop_size > side:
        raise ValueError(f"crop_size={crop_size}: expected at most side={side}")
    scaled = rescaled_size(tf.shape(image)[:2], tf.constant(side))
    slack = scaled - crop_size
    corners = [slack * tf.constant(corner) for corner in ([0, 0], [0, 1], [1, 0], [1, 1])]
    views = tf.stack(
        [
            scaled_window(image, scaled, -corner, crop_size, antialias=False)
            for corner in [*corners, slack // 2]
        ]
    )
    return tf.concat([views, views[:, :, ::-1]], axis=0)


def _random_offset(seed: tf.Tensor, size: tf.Tensor, crop_size: int) -> tf.Tensor:
    """Returns where an image lies in a random square, int32 [2] (row, column)."""
    padded = tf.maximum(size, crop_size)
    corner = [
        tf.random.stateless_uniform([], axis_seed, maxval=limit, dtype=tf.int32)
        for axis_seed, limit in zip(
            tf.unstack(tf.random.experimental.stateless_split(seed, 2)),
            tf.unstack(padded - crop_size + 1),
            strict=True,
        )
    ]
    return (padded - size) // 2 - corner


def _placed(image: tf.Tensor, offset: tf.Tensor, height: int, width: int, fill: int) -> tf.Tensor:
    """Moves an image by an offset of either sign into a canvas, dtype [H, W, C]."""
    canvas = tf.stack([height, width])
    first = tf.maximum(-offset, 0)
    before = tf.maximum(offset, 0)
    seen = tf.minimum(tf.shape(image)[:2] - first, canvas - before)
    part = image[first[0] : first[0] + seen[0], first[1] : first[1] + seen[1]]
    margins = tf.stack([before, canvas - before - seen], axis=1)
    placed = tf.pad(part, tf.concat([margins, [[0, 0]]], axis=0), constant_values=fill)
    return tf.ensure_shape(placed, [height, width, image.shape[2]])


def _unit(image: tf.Tensor) -> tf.Tensor:
    """Maps uint8 [H, W, C] to float32 [H, W, C] in [0, 1]."""
    return tf.cast(image, tf.float32) / 255.0


def _coin(seed: tf.Tensor) -> tf.Tensor:
    """Returns a fair bool scalar."""
    return tf.random.stateless_uniform([], seed) < 0.5


def _mirrored_if(condition: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    """Exchanges left and right of [H, W, C] if the bool scalar is true."""
    return tf.where(condition, image[:, ::-1], image)
