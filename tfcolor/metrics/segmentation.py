"""A streaming metric of predicted label maps, from one confusion matrix."""

from typing import Any

import tensorflow as tf


class MeanIntersectionOverUnion(tf.keras.metrics.Metric):
    """The mean over classes of the intersection over the union of their pixels.

    Of class c, `TP / (TP + FP + FN)` over the pixels of all images. A class that
    is neither in the truth nor in the predictions does not count. Pixels of the
    void label do not count, whatever is predicted there. Counts are int64 and
    add up over replicas and merged metrics.

    Args:
      num_classes: K.
      void_label: the label of pixels to leave out; not in [0, K).
      name: the metric's name.
      dtype: type of the counts.

    Raises:
      ValueError: if `num_classes` is not positive or the void label is a class.

    References:
      Everingham et al. The PASCAL Visual Object Classes Challenge. IJCV 2010,
      section 4.3.
    """

    def __init__(
        self,
        num_classes: int,
        void_label: int = 255,
        name: str = "mean_iou",
        dtype: str = "int64",
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if num_classes < 1:
            raise ValueError(f"num_classes {num_classes}: expected at least 1")
        if 0 <= void_label < num_classes:
            raise ValueError(f"void_label {void_label}: expected none of the {num_classes} classes")
        self.num_classes, self.void_label = num_classes, void_label
        self._counts = self.add_weight(
            "counts", shape=(num_classes, num_classes), initializer="zeros"
        )

    def update_state(self, labels: tf.Tensor, predicted: tf.Tensor) -> None:
        """Adds pixels.

        Args:
          labels: int [...], true classes in [0, K), or the void label.
          predicted: int [...], predicted classes; in [0, K) where the true label
            is not void.

        Raises:
          tf.errors.InvalidArgumentError: if a label is out of range.
        """
        labels = tf.cast(tf.reshape(labels, [-1]), tf.int64)
        predicted = tf.cast(tf.reshape(predicted, [-1]), tf.int64)
        is_known = labels != self.void_label
        labels = tf.boolean_mask(labels, is_known)
        predicted = tf.boolean_mask(predicted, is_known)
        with tf.control_dependencies(
            [
                *self._range_checks(labels, "true labels"),
                *self._range_checks(predicted, "predicted labels"),
            ]
        ):
            pairs = labels * self.num_classes + predicted
        counts = tf.math.unsorted_segment_sum(
            tf.ones_like(pairs, self._counts.dtype), pairs, self.num_classes**2
        )
        self._counts.assign_add(tf.reshape(counts, [self.num_classes, self.num_classes]))

    def _range_checks(self, labels: tf.Tensor, what: str) -> list[tf.Operation | None]:
        """Returns checks that labels int64 [N] are classes; None outside of graphs."""
        limit = tf.constant(self.num_classes, tf.int64)
        message = f"{what}: expected 0 to {self.num_classes - 1} or the void label"
        return [
            tf.debugging.assert_non_negative(labels, message=message),
            tf.debugging.assert_less(labels, limit, message=message),
        ]

    @property
    def confusion(self) -> tf.Tensor:
        """Returns the pixels by true class and predicted class, int64 [K, K]."""
        return tf.convert_to_tensor(self._counts)

    def per_class(self) -> tf.Tensor:
        """Returns the score of each class, float64 [K], NaN where it is nowhere."""
        counts = tf.cast(self._counts, tf.float64)
        hits = tf.linalg.diag_part(counts)
        return hits / (tf.reduce_sum(counts, axis=0) + tf.reduce_sum(counts, axis=1) - hits)

    def pixel_accuracy(self) -> tf.Tensor:
        """Returns the share of pixels of the right class, float64 [], 0 before any."""
        counts = tf.cast(self._counts, tf.float64)
        return tf.math.divide_no_nan(tf.linalg.trace(counts), tf.reduce_sum(counts))

    def result(self) -> tf.Tensor:
        """Returns the mean so far, float64 [] in [0, 1], 0 before the first pixel."""
        values = self.per_class()
        defined = tf.boolean_mask(values, ~tf.math.is_nan(values))
        return tf.math.divide_no_nan(
            tf.reduce_sum(defined), tf.cast(tf.size(defined), defined.dtype)
        )

    def reset_state(self) -> None:
        """Forgets all pixels."""
        self._counts.assign(tf.zeros_like(self._counts))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {"num_classes": self.num_classes, "void_label": self.void_label}
        return {**super().get_config(), **own}
