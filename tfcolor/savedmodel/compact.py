"""Networks whose weights take half the room, and what that costs."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from tfcolor.inference.loading import GrayToColor
from tfcolor.metrics.image_quality import PeakSignalToNoise
from tfcolor.models.network import Network

STORAGE_DTYPE = "float16"


class HalfStorage(tf.keras.mixed_precision.Policy):
    """Stores weights as float16 and casts them where they are used.

    Layers that ask for float32 themselves keep it: batch statistics and the
    last layer, which are small.

    Args:
      name: the policy whose type is computed in ("float32", "mixed_bfloat16").
    """

    @property
    def variable_dtype(self) -> str:
        """Returns the type of the variables that layers create."""
        return STORAGE_DTYPE


def copy_weights(source: Network, target: Network) -> None:
    """Copies all weights, rounded where the target stores them in fewer bits.

    Args:
      source: the trained network.
      target: a network of the same layers.

    Raises:
      ValueError: if a weight would no longer be finite.
    """
    for old, new in zip(source.variables, target.variables, strict=True):
        value = tf.cast(old.read_value(), new.dtype)
        if new.dtype.is_floating and not np.isfinite(value.numpy()).all():
            raise ValueError(f"{old.name} does not fit {new.dtype.name}")
        new.assign(value)


def measure_compact(
    full: GrayToColor, compact: GrayToColor, photographs: Iterable[np.ndarray]
) -> dict[str, Any]:
    """Measures what is lost where weights take half the room.

    Args:
      full: the colorizer as trained.
      compact: the one of rounded weights.
      photographs: uint8 [H, W, 3] each, in their true colors.

    Returns:
      `psnr_db_full` and `psnr_db_compact` against the true colors, `loss_db`,
      their difference, `agreement_db`, the PSNR of one coloring against the
      other, and `num_images`.
    """
    scores = {name: PeakSignalToNoise() for name in ("full", "compact", "agreement")}
    num_images = 0
    for pixels in photographs:
        rgb = tf.cast(pixels, tf.float32)[None] / 255.0
        gray = tf.reduce_mean(rgb, axis=-1, keepdims=True)
        before, after = full.colorize(gray)["rgb"], compact.colorize(gray)["rgb"]
        scores["full"].update_state(rgb, before)
        scores["compact"].update_state(rgb, after)
        scores["agreement"].update_state(before, after)
        num_images += 1
    means = {name: float(score.result()) for name, score in scores.items()}
    return {
        "psnr_db_full": means["full"],
        "psnr_db_compact": means["compact"],
        "loss_db": means["full"] - means["compact"],
        "agreement_db": means["agreement"],
        "num_images": num_images,
    }
