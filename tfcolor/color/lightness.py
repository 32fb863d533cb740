"""Colors that keep the photograph's lightness, as floats and as integers."""

import tensorflow as tf

GAMUTS = ("chroma", "clip")
_INTEGERS = {8: tf.uint8, 16: tf.uint16}


def fit_gamut(lightness: tf.Tensor, difference: tf.Tensor, gamut: str = "chroma") -> tf.Tensor:
    """Adds a color difference to gray and brings the result into [0, 1].

    Differentiable; the gradient is finite everywhere.

    Args:
      lightness: float [..., 1], gray, in [0, 1].
      difference: float [..., 3], RGB minus gray, with mean 0.
      gamut: "chroma" scales the difference by the largest factor up to 1 that
        stays inside, which keeps lightness and hue; "clip" clips each channel,
        as the published release does, which changes both.

    Returns:
      float [..., 3], RGB in [0, 1].

    Raises:
      ValueError: if `gamut` is unknown.

    Example:
      >>> fit_gamut([0.25], [0.5, -0.5, 0.0]).numpy().tolist()
      [0.5, 0.0, 0.25]
    """
    if gamut not in GAMUTS:
        raise ValueError(f"gamut {gamut!r}: expected one of {GAMUTS}")
    lightness, difference = tf.convert_to_tensor(lightness), tf.convert_to_tensor(difference)
    if gamut == "chroma":
        room = tf.where(difference > 0, 1 - lightness, lightness)
        needed = tf.abs(difference)
        # A channel that fits divides 1 by 1, so no zero difference divides.
        is_outside = needed > room
        ones = tf.ones_like(needed)
        scales = tf.where(is_outside, room, ones) / tf.where(is_outside, needed, ones)
        difference = difference * tf.reduce_min(scales, axis=-1, keepdims=True)
    return tf.clip_by_value(lightness + difference, 0, 1)


def quantize_rgb(rgb: tf.Tensor, bits: int = 8) -> tf.Tensor:
    """Rounds a color to integers that keep the mean of its channels.

    Rounding each channel by itself moves the mean by up to half a step. Here the
    integers add up to the rounded sum of the channels (the channels with the
    largest remainders are rounded up), so the mean moves by at most 1/6 step, and
    not at all where it was a whole step, as for a gray photograph of as many bits.

    Args:
      rgb: float [..., 3], RGB, clipped to [0, 1].
      bits: of the integers, 8 or 16.

    Returns:
      uint8 or uint16 [..., 3] over its full range; each channel within one step
      of the color.

    Raises:
      ValueError: if there is no such integer.

    Example:
      >>> quantize_rgb([100.4 / 255, 100.4 / 255, 99.2 / 255]).numpy().tolist()
      [101, 100, 99]
    """
    if bits not in _INTEGERS:
        raise ValueError(f"{bits} bits: expected one of {tuple(_INTEGERS)}")
    scaled = (2**bits - 1) * tf.clip_by_value(tf.convert_to_tensor(rgb), 0, 1)
    floors = tf.floor(scaled)
    remainders = scaled - floors
    num_raised = tf.round(tf.reduce_sum(remainders, axis=-1))
    red, green, blue = tf.unstack(remainders, num=3, axis=-1)
    # How many channels go first: those with a larger remainder, then the earlier.
    ranks = [
        _count(green > red, blue > red),
        _count(red >= green, blue > green),
        _count(red >= blue, green >= blue),
    ]
    is_raised = tf.cast(tf.stack(ranks, axis=-1), scaled.dtype) < num_raised[..., None]
    return tf.cast(floors + tf.cast(is_raised, scaled.dtype), _INTEGERS[bits])


def _count(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Returns how many of two bool [...] tensors are true, as int32 [...]."""
    return tf.cast(first, tf.int32) + tf.cast(second, tf.int32)
