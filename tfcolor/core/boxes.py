"""Geometry of boxes: overlaps, offsets between boxes, clipping.

A box is (y1, x1, y2, x2). Edges are distances from the image's top-left corner in
pixels, so that an image of H x W pixels is the box (0, 0, H, W). Boxes of VOC name
the first and the last pixel instead; see `pixels_to_edges`.
"""

import math

import tensorflow as tf

OFFSET_DEVIATIONS = (0.1, 0.1, 0.2, 0.2)
"""What offsets of the published box head are divided by."""

MAX_LOG_SCALE = math.log(1000 / 16)
"""The largest change of a side, which keeps a wild offset finite, as published."""


def pixels_to_edges(boxes: tf.Tensor) -> tf.Tensor:
    """Turns the first and last pixels of boxes into their edges.

    Args:
      boxes: float [..., 4], (y1, x1, y2, x2), the centers of the first and of the
        last pixel inside; (0, 0) is the center of the top-left pixel.

    Returns:
      float [..., 4], the distances of the edges from the image's top-left corner.

    Example:
      >>> pixels_to_edges(tf.constant([[0.0, 0.0, 9.0, 4.0]])).numpy().tolist()
      [[0.0, 0.0, 10.0, 5.0]]
    """
    return boxes + tf.constant([0, 0, 1, 1], boxes.dtype)


def edges_to_pixels(boxes: tf.Tensor) -> tf.Tensor:
    """Turns the edges of boxes into their first and last pixels.

    Args:
      boxes: float [..., 4], distances from the image's top-left corner.

    Returns:
      float [..., 4], as `pixels_to_edges` takes them.
    """
    return boxes - tf.constant([0, 0, 1, 1], boxes.dtype)


def box_overlaps(boxes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Returns the intersection over union of every two boxes.

    Nothing is added to the union, so that whole numbers give exact fractions and
    a threshold can be reached.

    Args:
      boxes: float [..., N, 4], edges.
      others: float [..., M, 4], edges.

    Returns:
      float [..., N, M] in [0, 1]; 0 where neither box has an area.
    """
    top_left = tf.maximum(boxes[..., :, tf.newaxis, :2], others[..., tf.newaxis, :, :2])
    bottom_right = tf.minimum(boxes[..., :, tf.newaxis, 2:], others[..., tf.newaxis, :, 2:])
    sides = tf.maximum(bottom_right - top_left, 0)
    both = sides[..., 0] * sides[..., 1]
    union = box_areas(boxes)[..., :, tf.newaxis] + box_areas(others)[..., tf.newaxis, :] - both
    return tf.math.divide_no_nan(both, union)


def box_areas(boxes: tf.Tensor) -> tf.Tensor:
    """Returns the areas of boxes.

    Args:
      boxes: float [..., 4], edges.

    Returns:
      float [...], square pixels; 0 for a box whose edges are in the wrong order.
    """
    sides = tf.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return sides[..., 0] * sides[..., 1]


def encode_boxes(boxes: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """Returns how boxes lie relative to anchors.

    Args:
      boxes: float [..., 4], edges; of positive area.
      anchors: float [..., 4], edges; of positive area.

    Returns:
      float [..., 4], (rows, columns, log height, log width): the shift of the
      center in sides of the anchor, and the logarithm of the ratio of the sides.

    References:
      Ren, He, Girshick, Sun. Faster R-CNN. NeurIPS 2015, equation 2.
    """
    center, sides = _center_form(boxes)
    anchor_center, anchor_sides = _center_form(anchors)
    shift = (center - anchor_center) / anchor_sides
    return tf.concat([shift, tf.math.log(sides / anchor_sides)], axis=-1)


def decode_boxes(offsets: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """Returns the boxes that lie so relative to anchors: the inverse of `encode_boxes`.

    Args:
      offsets: float [..., 4], as `encode_boxes` gives them; a side grows at most by
        `exp(MAX_LOG_SCALE)`.
      anchors: float [..., 4], edges; of positive area.

    Returns:
      float [..., 4], edges.
    """
    anchor_center, anchor_sides = _center_form(anchors)
    center = anchor_center + offsets[..., :2] * anchor_sides
    sides = anchor_sides * tf.exp(tf.minimum(offsets[..., 2:], MAX_LOG_SCALE))
    return tf.concat([center - sides / 2, center + sides / 2], axis=-1)


def clip_boxes(boxes: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Cuts off what lies outside of the image.

    Args:
      boxes: float [..., 4], edges.
      size: float [..., 2], (height, width) in pixels, of a shape that broadcasts.

    Returns:
      float [..., 4], edges within the image.
    """
    return tf.clip_by_value(boxes, 0.0, tf.concat([size, size], axis=-1))


def _center_form(boxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns centers and sides, [..., 2] each."""
    sides = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + sides / 2, sides
