"""Which boxes a detector learns from: matching with objects, and drawing a sample."""

import contextlib
import functools
import io
from typing import Any

import tensorflow as tf

from tfcolor.core.boxes import box_overlaps

OBJECT, BACKGROUND, UNUSED = 1, 0, -1
"""What a box is to be taken for; the last counts neither way."""


def match_boxes(
    overlaps: tf.Tensor, is_difficult: tf.Tensor, low: float, high: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Tells which object each box shows.

    Args:
      overlaps: float32 [B, N, G] in [0, 1], of boxes with objects; negative for
        rows that are no object. G is at least 1.
      is_difficult: bool [B, G]; what shows a difficult object is unused.
      low: below it a box is background.
      high: from it on a box shows the object; between the two it is unused.

    Returns:
      (outcomes, matches): int32 [B, N], `OBJECT`, `BACKGROUND` or `UNUSED`; int32
      [B, N], the object that each overlaps most.
    """
    matches, outcomes = _matcher(low, high)(overlaps)
    is_hard = tf.gather(is_difficult, matches, batch_dims=1)
    is_unused = is_hard & (outcomes == OBJECT)
    return tf.where(is_unused, UNUSED, outcomes), matches


def match_anchors(
    anchors: tf.Tensor,
    is_inside: tf.Tensor,
    boxes: tf.Tensor,
    is_object: tf.Tensor,
    is_difficult: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Tells which object each anchor is for.

    An anchor is for the object that it overlaps most if that is by 0.7 or more, or
    if no other anchor of its image overlaps the object more; it is background below
    0.3. Anchors outside of the image are unused. The paper leaves out all that cross
    its border too; these are kept, because objects at the border of small
    photographs would have no anchor.

    Args:
      anchors: float32 [A, 4], edges.
      is_inside: bool [B, A], which belong to the image.
      boxes: float32 [B, G, 4], edges; G is at least 1.
      is_object: bool [B, G], false for padding.
      is_difficult: bool [B, G].

    Returns:
      As `match_boxes`, for N = A.

    References:
      Ren, He, Girshick, Sun. Faster R-CNN. NeurIPS 2015, sections 3.1.2 and 3.3.
    """
    overlaps = masked_overlaps(anchors[tf.newaxis], boxes, is_object)
    overlaps = tf.where(is_inside[..., tf.newaxis], overlaps, -1.0)
    outcomes, matches = match_boxes(overlaps, is_difficult, 0.3, 0.7)
    # Not keras-cv's force_match_for_each_col, which forces padding too, and the
    # first row always: it takes a column of -1 that it adds for an object.
    best = tf.reduce_max(overlaps, axis=1, keepdims=True)
    is_best = (overlaps == best) & (overlaps > 0) & ~is_difficult[:, tf.newaxis]
    is_forced = tf.reduce_any(is_best, axis=-1) & (outcomes != OBJECT)
    forced = tf.argmax(tf.where(is_best, overlaps, -1.0), axis=-1, output_type=tf.int32)
    outcomes = tf.where(is_forced, OBJECT, outcomes)
    return tf.where(is_inside, outcomes, UNUSED), tf.where(is_forced, forced, matches)


def masked_overlaps(boxes: tf.Tensor, objects: tf.Tensor, is_object: tf.Tensor) -> tf.Tensor:
    """Returns the intersection over union of boxes with objects.

    Args:
      boxes: float32 [B or 1, N, 4], edges.
      objects: float32 [B, G, 4], edges.
      is_object: bool [B, G], false for padding.

    Returns:
      float32 [B, N, G] in [0, 1], or -1 for padding.
    """
    return tf.where(is_object[:, tf.newaxis], box_overlaps(boxes, objects), -1.0)


def sample_outcomes(
    outcomes: tf.Tensor, seeds: tf.Tensor, count: int, object_share: float
) -> tf.Tensor:
    """Draws a sample in which objects are not too rare.

    Args:
      outcomes: int32 [B, N], `OBJECT`, `BACKGROUND` or `UNUSED`.
      seeds: int64 [B, 2], one stateless seed per example.
      count: how many boxes are drawn, as far as there are enough.
      object_share: largest share of objects; what they leave is background.

    Returns:
      int32 [B, N], `UNUSED` where a box is not drawn.
    """
    length = tf.shape(outcomes)[1]
    draws = tf.map_fn(
        lambda seed: tf.random.stateless_uniform([length], seed, alg="philox"),
        seeds,
        fn_output_signature=tf.float32,
    )
    is_object = _drawn(draws, outcomes == OBJECT, int(count * object_share))
    left = count - tf.reduce_sum(tf.cast(is_object, tf.int32), axis=1, keepdims=True)
    is_background = _drawn(draws, outcomes == BACKGROUND, left)
    return tf.where(is_object | is_background, outcomes, UNUSED)


def _drawn(draws: tf.Tensor, is_candidate: tf.Tensor, count: tf.Tensor | int) -> tf.Tensor:
    """Returns which candidates, bool [B, N], are among the first by their draws."""
    order = tf.argsort(tf.where(is_candidate, draws, 2.0), axis=1, stable=True)
    place = tf.argsort(order, axis=1, stable=True)
    return is_candidate & (place < count)


@functools.cache
def _matcher(low: float, high: float) -> Any:
    """Returns keras-cv's matcher, which has no variables, in float32 whatever the policy."""
    with contextlib.redirect_stdout(io.StringIO()):  # keras-cv names its backend
        import keras_cv
    if low == high:
        return keras_cv.layers.BoxMatcher([high], [BACKGROUND, OBJECT], dtype="float32")
    values = [BACKGROUND, UNUSED, OBJECT]
    return keras_cv.layers.BoxMatcher([low, high], values, dtype="float32")
