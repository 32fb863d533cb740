"""How well a discriminator tells real things from made ones."""

from collections.abc import Mapping

import tensorflow as tf


class JudgementAccuracy(tf.keras.metrics.Mean):
    """How often a discriminator is right, with as many real things as made ones.

    Near 1/2 it is fooled, or has learned nothing yet.

    Args:
      name: what the metric is called.
      dtype: type of the sums.
    """

    def __init__(self, name: str = "discriminator_accuracy", dtype: str = "float64") -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(
        self, targets: Mapping[str, tf.Tensor], outputs: Mapping[str, tf.Tensor]
    ) -> None:
        """Adds `real_logits` and `fake_logits`, float32 [B]; a logit of 0 is half right."""
        del targets
        signs = [tf.sign(outputs["real_logits"]), -tf.sign(outputs["fake_logits"])]
        super().update_state((1 + tf.concat(signs, axis=0)) / 2)
