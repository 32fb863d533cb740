"""Moving statistics of batch norm, of other images than those of the training."""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from tfcolor.backbones.base import Backbone
from tfcolor.core.errors import UserError
from tfcolor.layers.batch_norm import copied_statistics


def recompute_statistics(backbone: Backbone, batches: Iterable[tf.Tensor]) -> int:
    """Replaces the moving statistics by those of batches of images, in place.

    Every batch is normalized by itself, as in training. A channel's mean is that of
    the batches' means, its variance the mean of their second moments less its
    square. A frozen layer keeps what it has, and so does the count of updates.

    Args:
      backbone: a network with batch norm.
      batches: float32 [B, H, W, C] images in [0, 1], of any sizes; B of 16 and more
        is meant.

    Returns:
      The number of images.

    Raises:
      UserError: if the network has no batch norm, or there is no image.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017: each
      worker sees one task, so statistics are those of a task, not of what is
      measured. Wu, Johnson. Rethinking "Batch" in BatchNorm. 2021, section 3.
    """
    layers = [layer for layer in backbone.batch_norms.values() if layer.trainable]
    if not layers:
        raise UserError(f"{backbone.name} has no batch norm whose statistics could be recomputed")
    updates = [layer.num_updates.numpy() for layer in layers]
    sums = [np.zeros([2, layer.moving_mean.shape[0]]) for layer in layers]
    num_batches = num_images = 0
    for images in batches:
        count = int(images.shape[0])
        # Of dropout, which stays on as in training: each image has its own.
        seeds = tf.stack([tf.range(num_images, num_images + count), tf.zeros([count], tf.int32)], 1)
        with copied_statistics():
            backbone(images, tf.cast(seeds, tf.int64), training=True)
        for layer, total in zip(layers, sums, strict=True):
            mean = layer.moving_mean.numpy().astype(np.float64)
            total += [mean, layer.moving_variance.numpy() + mean**2]
        num_batches, num_images = num_batches + 1, num_images + count
    if not num_batches:
        raise UserError("there is no image to recompute the statistics of batch norm from")
    for layer, total, number in zip(layers, sums, updates, strict=True):
        mean, squares = total / num_batches
        layer.moving_mean.assign(mean.astype(np.float32))
        layer.moving_variance.assign((squares - mean**2).astype(np.float32))
        layer.num_updates.assign(number)
    return num_images
