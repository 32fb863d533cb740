"""Color spaces as pure functions: lightness, hue/chroma, alpha-beta, Lab.

Every function keeps the floating-point type of its input, works on any number
of leading axes, and takes RGB in [0, 1]. None of them uses a matrix product,
which a GPU may round to ten bits.
"""

import numpy as np
import tensorflow as tf

# scikit-image's constants: linear sRGB to CIE XYZ, and the white point of D65
# for the 2 degree observer.
_XYZ_FROM_RGB = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_RGB_FROM_XYZ = np.linalg.inv(_XYZ_FROM_RGB)
_WHITE = np.array([0.95047, 1.0, 1.08883])
_SRGB_KNEE = 0.04045
_LINEAR_KNEE = 0.0031308
_LAB_KNEE = 0.008856
_LAB_ROOT_KNEE = 0.2068966


def rgb_to_lightness(rgb: tf.Tensor) -> tf.Tensor:
    """Returns the plain mean of the three channels.

    Args:
      rgb: float [..., 3], RGB in [0, 1].

    Returns:
      float [..., 1], lightness in [0, 1].

    Example:
      >>> rgb_to_lightness([[0.25, 0.5, 0.75]]).numpy().item()
      0.5
    """
    return tf.reduce_mean(tf.convert_to_tensor(rgb), axis=-1, keepdims=True)


