"""What pretext tasks share whose answer is one of a few labels."""

from collections.abc import Mapping

import tensorflow as tf

from tfcolor.tasks.base import Tensors
from tfcolor.tasks.pretext import LabelAccuracy, PretextTask, label_losses


class LabelTask(PretextTask):
    """A pretext task that is a classification of patches, or of all of an example.

    Its targets are `label`, int32 [B] or [B, T], its outputs `logits`, float32
    [B, K] or [B, T, K].
    """

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns the cross-entropy of the labels.

        Args:
          targets: `label`, int32 [B] or [B, T].
          outputs: `logits`, float32 [B, K] or [B, T, K].

        Returns:
          `cross_entropy`, float32 [B], nats, the mean over patches.
        """
        return label_losses(targets["label"], outputs["logits"])

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns how often the most probable label is the true one.

        Args:
          fitted: not read; there is no baseline to fit.

        Returns:
          `accuracy` in [0, 1].
        """
        del fitted
        return {"accuracy": LabelAccuracy()}
