"""What a region shows: its features, and the classes and boxes that they tell."""

from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.boxes import OFFSET_DEVIATIONS, clip_boxes, decode_boxes
from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap
from tfcolor.heads.region_bodies import RegionBody
from tfcolor.ops.sparse_hypercolumn import sparse_hypercolumn

SAMPLES = 2
"""Bilinear samples along each side of a bin, as published."""

CLASS_DEVIATION, OFFSET_DEVIATION = 0.01, 0.001
"""Standard deviations of the initial kernels of the last layers, as published."""


def pool_regions(features: tf.Tensor, tap: Tap, boxes: tf.Tensor, size: int) -> tf.Tensor:
    """Returns the features of regions, averaged over a grid of bins (RoIAlign).

    Each bin is the mean of four bilinear samples. Locations follow the tap, as
    everywhere; keras-cv's layer takes the first cell to lie at pixel 0, strides of
    powers of 2 and static sizes.

    Args:
      features: float32 [B, H, W, C].
      tap: geometry of `features`.
      boxes: float32 [B, R, 4], edges in pixels of the image. No gradient.
      size: S, bins along each side.

    Returns:
      float32 [B, R, S, S, C].

    References:
      He, Gkioxari, Dollar, Girshick. Mask R-CNN. ICCV 2017, section 3.
    """
    steps = (tf.range(size * SAMPLES, dtype=tf.float32) + 0.5) / (size * SAMPLES)
    spans = boxes[..., 2:] - boxes[..., :2]
    # [B, R, axis, step]; the center of a pixel is half a pixel from its edge.
    points = boxes[..., :2, tf.newaxis] + spans[..., tf.newaxis] * steps - 0.5
    count = size * SAMPLES
    rows = tf.repeat(points[..., 0, :, tf.newaxis], count, axis=-1)
    columns = tf.repeat(points[..., 1, tf.newaxis, :], count, axis=-2)
    locations = tf.stack([rows, columns], axis=-1)
    batch, num_regions = tf.shape(boxes)[0], tf.shape(boxes)[1]
    samples = sparse_hypercolumn([features], tf.reshape(locations, [batch, -1, 2]), [tap])
    channels = features.shape[-1]
    bins = tf.reshape(samples, [batch, num_regions, size, SAMPLES, size, SAMPLES, channels])
    return tf.reduce_mean(bins, axis=[3, 5])


class RegionClassifier(tf.keras.layers.Layer):
    """Tells what regions show, and for each class where it lies.

    A linear layer each for the classes and the offsets, on what describes a
    region.

    Args:
      body: describes regions: float32 [N, S, S, C] to [N, D]; see
        `tfcolor.heads.region_bodies`.
      num_classes: K; the background is class K.
      seed: every initial kernel derives from it.

    References:
      Girshick. Fast R-CNN. ICCV 2015, section 2.
    """

    def __init__(self, body: RegionBody, num_classes: int, *, seed: int) -> None:
        super().__init__(name="region_classifier", autocast=False)
        self.body, self.num_classes = body, num_classes
        size, seed = body.size, derive_seed(seed, "region_classifier")
        self.classes = _dense("classes", size, num_classes + 1, CLASS_DEVIATION, seed)
        self.offsets = _dense("offsets", size, 4 * num_classes, OFFSET_DEVIATION, seed)

    def call(self, regions: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Classifies regions.

        Args:
          regions: float32 [B, R, S, S, C], of R regions of each image.
          training: whether batch norm uses the statistics of these regions.

        Returns:
          (logits, offsets): float32 [B, R, K + 1], and float32 [B, R, K, 4] in
          units of `OFFSET_DEVIATIONS`.
        """
        shape = tf.shape(regions)
        described = self.body(tf.reshape(regions, [-1, *regions.shape[2:]]), training=training)
        described = tf.reshape(described, [shape[0], shape[1], self.body.size])
        offsets = tf.reshape(self.offsets(described), [shape[0], shape[1], self.num_classes, 4])
        return self.classes(described), offsets


def _dense(
    name: str, in_size: int, size: int, deviation: float, seed: int
) -> tf.keras.layers.Dense:
    """Returns a linear layer with its variables."""
    kernel = tf.keras.initializers.RandomNormal(stddev=deviation, seed=derive_seed(seed, name))
    layer = tf.keras.layers.Dense(size, kernel_initializer=kernel, dtype="float32", name=name)
    layer.build([None, in_size])
    return layer


def detect(
    probs: tf.Tensor,
    offsets: tf.Tensor,
    regions: tf.Tensor,
    size: tf.Tensor,
    *,
    max_detections: int,
    threshold: float,
    min_score: float,
) -> Mapping[str, tf.Tensor]:
    """Returns the objects that regions show, each class by itself.

    Args:
      probs: float32 [B, R, K] in [0, 1]; 0 for a row that is no region.
      offsets: float32 [B, R, K, 4] in units of `OFFSET_DEVIATIONS`.
      regions: float32 [B, R, 4], edges.
      size: float32 [B, 2], (height, width) of each image in pixels.
      max_detections: D, of one image.
      threshold: intersection over union with one of the same class and a higher
        score, from which on a box is left out.
      min_score: what a detection must pass, at least 0.

    Returns:
      `found_boxes` float32 [B, D, 4], edges; `found_scores` float32 [B, D], falling;
      `found_labels` int32 [B, D] in [0, K), or -1 after the last detection.
    """
    anchors = regions[:, :, tf.newaxis]
    # A row that is no region has no area, and a probability of 0.
    boxes = decode_boxes(offsets * tf.constant(OFFSET_DEVIATIONS), anchors)
    boxes = clip_boxes(boxes, size[:, tf.newaxis, tf.newaxis])
    found, scores, labels, count = tf.image.combined_non_max_suppression(
        boxes,
        probs,
        max_detections,
        max_detections,
        iou_threshold=threshold,
        score_threshold=min_score,
        clip_boxes=False,
    )
    is_real = tf.range(max_detections) < count[:, tf.newaxis]
    return {
        "found_boxes": found,
        "found_scores": scores,
        "found_labels": tf.where(is_real, tf.cast(labels, tf.int32), -1),
    }
