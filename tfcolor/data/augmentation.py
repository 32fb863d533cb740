"""Random changes of a photograph's framing, colors and sharpness.

keras-cv computes contrast, saturation, hue, gray and blur. Its layers draw from a
generator of their own, so they are not called: what they would draw is drawn from
the example's stateless seed and given to their `augment_images`. Brightness is a
factor as published (keras-cv adds), and crops, principal components and powers,
which keras-cv lacks, are computed here.

AutoGraph is kept away: it would take a second to convert keras-cv, to no effect.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import io
import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfcolor.data.inception_views import inception_crop

JITTER_PROBABILITY, GRAY_PROBABILITY, BLUR_PROBABILITY = 0.8, 0.2, 0.5
BRIGHTNESS = CONTRAST = SATURATION = 0.8
HUE = 0.2
BLUR_SHARE, MIN_SIGMA, MAX_SIGMA = 0.1, 0.1, 2.0
"""Side of the kernel over that of the view; standard deviation in pixels."""

COMPONENT_FACTOR = 2.0
POWER, FACTORS, SUMMAND = 4.0, (0.7, 1.4), 0.1
EXEMPLAR_HUE = 0.1

Change = Callable[[tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class ColorLayers:
    """The layers of keras-cv whose arithmetic is used; all take RGB in [0, 1].

    Args:
      contrast: multiplies about each channel's mean.
      saturation: multiplies the HSV saturation.
      hue: turns the HSV hue.
      gray: makes the luma.
    """

    contrast: Any
    saturation: Any
    hue: Any
    gray: Any


@tf.autograph.experimental.do_not_convert
def contrastive_view(
    image: tf.Tensor,
    seed: tf.Tensor,
    size: int,
    *,
    min_area: float,
    color_strength: float,
    use_blur: bool,
) -> tf.Tensor:
    """Returns a random view of a photograph: crop, mirror, colors, gray and blur.

    Args:
      image: uint8 [H, W, 3].
      seed: int64 [2]; the same seed gives the same view.
      size: side S of the view, pixels.
      min_area: of the crop, relative to the photograph's.
      color_strength: of the changes of color, 1 as published for ImageNet.
      use_blur: whether half of the views are blurred.

    Returns:
      float32 [S, S, 3] in [0, 1].

    References:
      Chen, Kornblith, Norouzi, Hinton. A Simple Framework for Contrastive Learning
      of Visual Representations. ICML 2020, appendix A.
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 8))
    view = inception_crop(image, seeds[0], size, min_area)
    view = _sometimes(0.5, seeds[1], lambda one: one[:, ::-1], view)
    if color_strength:
        jitter = functools.partial(color_jitter, seed=seeds[2], strength=color_strength)
        view = _sometimes(JITTER_PROBABILITY, seeds[3], jitter, view)
        view = _sometimes(GRAY_PROBABILITY, seeds[4], to_gray, view)
    if use_blur:
        sigma = tf.random.stateless_uniform([], seeds[5], MIN_SIGMA, MAX_SIGMA)
        blur = functools.partial(gaussian_blur, sigma=sigma)
        view = _sometimes(BLUR_PROBABILITY, seeds[6], blur, view)
    return tf.ensure_shape(view, [size, size, 3])