def rgb_to_hue_chroma(rgb: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the HSV hue and the chroma.

    Args:
      rgb: float [..., 3], RGB in [0, 1].

    Returns:
      (hue, chroma): float [...] in [0, 1), 0 where achromatic, and float [...],
      maximum minus minimum, in [0, 1].

    Example:
      >>> hue, chroma = rgb_to_hue_chroma([0.0, 1.0, 1.0])
      >>> hue.numpy().item(), chroma.numpy().item()
      (0.5, 1.0)
    """
    rgb = tf.convert_to_tensor(rgb)
    red, green, blue = tf.unstack(rgb, num=3, axis=-1)
    value = tf.reduce_max(rgb, axis=-1)
    chroma = value - tf.reduce_min(rgb, axis=-1)
    divisor = tf.where(chroma > 0, chroma, tf.ones_like(chroma))
    sextant = tf.where(
        red == value,
        (green - blue) / divisor,
        tf.where(green == value, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    sextant = tf.where(sextant < 0, sextant + 6, sextant)
    # A tiny negative number plus 6 rounds to 6, the hue 1, which is the hue 0.
    sextant = tf.where(sextant < 6, sextant, tf.zeros_like(sextant))
    return sextant / 6, chroma


def hue_chroma_to_difference(hue: tf.Tensor, chroma: tf.Tensor) -> tf.Tensor:
    """Returns the difference from gray of colors of this hue and chroma.

    Args:
      hue: float [...], any number, read modulo 1.
      chroma: float [...], maximum minus minimum, in [0, 1].

    Returns:
      float [..., 3], RGB minus its mean, in [-2/3, 2/3].
    """
    hue = tf.convert_to_tensor(hue)
    chroma = tf.convert_to_tensor(chroma, hue.dtype)
    sextant = 6 * tf.math.floormod(hue, 1)
    saturated = tf.stack(
        [abs(sextant - 3) - 1, 2 - abs(sextant - 2), 2 - abs(sextant - 4)], axis=-1
    )
    base = tf.clip_by_value(saturated, 0, 1)
    return chroma[..., None] * (base - rgb_to_lightness(base))


def hue_chroma_to_rgb(hue: tf.Tensor, chroma: tf.Tensor, lightness: tf.Tensor) -> tf.Tensor:
    """Returns the color of this hue, chroma and mean lightness.

    Colors may leave [0, 1], where `lightness.fit_gamut` brings them back. This is
    the exact inverse of `rgb_to_hue_chroma` and `rgb_to_lightness`.

    Args:
      hue: float [...], any number, read modulo 1.
      chroma: float [...], in [0, 1].
      lightness: float [..., 1], mean of R, G and B, in [0, 1].

    Returns:
      float [..., 3], RGB.
    """
    return lightness + hue_chroma_to_difference(hue, chroma)


def rgb_to_alpha_beta(rgb: tf.Tensor, eps: float) -> tf.Tensor:
    """Returns the two color coordinates relative to lightness.

    Args:
      rgb: float [..., 3], RGB in [0, 1].
      eps: added to the lightness that divides; tames dark pixels.

    Returns:
      float [..., 2], alpha (blue against yellow) and beta (red against green).

    References:
      Deshpande, Rock, Forsyth. Learning Large-Scale Automatic Image
      Colorization. ICCV 2015.
    """
    rgb = tf.convert_to_tensor(rgb)
    red, green, blue = tf.unstack(rgb, num=3, axis=-1)
    opponents = tf.stack([blue - (red + green) / 2, red - green], axis=-1)
    return opponents / (rgb_to_lightness(rgb) + eps)


def alpha_beta_to_rgb(alpha_beta: tf.Tensor, lightness: tf.Tensor) -> tf.Tensor:
    """Returns the color of these coordinates and mean lightness.

    Colors may leave [0, 1]. Inverts `rgb_to_alpha_beta` with `eps` 0.

    Args:
      alpha_beta: float [..., 2], alpha and beta.
      lightness: float [..., 1], mean of R, G and B, in [0, 1].

    Returns:
      float [..., 3], RGB.
    """
    alpha, beta = tf.unstack(tf.convert_to_tensor(alpha_beta), num=2, axis=-1)
    relative = tf.stack([beta / 2 - alpha / 3, -beta / 2 - alpha / 3, alpha * 2 / 3], axis=-1)
    return lightness + lightness * relative


def rgb_to_lab(rgb: tf.Tensor) -> tf.Tensor:
    """Returns CIE L*a*b* for D65, 2 degrees, with sRGB companding.

    Args:
      rgb: float [..., 3], sRGB in [0, 1].

    Returns:
      float [..., 3], L* in [0, 100], a* and b* roughly in [-110, 100].
    """
    rgb = tf.convert_to_tensor(rgb)
    power = ((tf.maximum(rgb, _SRGB_KNEE) + 0.055) / 1.055) ** 2.4
    xyz = _transform(tf.where(rgb > _SRGB_KNEE, power, rgb / 12.92), _XYZ_FROM_RGB)
    xyz = xyz / tf.constant(_WHITE, xyz.dtype)
    root = tf.maximum(xyz, _LAB_KNEE) ** (1 / 3)
    x, y, z = tf.unstack(tf.where(xyz > _LAB_KNEE, root, 7.787 * xyz + 16 / 116), num=3, axis=-1)
    return tf.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def lab_to_rgb(lab: tf.Tensor, *, is_clipped: bool = True) -> tf.Tensor:
    """Returns sRGB, by default clipped to [0, 1] where the Lab color has none.

    Args:
      lab: float [..., 3], L* in [0, 100], a* and b*.
      is_clipped: False continues the conversion beyond the gamut, so that the
        caller can bring colors back in its own way.

    Returns:
      float [..., 3], sRGB.
    """
    lightness, a, b = tf.unstack(tf.convert_to_tensor(lab), num=3, axis=-1)
    y = (lightness + 16) / 116
    root = tf.stack([a / 500 + y, y, tf.maximum(y - b / 200, 0)], axis=-1)
    xyz = tf.where(root > _LAB_ROOT_KNEE, root**3, (root - 16 / 116) / 7.787)
    linear = _transform(xyz * tf.constant(_WHITE, xyz.dtype), _RGB_FROM_XYZ)
    power = 1.055 * tf.maximum(linear, _LINEAR_KNEE) ** (1 / 2.4) - 0.055
    rgb = tf.where(linear > _LINEAR_KNEE, power, 12.92 * linear)
    return tf.clip_by_value(rgb, 0, 1) if is_clipped else rgb


def _transform(vectors: tf.Tensor, matrix: np.ndarray) -> tf.Tensor:
    """Applies a 3 x 3 matrix to float [..., 3] vectors at full precision."""
    return tf.reduce_sum(vectors[..., None, :] * tf.constant(matrix, vectors.dtype), axis=-1)
