"""Random parts of photographs, and random colors, as Inception networks were trained with."""

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

ASPECTS = (3 / 4, 4 / 3)
MAX_ATTEMPTS = 100
HUE = 0.2
BRIGHTNESS, FACTORS = 32 / 255, (0.5, 1.5)
ORDERS = (
    ("brightness", "saturation", "hue", "contrast"),
    ("saturation", "brightness", "contrast", "hue"),
    ("contrast", "hue", "brightness", "saturation"),
    ("hue", "saturation", "contrast", "brightness"),
)

Change = Callable[[tf.Tensor], tf.Tensor]


def inception_crop(image: tf.Tensor, seed: tf.Tensor, size: int, min_area: float) -> tf.Tensor:
    """Returns a random part of a photograph, of random area and aspect, as a square.

    Cut and scaled at once, bicubic; unlike in published code, also smoothed where
    it shrinks.

    Args:
      image: uint8 [H, W, 3].
      seed: int64 [2]; the same seed gives the same crop.
      size: side S of the result, pixels.
      min_area: smallest area of the part, relative to the photograph's.

    Returns:
      float32 [S, S, 3] in [0, 1]. Where no part fits, it is the whole photograph.

    References:
      Szegedy et al. Going Deeper with Convolutions. CVPR 2015.
    """
    begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(image),
        tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        seed,
        min_object_covered=0.0,
        aspect_ratio_range=ASPECTS,
        area_range=(min_area, 1.0),
        max_attempts=MAX_ATTEMPTS,
    )
    whole = tf.shape(image)[:2]
    extent = tf.where(extent[:2] < 0, whole, extent[:2])
    scale = size / tf.cast(extent, tf.float32)
    crop = tf.raw_ops.ScaleAndTranslate(
        images=image[tf.newaxis],
        size=[size, size],
        scale=scale,
        translation=-scale * tf.cast(begin[:2], tf.float32),
        kernel_type="keyscubic",
        antialias=True,
    )[0]
    return tf.clip_by_value(crop / 255.0, 0.0, 1.0)


def inception_colors(view: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Changes brightness, saturation, hue and contrast, in one of four orders.

    Args:
      view: float32 [H, W, 3] in [0, 1].
      seed: int64 [2]; the same seed gives the same changes.

    Returns:
      float32 [H, W, 3], clipped to [0, 1] at the end.

    References:
      Szegedy et al. Going Deeper with Convolutions. CVPR 2015 (photometric
      distortions; ranges and orders are those of the public training code).
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 5))
    changes: dict[str, Change] = {
        "brightness": lambda one: tf.image.stateless_random_brightness(one, BRIGHTNESS, seeds[0]),
        "saturation": lambda one: tf.image.stateless_random_saturation(one, *FACTORS, seeds[1]),
        "hue": lambda one: tf.image.stateless_random_hue(one, HUE, seeds[2]),
        "contrast": lambda one: tf.image.stateless_random_contrast(one, *FACTORS, seeds[3]),
    }

    def apply(names: Sequence[str]) -> tf.Tensor:
        return functools.reduce(lambda one, name: changes[name](one), names, view)

    chosen = tf.random.stateless_uniform([], seeds[4], 0, len(ORDERS), tf.int32)
    changed = tf.switch_case(chosen, [functools.partial(apply, one) for one in ORDERS])
    return tf.clip_by_value(changed, 0.0, 1.0)
