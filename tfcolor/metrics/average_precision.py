"""Average precision of a ranking: its variants, and a streaming mean over classes."""

from typing import Any

import tensorflow as tf

VARIANTS = ("step", "trapezoid", "interpolated", "eleven_point")
"""What is meant by the area under the curve of precision over recall."""

TIE_PENALTY = 1e-5
"""What the published protocol takes off the score of each positive."""


def average_precision(
    labels: tf.Tensor, scores: tf.Tensor, *, variant: str, tie_penalty: float
) -> tf.Tensor:
    """Returns the average precision of one class.

    Examples with the same score are retrieved together: the curve has one point
    per distinct score, so the order of the examples does not matter. With r and
    p the recall and precision of the points, in falling order of the score:

    - step: the sum of `(r_i - r_{i-1}) p_i`, as scikit-learn computes it today;
    - trapezoid: the area under straight lines between the points, from recall 0
      and precision 1 on, as scikit-learn did before 0.19;
    - interpolated: step, with the highest precision at this recall or beyond, as
      the VOC challenges do from 2010 on;
    - eleven_point: the mean of that precision at recall 0, 0.1 ... 1, as VOC 2007
      does.

    Args:
      labels: int [N], 1 for positives and 0 for negatives; any other label (-1
        or 255, "difficult") leaves an example out.
      scores: float [N], finite, higher for what is more likely positive.
      variant: one of `VARIANTS`.
      tie_penalty: taken off the score of each positive in float64, so that ties
        are resolved against the model; 0 for none.

    Returns:
      float64 [], in [0, 1], NaN without any positive.

    Raises:
      ValueError: if the variant is unknown.

    Example:
      >>> labels, scores = [1, 0, 1, -1], [0.9, 0.8, 0.7, 0.6]
      >>> value = average_precision(labels, scores, variant="step", tie_penalty=0.0)
      >>> round(float(value), 4)
      0.8333
    """
    _check_variant(variant)
    hits, retrieved = _curve(labels, scores, tie_penalty)
    positives = tf.reduce_max(tf.pad(hits, [[1, 0]]))
    area = curve_area(hits, retrieved, positives, variant)
    return tf.where(positives > 0, area, tf.constant(float("nan"), tf.float64))


def curve_area(
    hits: tf.Tensor, retrieved: tf.Tensor, positives: tf.Tensor, variant: str
) -> tf.Tensor:
    """Returns the average precision of a curve, which need not reach every positive.

    Args:
      hits: int [T], positives retrieved at each threshold, not falling.
      retrieved: int [T], examples retrieved at each threshold.
      positives: int [] of the type of `hits`, how many there are; at least the
        last of `hits`.
      variant: one of `VARIANTS`.

    Returns:
      float64 [] in [0, 1], 0 without any positive.
    """
    recall = tf.math.divide_no_nan(tf.cast(hits, tf.float64), tf.cast(positives, tf.float64))
    precision = tf.cast(hits, tf.float64) / tf.cast(retrieved, tf.float64)
    if variant == "eleven_point":
        return _eleven_point(hits, positives, precision)
    return _area(recall, precision, variant)


