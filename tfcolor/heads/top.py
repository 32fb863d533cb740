"""The top of a backbone as it is, for tasks that need no layer above it."""

from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.features import unrectified_top
from tfcolor.core.taps import Tap


class TopHead(tf.keras.Model):
    """Gives the top of a backbone before its last ReLU; has no variables.

    For the canonical mode of a backbone. Signals are float32 under every
    precision policy.
    """

    def __init__(self) -> None:
        super().__init__(name="top_head", autocast=False)

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Returns the top.

        Args:
          features: those of the canonical mode, with the `top`, float [B, D].
          inputs: not read.
          taps: not read.
          training: not read.

        Returns:
          `signals`, float32 [B, D].
        """
        del inputs, taps, training
        return {"signals": tf.cast(unrectified_top(features), tf.float32)}
