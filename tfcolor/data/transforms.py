"""Random views of an image and random locations, from stateless seeds."""

import dataclasses

import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.core.taps import Scalar
from tfcolor.data.rotation import rotate_images


@dataclasses.dataclass(frozen=True)
class ViewOptions:
    """How a training view is cut from a photograph.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and
      Self-Supervised Representation Learning. 2017 (training recipe of
      chapter 3).
    """

    crop_size: int = option(352, "Side of the square training view, in pixels.", minimum=1)
    min_side: int = option(
        352, "Smallest random length of the shorter side before cropping, in pixels.", minimum=1
    )
    max_side: int = option(
        600, "Largest random length of the shorter side before cropping, in pixels.", minimum=1
    )
    use_mirror: bool = option(True, "Mirror half of the views left to right.")
    max_shift: int = option(0, "Largest shift in each direction, in pixels.", minimum=0)

    def __post_init__(self) -> None:
        """Raises UsageError unless crop_size <= min_side <= max_side."""
        if not self.crop_size <= self.min_side <= self.max_side:
            raise UsageError(
                f"crop_size={self.crop_size}, min_side={self.min_side}, max_side={self.max_side}: "
                "expected crop_size <= min_side <= max_side"
            )


def random_view(image: tf.Tensor, seed: tf.Tensor, options: ViewOptions) -> tf.Tensor:
    """Returns a randomly scaled, cropped, mirrored and shifted square of a photograph.

    The shorter side is rescaled to a uniform integer in [min_side, max_side]
    and a uniformly placed square is cut out. Both happen in one operation that
    computes no pixel outside of the square; it equals `tf.image.resize` with
    antialiasing, then cropping, to float32 rounding.

    Args:
      image: uint8 [H, W, 3].
      seed: int64 [2]; the same seed gives the same view.
      options: the sizes, in pixels.

    Returns:
      float32 [S, S, 3] in [0, 1], where S is `options.crop_size`.
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 4))
    size = tf.shape(image)[:2]
    side = _uniform_integer(seeds[0], options.min_side, options.max_side)
    scaled = rescaled_size(size, side)
    slack = scaled - options.crop_size
    corner = tf.stack(
        [_uniform_integer(seeds[1], 0, slack[0]), _uniform_integer(seeds[2], 0, slack[1])]
    )
    view = scaled_window(image, scaled, -corner, options.crop_size, antialias=True)
    if options.use_mirror:
        is_mirrored = tf.equal(_uniform_integer(seeds[3], 0, 1), 1)
        view = tf.where(is_mirrored, view[:, ::-1], view)
    if options.max_shift:
        shift_seed = tf.random.experimental.stateless_fold_in(seed, 3)
        view = random_shift(view, shift_seed, options.max_shift)
    return view


def random_turn(view: tf.Tensor, seed: tf.Tensor, max_degrees: float) -> tf.Tensor:
    """Returns a view that is turned about its center by a uniform angle.

    Args:
      view: float32 [H, W, C].
      seed: int64 [2]; the same seed gives the same angle.
      max_degrees: the largest angle to either side.

    Returns:
      float32 [H, W, C]; what lies beyond the border is the nearest pixel.
    """
    angle = tf.random.stateless_uniform([], seed, -max_degrees, max_degrees)
    return rotate_images(view[tf.newaxis], angle)[0]


def random_shift(view: tf.Tensor, seed: tf.Tensor, max_shift: int) -> tf.Tensor:
    """Returns a view that is moved by a few pixels along each axis.

    The same as padding with zeros and cropping at random.

    Args:
      view: float32 [H, W, C].
      seed: int64 [2]; the same seed gives the same shift.
      max_shift: the largest shift in each of the four directions, in pixels.

    Returns:
      float32 [H, W, C]; black where the view has moved away.
    """
    margin = [max_shift, max_shift]
    corner = tf.random.stateless_uniform([2], seed, maxval=2 * max_shift + 1, dtype=tf.int32)
    padded = tf.pad(view, [margin, margin, [0, 0]])
    return tf.slice(padded, tf.concat([corner, [0]], axis=0), tf.shape(view))


def center_view(image: tf.Tensor, side: int, crop_size: int) -> tf.Tensor:
    """Returns the middle square of a photograph that was rescaled first.

    Args:
      image: uint8 [H, W, 3].
      side: length of the shorter side after rescaling, in pixels.
      crop_size: side S of the square, in pixels, at most `side`.

    Returns:
      float32 [S, S, 3] in [0, 1]; where the margins cannot be equal, the one
      above or on the left is a pixel narrower.
    """
    scaled = rescaled_size(tf.shape(image)[:2], tf.constant(side))
    return scaled_window(image, scaled, -((scaled - crop_size) // 2), crop_size, antialias=True)


def rescaled_size(size: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """Returns the size of an image after its shorter side became `side`.

    Args:
      size: int32 [2], (height, width) in pixels.
      side: int32 [], the new length of the shorter side in pixels.

    Returns:
      int32 [2], (height, width) in pixels, the longer side rounded.

    Example:
      >>> rescaled_size(tf.constant([200, 100]), tf.constant(33)).numpy()
      array([66, 33], dtype=int32)
    """
    # In int64: height * side passes int32 for panoramas.
    shorter = tf.cast(tf.reduce_min(size), tf.int64)
    product = tf.cast(size, tf.int64) * tf.cast(side, tf.int64)
    return tf.cast((2 * product + shorter) // (2 * shorter), tf.int32)


def random_locations(seed: tf.Tensor, num_locations: int, size: int, edge: int) -> tf.Tensor:
    """Returns random pixels of a square view, uniform and with replacement.

    Args:
      seed: int64 [2]; the same seed gives the same locations.
      num_locations: L, how many.
      size: side of the view in pixels.
      edge: pixels left out along each border.

    Returns:
      float32 [L, 2], (row, column) in input pixels; integers in
      [edge, size - edge).

    Raises:
      ValueError: if the borders leave nothing.
    """
    if edge < 0 or size <= 2 * edge:
        raise ValueError(f"edge={edge}: expected at least 0 and less than half of size={size}")
    locations = tf.random.stateless_uniform(
        [num_locations, 2], seed, minval=edge, maxval=size - edge, dtype=tf.int32
    )
    return tf.cast(locations, tf.float32)


def scaled_window(
    image: tf.Tensor,
    scaled: tf.Tensor,
    offset: tf.Tensor,
    size: int | tuple[Scalar, Scalar],
    *,
    antialias: bool,
) -> tf.Tensor:
    """Cuts a window out of a photograph as if it had been rescaled.

    Computes no pixel outside of the window.

    Args:
      image: uint8 [H, W, 3].
      scaled: int32 [2], (height, width) after rescaling.
      offset: int32 [2], where the rescaled photograph begins in the window, of
        either sign.
      size: (h, w) of the window, ints or int32 [], or the side of a square, in pixels.
      antialias: whether the bilinear kernel widens where the photograph shrinks.

    Returns:
      float32 [h, w, 3] in [0, 1]; exactly 0 outside of the photograph.
    """
    height, width = (size, size) if isinstance(size, int) else size
    window = tf.raw_ops.ScaleAndTranslate(
        images=image[tf.newaxis],
        size=[height, width],
        scale=tf.cast(scaled, tf.float32) / tf.cast(tf.shape(image)[:2], tf.float32),
        translation=tf.cast(offset, tf.float32),
        kernel_type="triangle",
        antialias=antialias,
    )[0]
    # The kernel's weights add up to 1 only to rounding.
    return tf.clip_by_value(window / 255.0, 0.0, 1.0)


def _uniform_integer(seed: tf.Tensor, low: tf.Tensor | int, high: tf.Tensor | int) -> tf.Tensor:
    """Returns a uniform int32 scalar in [low, high]."""
    return tf.random.stateless_uniform([], seed, minval=low, maxval=high + 1, dtype=tf.int32)
