"""Which pixels of an image are hidden: holes that depend on a seed, never on the image."""

import math

import tensorflow as tf

NUM_BLOCKS = 8
"""Blocks that are drawn at most."""

BLOCK_SIDES = (1 / 8, 1 / 3)
"""Smallest and largest side of a block, relative to the image's."""

BLOCK_SHARE = 1 / 4
"""Of the image that blocks hide at most."""

NOISE_SCALE = 0.06
"""Cells of noise per pixel of a random region."""

NOISE_THRESHOLD = 0.25
"""Noise below this is hidden."""

REGION_SHARES = (0.2, 0.3)
"""Of the image that a random region hides at least and at most."""

NUM_REGIONS = 16
"""Candidates of a random region. Of 3000, 23 % had an accepted share at 128 pixels, 14 % at
32 and 10 % at 227, so that the closest is taken for 1.5, 8 and 18 % of the images."""

NOISE_MARGIN = 2
"""Cells that the bicubic kernel reaches; the noise beyond a region's border."""


def center_hole(side: int, margin: int) -> tf.Tensor:
    """Hides the middle of a square.

    Args:
      side: of the square, pixels.
      margin: visible pixels along each border.

    Returns:
      float32 [side, side, 1], 1 where hidden.

    Raises:
      ValueError: if the margins leave nothing.

    Example:
      >>> int(tf.reduce_sum(center_hole(64, 4)))
      3136
    """
    if margin < 0 or side <= 2 * margin:
        raise ValueError(f"margin={margin}: expected at least 0 and less than half of {side}")
    hole = tf.ones([side - 2 * margin] * 2 + [1])
    return tf.pad(hole, [[margin, margin], [margin, margin], [0, 0]])


def random_blocks(seed: tf.Tensor, side: int) -> tf.Tensor:
    """Hides several rectangles, which may overlap, up to a quarter of a square.

    Args:
      seed: int64 [2]; the same seed hides the same pixels.
      side: of the square, pixels.

    Returns:
      float32 [side, side, 1], 1 where hidden: of `NUM_BLOCKS` random rectangles
      the first ones, as many as together cover no more than `BLOCK_SHARE`.

    References:
      Pathak et al. Context Encoders: Feature Learning by Inpainting. CVPR 2016.
    """
    size_seed, corner_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    smallest, largest = (max(1, round(share * side)) for share in BLOCK_SIDES)
    sizes = tf.random.stateless_uniform([NUM_BLOCKS, 2], size_seed, smallest, largest + 1, tf.int32)
    places = tf.random.stateless_uniform([NUM_BLOCKS, 2], corner_seed)
    first = tf.cast(places * tf.cast(side + 1 - sizes, tf.float32), tf.int32)
    pixels = tf.range(side)
    from_first = pixels >= first[..., tf.newaxis]
    inside = from_first & (pixels < (first + sizes)[..., tf.newaxis])
    blocks = inside[:, 0, :, tf.newaxis] & inside[:, 1, tf.newaxis, :]
    unions = tf.cast(tf.cumsum(tf.cast(blocks, tf.int32)) > 0, tf.float32)
    is_small = tf.reduce_mean(unions, axis=[1, 2]) <= BLOCK_SHARE
    return unions[tf.reduce_sum(tf.cast(is_small, tf.int32)) - 1][..., tf.newaxis]


def random_region(seed: tf.Tensor, side: int) -> tf.Tensor:
    """Hides a region of random shape, about a quarter of a square.

    Uniform noise is enlarged bicubically; what lies below a threshold is hidden.
    A share outside of `REGION_SHARES` is not accepted. Instead of drawing until
    one is, this draws `NUM_REGIONS` and takes the first accepted one, or the
    one that comes closest.

    Args:
      seed: int64 [2]; the same seed hides the same pixels.
      side: of the square, pixels.

    Returns:
      float32 [side, side, 1], 1 where hidden.

    References:
      Pathak et al. Context Encoders: Feature Learning by Inpainting. CVPR 2016.
    """
    noise_seed, corner_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    cells = math.ceil(side * NOISE_SCALE) + 1 + 2 * NOISE_MARGIN
    noise = tf.random.stateless_uniform([1, cells, cells, NUM_REGIONS], noise_seed)
    enlarged = round(cells / NOISE_SCALE)
    margin = round(NOISE_MARGIN / NOISE_SCALE)
    pattern = tf.image.resize(noise, [enlarged, enlarged], "bicubic")[0]
    corner = tf.random.stateless_uniform(
        [2], corner_seed, margin, enlarged - margin - side + 1, tf.int32
    )
    window = tf.slice(pattern, tf.concat([corner, [0]], axis=0), [side, side, NUM_REGIONS])
    hidden = tf.cast(window < NOISE_THRESHOLD, tf.float32)
    shares = tf.reduce_mean(hidden, axis=[0, 1])
    distances = tf.abs(shares - tf.clip_by_value(shares, *REGION_SHARES))
    return hidden[..., tf.argmin(distances), tf.newaxis]
