"""Where objects may be: anchors, the network that scores them, and its proposals."""

from collections.abc import Sequence

import tensorflow as tf

from tfcolor.core.boxes import box_areas, clip_boxes, decode_boxes
from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Scalar, Tap

KERNEL_DEVIATION = 0.01
NO_SCORE = -1.0
"""Of what is no box; scores are probabilities."""


def build_anchors(
    tap: Tap, rows: Scalar, columns: Scalar, sides: Sequence[int], ratios: Sequence[float]
) -> tf.Tensor:
    """Returns boxes of several sizes and shapes about the center of each cell.

    Unlike those of keras-cv, anchors follow the tap's geometry, and the map may be
    of a size that is not static.

    Args:
      tap: geometry of the map.
      rows: of the map, H.
      columns: of the map, W.
      sides: roots of the areas, in pixels.
      ratios: heights over widths.

    Returns:
      float32 [H * W * A, 4], edges; the A anchors of a cell follow each other.

    Example:
      >>> build_anchors(Tap("top", 4, 1.5), 1, 2, [8], [1.0]).numpy().tolist()
      [[-2.0, -2.0, 6.0, 6.0], [-2.0, 2.0, 6.0, 10.0]]
    """
    shapes = [(side * ratio**0.5, side / ratio**0.5) for side in sides for ratio in ratios]
    half = tf.constant(shapes, tf.float32) / 2
    # The center of a pixel is half a pixel from its edge.
    centers = [tap.centers(axis, size) + 0.5 for axis, size in enumerate((rows, columns))]
    grid = tf.stack(tf.meshgrid(*centers, indexing="ij"), axis=-1)[:, :, tf.newaxis]
    return tf.reshape(tf.concat([grid - half, grid + half], axis=-1), [-1, 4])


class RegionProposalNetwork(tf.keras.layers.Layer):
    """Scores the anchors of each cell, and says where the object near them lies.

    Args:
      tap: of the map that it reads.
      num_anchors: A, anchors per cell.
      hidden_units: channels of the 3x3 convolution below.
      seed: every initial kernel derives from it.

    References:
      Ren, He, Girshick, Sun. Faster R-CNN. NeurIPS 2015, section 3.1.
    """

    def __init__(self, tap: Tap, num_anchors: int, hidden_units: int, *, seed: int) -> None:
        super().__init__(name="region_proposal", autocast=False)
        self.hidden, self.objectness, self.offsets = (
            tf.keras.layers.Conv2D(
                filters,
                kernel,
                padding="same",
                kernel_initializer=tf.keras.initializers.RandomNormal(
                    stddev=KERNEL_DEVIATION, seed=derive_seed(seed, f"region_proposal/{name}")
                ),
                dtype="float32",
                name=name,
            )
            for name, filters, kernel in (
                ("hidden", hidden_units, 3),
                ("objectness", num_anchors, 1),
                ("offsets", 4 * num_anchors, 1),
            )
        )
        self.hidden.build([None, None, None, tap.channels])
        for layer in (self.objectness, self.offsets):
            layer.build([None, None, None, hidden_units])

    def call(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Scores all anchors of a map.

        Args:
          features: float32 [B, H, W, C].

        Returns:
          (logits, offsets): float32 [B, H * W * A], that there is an object, and
          float32 [B, H * W * A, 4], as `encode_boxes` has them; in the order of
          `build_anchors`.
        """
        hidden = tf.nn.relu(self.hidden(features))
        batch = tf.shape(features)[0]
        logits = tf.reshape(self.objectness(hidden), [batch, -1])
        return logits, tf.reshape(self.offsets(hidden), [batch, -1, 4])


def propose_regions(
    scores: tf.Tensor,
    boxes: tf.Tensor,
    *,
    num_candidates: int,
    num_proposals: int,
    threshold: float,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the boxes of the highest scores that overlap none of a higher one much.

    Args:
      scores: float32 [B, N] in [0, 1].
      boxes: float32 [B, N, 4], edges; those without area are left out.
      num_candidates: how many boxes, by score, are looked at.
      num_proposals: R, how many boxes there are at most.
      threshold: intersection over union from which on a box is left out.

    Returns:
      (boxes, is_real): float32 [B, R, 4], without gradient, and bool [B, R], false
      for the rows after the last proposal, which are 0.

    References:
      Ren, He, Girshick, Sun. Faster R-CNN. NeurIPS 2015, section 3.3.
    """
    scores, boxes = tf.stop_gradient(scores), tf.stop_gradient(boxes)
    scores = tf.where(box_areas(boxes) > 0, scores, NO_SCORE)
    count = tf.minimum(num_candidates, tf.shape(scores)[1])
    scores, order = tf.math.top_k(scores, count)
    boxes = tf.gather(boxes, order, batch_dims=1)
    # One kernel; `non_max_suppression_padded` is a graph of loops.
    proposals, _, _, num_valid = tf.image.combined_non_max_suppression(
        boxes[:, :, tf.newaxis],
        scores[..., tf.newaxis],
        num_proposals,
        num_proposals,
        iou_threshold=threshold,
        score_threshold=NO_SCORE / 2,
        clip_boxes=False,
    )
    is_real = tf.range(num_proposals) < num_valid[:, tf.newaxis]
    return tf.where(is_real[..., tf.newaxis], proposals, 0.0), is_real


def decode_regions(offsets: tf.Tensor, anchors: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Returns the boxes that a network sees near anchors, within the image.

    Args:
      offsets: float32 [B, N, 4].
      anchors: float32 [N, 4], edges.
      size: float32 [B, 2], (height, width) of each image in pixels.

    Returns:
      float32 [B, N, 4], edges.
    """
    return clip_boxes(decode_boxes(offsets, anchors), size[:, tf.newaxis])