class MeanAveragePrecision(tf.keras.metrics.Metric):
    """The mean over classes of `average_precision`.

    A class of which no example is positive has no average precision and does not
    count. The metric keeps every label and score, 9 bytes together, so replicas
    keep one metric each and merge them.

    Args:
      num_classes: K.
      variant: one of `VARIANTS`.
      tie_penalty: taken off the score of each positive.
      name: the metric's name.
      dtype: type of the kept scores.

    Raises:
      ValueError: if `num_classes` is not positive or the variant unknown.

    References:
      Everingham et al. The PASCAL Visual Object Classes Challenge. IJCV 2010,
      section 4.2.
    """

    def __init__(
        self,
        num_classes: int,
        variant: str = "step",
        tie_penalty: float = TIE_PENALTY,
        name: str = "mean_average_precision",
        dtype: str = "float64",
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if num_classes < 1:
            raise ValueError(f"num_classes {num_classes}: expected at least 1")
        _check_variant(variant)
        self.num_classes, self.variant, self.tie_penalty = num_classes, variant, tie_penalty
        self._labels = self._rows(tf.int8)
        self._scores = self._rows(tf.as_dtype(dtype))

    def _rows(self, dtype: tf.DType) -> tf.Variable:
        """Returns a variable of as many rows as there will be examples."""
        shape = tf.TensorShape([None, self.num_classes])
        empty = tf.zeros([0, self.num_classes], dtype)
        return tf.Variable(empty, trainable=False, shape=shape, dtype=dtype)

    def update_state(self, labels: tf.Tensor, scores: tf.Tensor) -> None:
        """Adds examples.

        Args:
          labels: int [B, K], 1 where a class is present and 0 where it is absent;
            any other value leaves the example out of that class.
          scores: float [B, K], finite, of any scale.

        Raises:
          tf.errors.InvalidArgumentError: if a score is not finite.
        """
        labels = tf.convert_to_tensor(labels)
        is_known = (labels == 0) | (labels == 1)
        known = tf.where(is_known, tf.cast(labels, tf.int8), tf.constant(-1, tf.int8))
        scores = tf.cast(scores, self._scores.dtype)
        scores = tf.debugging.check_numerics(scores, "scores of the average precision")
        self._labels.assign(tf.concat([self._labels, known], axis=0))
        self._scores.assign(tf.concat([self._scores, scores], axis=0))

    def per_class(self) -> tf.Tensor:
        """Returns the average precision of each class, float64 [K], NaN if undefined."""
        return tf.stack(
            [
                average_precision(
                    self._labels[:, column],
                    self._scores[:, column],
                    variant=self.variant,
                    tie_penalty=self.tie_penalty,
                )
                for column in range(self.num_classes)
            ]
        )

    def result(self) -> tf.Tensor:
        """Returns the mean so far, float64 [] in [0, 1], 0 without any positive."""
        values = self.per_class()
        defined = tf.boolean_mask(values, ~tf.math.is_nan(values))
        return tf.math.divide_no_nan(
            tf.reduce_sum(defined), tf.cast(tf.size(defined), defined.dtype)
        )

    def merge_state(self, metrics: list["MeanAveragePrecision"]) -> None:
        """Adds the examples that other metrics of the same classes have seen."""
        for metric in metrics:
            self._labels.assign(tf.concat([self._labels, metric._labels], axis=0))
            self._scores.assign(tf.concat([self._scores, metric._scores], axis=0))

    def reset_state(self) -> None:
        """Forgets all examples."""
        for variable in self.variables:
            variable.assign(tf.zeros([0, self.num_classes], variable.dtype))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {
            "num_classes": self.num_classes,
            "variant": self.variant,
            "tie_penalty": self.tie_penalty,
        }
        return {**super().get_config(), **own}


def _check_variant(variant: str) -> None:
    """Refuses an unknown variant."""
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r}: expected one of {', '.join(VARIANTS)}")


def _curve(labels: tf.Tensor, scores: tf.Tensor, tie_penalty: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns how many positives, and how many in all, each threshold retrieves.

    Returns:
      (hits, retrieved): int32 [T] each, for the T distinct scores in falling
      order.
    """
    labels = tf.convert_to_tensor(labels)
    is_known = (labels == 0) | (labels == 1)
    is_positive = tf.boolean_mask(labels, is_known) == 1
    scores = tf.boolean_mask(tf.cast(scores, tf.float64), is_known)
    scores -= tie_penalty * tf.cast(is_positive, tf.float64)
    order = tf.argsort(scores, direction="DESCENDING", stable=True)
    scores, is_positive = tf.gather(scores, order), tf.gather(is_positive, order)
    last = tf.ones_like(scores[:1], tf.bool)
    is_threshold = tf.concat([scores[1:] != scores[:-1], last], axis=0)
    hits = tf.cumsum(tf.cast(is_positive, tf.int32))
    retrieved = tf.range(1, tf.size(scores) + 1)
    return tf.boolean_mask(hits, is_threshold), tf.boolean_mask(retrieved, is_threshold)


def _area(recall: tf.Tensor, precision: tf.Tensor, variant: str) -> tf.Tensor:
    """Returns the area under a curve with points float64 [T], by a sum over steps."""
    steps = recall - tf.pad(recall, [[1, 0]])[:-1]
    if variant == "trapezoid":
        before = tf.pad(precision, [[1, 0]], constant_values=1.0)[:-1]
        precision = (before + precision) / 2
    elif variant == "interpolated":
        precision = _highest_from_here_on(precision)
    return tf.reduce_sum(steps * precision)


def _eleven_point(hits: tf.Tensor, positives: tf.Tensor, precision: tf.Tensor) -> tf.Tensor:
    """Returns the mean of the highest precision at eleven recalls or beyond.

    Recalls are compared in whole numbers: 3 of 10 reach a recall of 0.3.
    """
    reaches = 10 * hits[None, :] >= tf.range(11)[:, None] * positives
    reached = tf.where(reaches, precision[None, :], tf.zeros([], precision.dtype))
    return tf.reduce_mean(tf.reduce_max(tf.pad(reached, [[0, 0], [1, 0]]), axis=1))


def _highest_from_here_on(values: tf.Tensor) -> tf.Tensor:
    """Returns the running maximum of float64 [T], not negative, from the end."""

    def widen(span: tf.Tensor, highest: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        beyond = tf.pad(highest[span:], [[0, span]])
        return 2 * span, tf.maximum(highest, beyond)

    start = (tf.constant(1), values)
    return tf.while_loop(lambda span, _: span < tf.size(values), widen, start)[1]