def color_jitter(view: tf.Tensor, seed: tf.Tensor, strength: float) -> tf.Tensor:
    """Changes brightness, contrast, saturation and hue, in random order.

    Args:
      view: float32 [H, W, 3] in [0, 1].
      seed: int64 [2]; the same seed gives the same changes.
      strength: factor on their ranges: 0.8 around 1 for the first three, which are
        factors, and a fifth of the color circle to either side.

    Returns:
      float32 [H, W, 3], clipped to [0, 1] after each change.
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 5))

    def factor(number: int, reach: float) -> tf.Tensor:
        low = max(1 - reach * strength, 0.0)
        return tf.random.stateless_uniform([], seeds[number], low, 1 + reach * strength)

    turn = tf.random.stateless_uniform([], seeds[3], -HUE * strength, HUE * strength)
    changes: list[Change] = [
        functools.partial(adjust_brightness, factor=factor(0, BRIGHTNESS)),
        functools.partial(adjust_contrast, factor=factor(1, CONTRAST)),
        functools.partial(adjust_saturation, factor=factor(2, SATURATION)),
        functools.partial(adjust_hue, turn=turn),
    ]

    def apply(view: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        return tf.switch_case(number, [functools.partial(change, view) for change in changes])

    order = tf.random.experimental.stateless_shuffle(tf.range(len(changes)), seeds[4])
    return tf.foldl(apply, order, initializer=view)


def exemplar_colors(patch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Changes contrast, saturation, value and hue as for surrogate classes.

    Principal components of the patch's colors are multiplied by factors in
    [0.5, 2]. Saturation and value are raised to powers in [0.25, 4], multiplied by
    factors in [0.7, 1.4], and moved by up to 0.1, the hue by up to a tenth of the
    color circle. Factors and powers are uniform in their logarithms.

    Args:
      patch: float32 [H, W, 3] in [0, 1].
      seed: int64 [2]; the same seed gives the same changes.

    Returns:
      float32 [H, W, 3] in [0, 1].

    References:
      Dosovitskiy, Springenberg, Riedmiller, Brox. Discriminative Unsupervised
      Feature Learning with Convolutional Neural Networks. NIPS 2014.
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 5))
    factors = log_uniform([3], seeds[0], 1 / COMPONENT_FACTOR, COMPONENT_FACTOR)
    hsv = tf.image.rgb_to_hsv(scale_principal_components(patch, factors))
    power = log_uniform([2], seeds[1], 1 / POWER, POWER)
    factor = log_uniform([2], seeds[2], *FACTORS)
    summand = tf.random.stateless_uniform([2], seeds[3], -SUMMAND, SUMMAND)
    saturation_and_value = factor * hsv[..., 1:] ** power + summand
    turn = tf.random.stateless_uniform([], seeds[4], -EXEMPLAR_HUE, EXEMPLAR_HUE)
    hue = tf.math.floormod(hsv[..., :1] + turn, 1.0)
    hsv = tf.concat([hue, tf.clip_by_value(saturation_and_value, 0.0, 1.0)], axis=-1)
    return tf.image.hsv_to_rgb(hsv)


def scale_principal_components(patch: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Multiplies the colors of a patch along its principal components.

    Args:
      patch: float32 [H, W, 3] in [0, 1].
      factors: float32 [3], for the components by rising variance; the mean stays.

    Returns:
      float32 [H, W, 3], clipped to [0, 1].
    """
    mean = tf.reduce_mean(patch, axis=[0, 1])
    colors = tf.reshape(patch - mean, [-1, 3])
    _, components = tf.linalg.eigh(tf.matmul(colors, colors, transpose_a=True))
    change = tf.matmul(components * factors, components, transpose_b=True)
    changed = tf.reshape(tf.matmul(colors, change), tf.shape(patch))
    return tf.clip_by_value(changed + mean, 0.0, 1.0)


