"""Average precision of detected boxes by the rules of the VOC challenges."""

from typing import Any, NamedTuple

import tensorflow as tf

from tfcolor.core.boxes import box_overlaps, pixels_to_edges
from tfcolor.metrics.average_precision import curve_area

AREAS = {"eleven_point": "eleven_point", "all_points": "interpolated"}
"""Kinds of detection average precision, and what `curve_area` calls them."""

RIGHT, WRONG, IGNORED = 1, 0, -1
"""What a detection is: a new object, none or one that was found, or a difficult one."""

PADDING = -1
"""The label of rows that are no box."""


class TrueBoxes(NamedTuple):
    """The objects of some images, padded to equal numbers.

    Attributes:
      boxes: float [B, G, 4], (y1, x1, y2, x2), the first and last pixels.
      labels: int [B, G] in [0, K), or `PADDING`.
      is_difficult: bool [B, G].
    """

    boxes: tf.Tensor
    labels: tf.Tensor
    is_difficult: tf.Tensor


class FoundBoxes(NamedTuple):
    """The detections of some images, padded to equal numbers.

    Attributes:
      boxes: float [B, D, 4], as those of `TrueBoxes`.
      labels: int [B, D] in [0, K), or `PADDING`.
      scores: float [B, D], higher for what is more certain.
    """

    boxes: tf.Tensor
    labels: tf.Tensor
    scores: tf.Tensor


def match_detections(truth: TrueBoxes, found: FoundBoxes, threshold: float) -> tf.Tensor:
    """Tells which detections are right.

    Each detection belongs to the object of its class that it overlaps most, the
    first one of several. It is right if the overlap is at least the threshold and
    no detection of a higher score, or of the same and before it, has found the
    object. What belongs to a difficult object is ignored. Overlaps are counted in
    whole pixels, both ends included.

    Args:
      truth: the objects.
      found: the detections, in any order.
      threshold: least intersection over union, in (0, 1]; reaching it is enough.

    Returns:
      int32 [B, D], `RIGHT`, `WRONG` or `IGNORED`, which padding is too.

    References:
      Everingham et al. The PASCAL Visual Object Classes Challenge. IJCV 2010,
      section 4.4.
    """
    overlaps = _class_overlaps(truth, found)
    best = tf.argmax(overlaps, axis=-1, output_type=tf.int32)
    is_hit = tf.reduce_max(overlaps, axis=-1) >= threshold
    # Column G stands for no object.
    is_difficult = tf.pad(tf.cast(truth.is_difficult, tf.bool), [[0, 0], [0, 1]])
    is_hit_difficult = is_hit & tf.gather(is_difficult, best, batch_dims=1)
    claims = tf.where(is_hit & ~is_hit_difficult, best, -1)
    flags = tf.where(_claims_first(claims, found.scores), RIGHT, WRONG)
    is_ignored = is_hit_difficult | (tf.cast(found.labels, tf.int32) == PADDING)
    return tf.where(is_ignored, IGNORED, flags)


def _class_overlaps(truth: TrueBoxes, found: FoundBoxes) -> tf.Tensor:
    """Returns float64 [B, D, G + 1] overlaps, -1 for other classes and the last."""
    boxes = (pixels_to_edges(tf.cast(one, tf.float64)) for one in (found.boxes, truth.boxes))
    overlaps = box_overlaps(*boxes)
    labels = tf.cast(found.labels, tf.int32)[:, :, tf.newaxis]
    true_labels = tf.cast(truth.labels, tf.int32)[:, tf.newaxis, :]
    is_same = (labels == true_labels) & (true_labels != PADDING)
    overlaps = tf.where(is_same, overlaps, tf.constant(-1, tf.float64))
    return tf.pad(overlaps, [[0, 0], [0, 0], [0, 1]], constant_values=-1)


