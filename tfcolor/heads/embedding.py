"""Features of whole patches, one vector for each."""

from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.taps import Tap


def patch_embeddings(
    features: Mapping[str, tf.Tensor], inputs: Mapping[str, tf.Tensor]
) -> tf.Tensor:
    """Returns the backbone's top as one vector for each patch of each example.

    Args:
      features: with the `top`, float [B * T, D], or [B * T, h, w, D], which is
        averaged over its cells.
      inputs: with the `image`, float32 [B, T, H, W, C], or [B, H, W, C] for T = 1.

    Returns:
      float32 [B, T, D].
    """
    top = tf.cast(features["top"], tf.float32)
    if top.shape.rank == 4:
        top = tf.reduce_mean(top, axis=[1, 2])
    images = inputs["image"]
    num_patches = images.shape[1] if images.shape.rank == 5 else 1
    return tf.reshape(top, [-1, num_patches, top.shape[-1]])


def embedding_size(taps: Mapping[str, Tap]) -> int:
    """Returns D of `patch_embeddings`.

    Args:
      taps: what `build_head` is given; the last one is the top.

    Returns:
      The channels of the top.

    Example:
      >>> embedding_size({"conv1": Tap("conv1", 2, 0.5, 8), "top": Tap("top", 32, 15.5, 192)})
      192
    """
    return list(taps.values())[-1].channels
