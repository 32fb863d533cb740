"""How often each of the 313 colors occurs, and what a rare one should weigh."""

import numpy as np
import tensorflow as tf

from tfcolor.color.gamut import GAMUT_POINTS, is_gray, rebalancing_weights, soft_encode
from tfcolor.color.spaces import rgb_to_lab
from tfcolor.core.progress import track
from tfcolor.data.reading import ExampleReader

PIXELS_PER_IMAGE = 2048


def estimate_prior(reader: ExampleReader, num_images: int) -> np.ndarray:
    """Returns the mean soft encoding of the pixels of some photographs.

    The photographs are spread evenly over the source and so are the pixels in
    each, so that the result depends on the data alone. Gray photographs do not
    count.

    Args:
      reader: photographs in color.
      num_images: how many to look at; all where there are fewer.

    Returns:
      float64 [313], sums to 1; uniform if every photograph is gray.

    References:
      Zhang, Isola, Efros. Colorful Image Colorization. ECCV 2016, section 2.2.
    """
    count = min(num_images, reader.num_examples)
    total = np.zeros(len(GAMUT_POINTS))
    positions = [index * reader.num_examples // count for index in range(count)]
    for position in track(positions, "counting colors", count, "images"):
        rgb, _ = reader.read(position)
        pixels = rgb.reshape(-1, 3)
        pixels = pixels[:: -(-len(pixels) // PIXELS_PER_IMAGE)]
        ab = rgb_to_lab(tf.constant(pixels / 255, tf.float32))[None, ..., 1:]
        if not is_gray(ab[None])[0]:
            total += tf.reduce_sum(tf.cast(soft_encode(ab[0]), tf.float64), axis=0).numpy()
    if not total.any():
        return np.full(len(total), 1 / len(total))
    return total / total.sum()


def estimate_class_weights(
    reader: ExampleReader, num_images: int, uniform_share: float
) -> tuple[float, ...]:
    """Returns the weights that make rare colors count more.

    Args:
      reader: photographs in color.
      num_images: how many to look at.
      uniform_share: share of the uniform distribution in the mix whose inverse
        is the weight, in [0, 1]; 1 weighs all alike.

    Returns:
      313 positive numbers, whose mean under the prior is 1.
    """
    prior = estimate_prior(reader, num_images)
    return tuple(float(weight) for weight in rebalancing_weights(prior, mix=uniform_share))
