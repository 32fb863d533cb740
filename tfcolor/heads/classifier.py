"""Classes predicted from the last features of a backbone."""

from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.columns import WHOLE, Column
from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap, top_channels
from tfcolor.layers.dropout import StatelessDropout


class ClassifierHead(tf.keras.Model):
    """Predicts the logits of classes by one linear layer on a backbone's "top".

    For the canonical mode of a backbone, in which the top is collapsed; a map
    is averaged over its cells. Logits are float32 under every precision policy.
    A segment of the top is a share of the channels of its map, in all cells.

    Args:
      taps: what the backbone's `canonical_taps` gives, of which the last is its
        top.
      num_classes: K, the number of classes.
      dropout_rate: probability of dropping a feature in training.
      segment: the share of the top's channels that the layer reads.
      seed: the initial kernel and every dropout mask derive from it.

    Attributes:
      num_features: of the whole top.

    Raises:
      ValueError: if there are fewer than two classes, or no channel to read.
    """

    read_taps: tuple[str, ...] = ()

    def __init__(
        self,
        taps: Mapping[str, Tap],
        num_classes: int,
        dropout_rate: float = 0.0,
        *,
        segment: Column = WHOLE,
        seed: int,
    ) -> None:
        super().__init__(name="classifier_head", autocast=False)
        if num_classes < 2:
            raise ValueError(f"num_classes={num_classes}; expected at least 2")
        self.dropout = StatelessDropout(
            dropout_rate, derive_seed(seed, "classifier_head/dropout"), name="dropout"
        )
        kernel_seed = derive_seed(seed, "classifier_head/kernel")
        self.classes = tf.keras.layers.Dense(
            num_classes,
            kernel_initializer=tf.keras.initializers.GlorotUniform(kernel_seed),
            dtype="float32",
            name="classes",
        )
        self.segment, self._num_channels = segment, top_channels(taps)
        width = segment.width(self._num_channels)
        if not width:
            raise ValueError(f"{segment} of {self._num_channels} channels; expected at least one")
        self.num_features = list(taps.values())[-1].channels
        self._num_cells = self.num_features // self._num_channels
        self.classes.build([None, self._num_cells * width])

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Predicts the classes of whole images.

        Args:
          features: `top`, float [B, D] or [B, H, W, D].
          inputs: in training `seed`, int64 [B, 2].
          taps: not read.
          training: whether dropout is on.

        Returns:
          `logits`, float32 [B, K].

        Raises:
          ValueError: if the top has other features than the last tap.
        """
        del taps
        top = features["top"]
        if top.shape[-1] != self.num_features:
            raise ValueError(
                f"the top has the shape {top.shape}; expected {self.num_features} features, "
                "which the backbone gives for images of its canonical size"
            )
        if top.shape.rank == 4:
            top = tf.reduce_mean(top, axis=[1, 2])
        if self.segment != WHOLE:
            top = self._segment_of(top)
        return {"logits": self.classes(self.dropout(top, inputs.get("seed"), training=training))}

    def _segment_of(self, top: tf.Tensor) -> tf.Tensor:
        """Returns the features of [B, D] whose channels are in the segment."""
        cells = tf.reshape(top, [-1, self._num_cells, self._num_channels])
        share = cells[:, :, self.segment.slice(self._num_channels)]
        return tf.reshape(share, [-1, self.classes.kernel.shape[0]])