def _claims_first(claims: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """Tells which detections are the first by score to claim an object.

    Args:
      claims: int32 [B, D], the object that each claims, -1 for none.
      scores: float [B, D].

    Returns:
      bool [B, D].
    """
    order = tf.argsort(scores, axis=-1, direction="DESCENDING", stable=True)
    place = tf.argsort(order, axis=-1, stable=True)
    is_before = place[:, tf.newaxis, :] < place[:, :, tf.newaxis]
    is_same = claims[:, tf.newaxis, :] == claims[:, :, tf.newaxis]
    return (claims >= 0) & ~tf.reduce_any(is_before & is_same, axis=-1)


def detection_average_precision(
    flags: tf.Tensor, scores: tf.Tensor, positives: tf.Tensor, *, area: str
) -> tf.Tensor:
    """Returns the average precision of one class.

    With the precision and recall after each detection, in falling order of the
    score (of equal scores the first comes first):

    - eleven_point: the mean of the highest precision at recall 0, 0.1 ... 1 or
      beyond, as VOC 2007 has it; recalls are compared in whole numbers;
    - all_points: the area under the highest precision at each recall or beyond, as
      VOC has it from 2010 on.

    Args:
      flags: int [N], `RIGHT`, `WRONG` or `IGNORED` for each detection.
      scores: float [N].
      positives: int [], how many objects there are that are not difficult.
      area: one of `AREAS`.

    Returns:
      float64 [] in [0, 1], NaN if there is no object.

    Raises:
      ValueError: if the kind of area is unknown.

    Example:
      >>> value = detection_average_precision([1, 1, 1], [0.9, 0.8, 0.7], 10, area="eleven_point")
      >>> round(float(value), 4)
      0.3636
    """
    if area not in AREAS:
        raise ValueError(f"area {area!r}: expected one of {', '.join(AREAS)}")
    flags, positives = tf.convert_to_tensor(flags), tf.cast(positives, tf.int32)
    is_counted = flags != IGNORED
    scores = tf.boolean_mask(tf.cast(scores, tf.float64), is_counted)
    order = tf.argsort(scores, direction="DESCENDING", stable=True)
    is_right = tf.gather(tf.boolean_mask(flags, is_counted) == RIGHT, order)
    hits = tf.cumsum(tf.cast(is_right, tf.int32))
    retrieved = tf.range(1, tf.size(hits) + 1)
    value = curve_area(hits, retrieved, positives, AREAS[area])
    return tf.where(positives > 0, value, tf.constant(float("nan"), tf.float64))


class DetectionAveragePrecision(tf.keras.metrics.Metric):
    """The mean over classes of `detection_average_precision`.

    A class without an object that is not difficult has none and does not count.
    Keeps a flag, a label and a score of each detection.

    Args:
      num_classes: K.
      threshold: least intersection over union of what is found, in (0, 1].
      area: one of `AREAS`.
      name: the metric's name.
      dtype: type of the kept scores.

    Raises:
      ValueError: if the number of classes, the threshold or the kind of area is
        out of range.
    """

    def __init__(
        self,
        num_classes: int,
        threshold: float = 0.5,
        area: str = "eleven_point",
        name: str = "detection_average_precision",
        dtype: str = "float64",
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if num_classes < 1:
            raise ValueError(f"num_classes {num_classes}: expected at least 1")
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold {threshold}: expected more than 0 and at most 1")
        if area not in AREAS:
            raise ValueError(f"area {area!r}: expected one of {', '.join(AREAS)}")
        self.num_classes, self.threshold, self.area = num_classes, threshold, area
        self._positives = tf.Variable(tf.zeros([num_classes], tf.int32), trainable=False)
        self._flags, self._labels, self._scores = (
            tf.Variable(tf.zeros([0], kind), trainable=False, shape=[None], dtype=kind)
            for kind in (tf.int8, tf.int32, tf.as_dtype(dtype))
        )

    def update_state(self, truth: TrueBoxes, found: FoundBoxes) -> None:
        """Adds images.

        Args:
          truth: the objects of each.
          found: the detections in each; scores are finite.
        """
        flags = match_detections(truth, found, self.threshold)
        is_counted = flags != IGNORED
        scores = tf.debugging.check_numerics(
            tf.cast(found.scores, self._scores.dtype), "scores of detections"
        )
        added = {"_flags": flags, "_labels": found.labels, "_scores": scores}
        for name, values in added.items():
            variable = getattr(self, name)
            rows = tf.cast(tf.boolean_mask(values, is_counted), variable.dtype)
            variable.assign(tf.concat([variable, rows], axis=0))
        is_difficult = tf.cast(truth.is_difficult, tf.bool)
        # `one_hot` gives a row of zeros to padding.
        labels = tf.where(is_difficult, PADDING, tf.cast(truth.labels, tf.int32))
        self._positives.assign_add(
            tf.reduce_sum(tf.one_hot(labels, self.num_classes, dtype=tf.int32), axis=[0, 1])
        )

    def per_class(self) -> tf.Tensor:
        """Returns the average precision of each class, float64 [K], NaN if undefined."""
        return tf.stack([self._one_class(label) for label in range(self.num_classes)])

    def _one_class(self, label: int) -> tf.Tensor:
        """Returns the average precision of one class, float64 []."""
        is_own = self._labels == label
        flags, scores = (tf.boolean_mask(one, is_own) for one in (self._flags, self._scores))
        return detection_average_precision(flags, scores, self._positives[label], area=self.area)

    def result(self) -> tf.Tensor:
        """Returns the mean so far, float64 [] in [0, 1], 0 without any object."""
        values = self.per_class()
        defined = tf.boolean_mask(values, ~tf.math.is_nan(values))
        count = tf.cast(tf.size(defined), defined.dtype)
        return tf.math.divide_no_nan(tf.reduce_sum(defined), count)

    def merge_state(self, metrics: list["DetectionAveragePrecision"]) -> None:
        """Adds the images that other metrics of the same classes have seen."""
        for metric in metrics:
            self._positives.assign_add(metric._positives)
            for name in ("_flags", "_labels", "_scores"):
                own = getattr(self, name)
                own.assign(tf.concat([own, getattr(metric, name)], axis=0))

    def reset_state(self) -> None:
        """Forgets all images."""
        self._positives.assign(tf.zeros_like(self._positives))
        for variable in (self._flags, self._labels, self._scores):
            variable.assign(tf.zeros([0], variable.dtype))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {"num_classes": self.num_classes, "threshold": self.threshold, "area": self.area}
        return {**super().get_config(), **own}