def adjust_brightness(view: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Multiplies all values by a factor.

    Args:
      view: float32 [H, W, 3] in [0, 1].
      factor: float32 [], not negative.

    Returns:
      float32 [H, W, 3], clipped to [0, 1].
    """
    return tf.clip_by_value(view * factor, 0.0, 1.0)


def adjust_contrast(view: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Multiplies what differs from each channel's mean by a factor.

    Args:
      view: float32 [H, W, 3] in [0, 1].
      factor: float32 [], not negative.

    Returns:
      float32 [H, W, 3], clipped to [0, 1].
    """
    factor = tf.reshape(factor, [1, 1, 1, 1])
    return color_layers().contrast.augment_images(view[tf.newaxis], factor)[0]


def adjust_saturation(view: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Multiplies the HSV saturation, at most to 1.

    Args:
      view: float32 [H, W, 3] in [0, 1].
      factor: float32 [], not negative.

    Returns:
      float32 [H, W, 3] in [0, 1].
    """
    # keras-cv takes x for the factor x / (1 - x).
    share = tf.reshape(factor / (1 + factor), [1])
    return color_layers().saturation.augment_images(view[tf.newaxis], share)[0]


def adjust_hue(view: tf.Tensor, turn: tf.Tensor) -> tf.Tensor:
    """Turns the HSV hue.

    Args:
      view: float32 [H, W, 3] in [0, 1].
      turn: float32 [], part of the color circle, in [-1, 1].

    Returns:
      float32 [H, W, 3] in [0, 1].
    """
    return color_layers().hue.augment_images(view[tf.newaxis], tf.reshape(turn, [1]))[0]


def to_gray(view: tf.Tensor) -> tf.Tensor:
    """Returns the luma in all three channels.

    Args:
      view: float32 [H, W, 3] in [0, 1].

    Returns:
      float32 [H, W, 3] in [0, 1].
    """
    return color_layers().gray.augment_images(view[tf.newaxis])[0]


def gaussian_blur(view: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    """Blurs by a kernel of a tenth of the view's side.

    Args:
      view: float32 [S, S, 3].
      sigma: float32 [], standard deviation in pixels, above 0.

    Returns:
      float32 [S, S, 3]; beyond the border there is black, as in published code.
    """
    side = int(BLUR_SHARE * view.shape[0]) // 2 * 2 + 1
    layer = _blur_layer(side)
    kernel = layer.get_kernel(sigma, side)
    kernels = tf.reshape(kernel, [side, 1, 1, 1]), tf.reshape(kernel, [1, side, 1, 1])
    return layer.augment_image(view, kernels)


def log_uniform(shape: Sequence[int], seed: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """Returns numbers whose logarithms are uniform.

    Args:
      shape: of the result.
      seed: int64 [2]; the same seed gives the same numbers.
      low: the smallest number, above 0.
      high: the largest one.

    Returns:
      float32 [...] of the shape, in [low, high).
    """
    return tf.exp(tf.random.stateless_uniform(shape, seed, math.log(low), math.log(high)))


@functools.cache
def color_layers() -> ColorLayers:
    """Returns the layers of keras-cv that change colors, made once."""

    def build(layers: Any) -> ColorLayers:
        # Only their random numbers, which nobody asks for, depend on the ranges.
        fixed = {"seed": 1, "dtype": "float32"}
        return ColorLayers(
            contrast=layers.RandomContrast((0.0, 1.0), 0.5, **fixed),
            saturation=layers.RandomSaturation(0.5, **fixed),
            hue=layers.RandomHue(0.5, (0.0, 1.0), **fixed),
            gray=layers.Grayscale(3, **fixed),
        )

    return _build_layers(build)


@functools.cache
def _blur_layer(side: int) -> Any:
    """Returns the layer of keras-cv that blurs by a kernel of `side` pixels."""
    return _build_layers(
        lambda layers: layers.RandomGaussianBlur(side, 1.0, seed=1, dtype="float32")
    )


def _build_layers(build: Callable[[Any], Any]) -> Any:
    """Returns what a function makes of `keras_cv.layers`.

    In a thread of its own: each layer makes a generator, which is a variable, and
    neither a function of tf.data nor a distribution strategy is to make it.
    """
    with contextlib.redirect_stdout(io.StringIO()):  # keras-cv names its backend
        import keras_cv
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(build, keras_cv.layers).result()


def _sometimes(probability: float, seed: tf.Tensor, change: Change, view: tf.Tensor) -> tf.Tensor:
    """Returns a view that is changed with a probability."""
    is_changed = tf.random.stateless_uniform([], seed) < probability
    return tf.cond(is_changed, lambda: change(view), lambda: view)
