"""Linear classifiers on many layers of a backbone at once, which none of them changes."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap
from tfcolor.layers.batch_norm import ParameterFreeBatchNorm
from tfcolor.layers.map_reduction import ProbeRule

NAME = "linear_probes_head"


class LinearProbe(tf.keras.layers.Layer):
    """One linear classifier on one reduced map.

    Args:
      tap: of the map.
      map_side: cells along each side of the map.
      rule: how the map is reduced.
      size: what the rule's reduction gets.
      num_classes: K.
      seed: of the initial kernel.

    Attributes:
      num_features: of the reduced map.
    """

    def __init__(
        self, tap: Tap, map_side: int, rule: ProbeRule, size: int, *, num_classes: int, seed: int
    ) -> None:
        super().__init__(name=f"probe_{tap.name}", dtype="float32", autocast=False)
        self._shape = [None, map_side, map_side, tap.channels]
        self._rule, self._size = rule, size
        self.num_features = rule.output_size(map_side, map_side, tap.channels, size)
        self.batch_norm = None
        if rule.is_normalized:
            self.batch_norm = ParameterFreeBatchNorm(name="batch_norm")
            self.batch_norm.build([None, tap.channels])
        self.classes = tf.keras.layers.Dense(
            num_classes,
            kernel_initializer=tf.keras.initializers.GlorotUniform(seed),
            dtype="float32",
            name="classes",
        )
        self.classes.build([None, self.num_features])

    def call(self, features: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Predicts classes.

        Args:
          features: float [B, H, W, C], a map of the size that was named.
          training: whether batch norm has the statistics of the batch.

        Returns:
          float32 [B, K], logits.
        """
        values = tf.ensure_shape(tf.cast(features, tf.float32), self._shape)
        values = self._rule.reduce(values, self._size)
        if self.batch_norm is not None:
            values = self.batch_norm(values, training=training)
        return self.classes(tf.reshape(values, [-1, self.num_features]))


class LinearProbesHead(tf.keras.Model):
    """Predicts the classes of images from several layers, each by itself.

    For the convolutional mode of a backbone, on square images of one size. No
    gradient reaches the backbone, which `Network` takes care of, so that what
    mixes or normalizes maps for this head can still learn. Logits are float32
    under every precision policy.

    Args:
      taps: those that are probed, in order.
      image_side: of the images, pixels.
      rule: how the maps are reduced.
      sizes: what the rule's reduction gets for each tap.
      num_classes: K.
      seed: every initial kernel derives from it.
    """

    only_reads = True

    def __init__(
        self,
        taps: Sequence[Tap],
        image_side: int,
        rule: ProbeRule,
        sizes: Sequence[int],
        *,
        num_classes: int,
        seed: int,
    ) -> None:
        super().__init__(name=NAME, autocast=False)
        self.probes = {
            tap.name: LinearProbe(
                tap,
                -(-image_side // tap.stride),
                rule,
                size,
                num_classes=num_classes,
                seed=derive_seed(seed, f"{NAME}/{tap.name}"),
            )
            for tap, size in zip(taps, sizes, strict=True)
        }

    @property
    def num_features(self) -> dict[str, int]:
        """Features that each probe reads, by tap."""
        return {name: probe.num_features for name, probe in self.probes.items()}

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Predicts the classes of whole images.

        Args:
          features: float [B, H, W, C] by tap.
          inputs: not read.
          taps: not read.
          training: whether batch norm has the statistics of the batch.

        Returns:
          Logits float32 [B, K] by tap.
        """
        del inputs, taps
        return {
            name: probe(features[name], training=training) for name, probe in self.probes.items()
        }
