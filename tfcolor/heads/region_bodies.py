"""What describes a region of a detector by its features: linear layers, or a residual block."""

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.layers.batch_norm import TrainableBatchNorm
from tfcolor.layers.bottleneck import BottleneckUnit

NUM_UNITS, EXPANSION = 3, 4
"""Units of block 4, and how many times wider they end than they are inside."""


class DenseBody(tf.keras.layers.Layer):
    """Two linear layers with ReLU on all bins of a region together.

    Args:
      num_features: numbers per region.
      size: D, units of each layer.
      seed: every initial kernel derives from it.

    References:
      Girshick. Fast R-CNN. ICCV 2015, section 2.
    """

    def __init__(self, num_features: int, size: int, *, seed: int) -> None:
        super().__init__(name="region_body", autocast=False)
        self.size = size
        self.layers = []
        for name, width in (("first", num_features), ("second", size)):
            layer = tf.keras.layers.Dense(
                size,
                activation="relu",
                kernel_initializer=tf.keras.initializers.HeNormal(
                    derive_seed(seed, f"region_body/{name}")
                ),
                dtype="float32",
                name=name,
            )
            layer.build([None, width])
            self.layers.append(layer)

    def call(self, regions: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Describes regions.

        Args:
          regions: float32 [N, S, S, C].
          training: not read.

        Returns:
          float32 [N, D], not negative.
        """
        del training
        described = tf.reshape(regions, [-1, self.layers[0].kernel.shape[0]])
        for layer in self.layers:
            described = layer(described)
        return described


class ResidualBody(tf.keras.layers.Layer):
    """Block 4 of a residual network of pre-activation units, and the mean of its map.

    Three units without a stride, then batch norm and ReLU, in float32. In training,
    batch norm is over all regions that are given, of all images and replicas; where
    fewer regions are drawn from an image, these include the ones that fill up the
    row, which have a weight of 0 in the losses. At full width, 512 inside and 2048
    at the end, the units have 10 convolutions and 14,966,784 numbers.

    The first unit begins with batch norm and ReLU although `HeadInput` has
    normalized and rectified the map: it is block 4 as published, regions have other
    statistics than maps, and the proposals that share the map need that of
    `HeadInput`.

    Args:
      in_channels: C, features of each bin.
      width: channels inside of the units; they end with four times as many, D.
      seed: every initial kernel derives from it.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 5 (the head that categorizes proposals, of random weights).
    """

    def __init__(self, in_channels: int, width: int, *, seed: int) -> None:
        super().__init__(name="region_body", autocast=False)
        self.size = EXPANSION * width
        self.units = []
        for number in range(1, NUM_UNITS + 1):
            name = f"unit{number}"
            own_seed = derive_seed(seed, f"region_body/{name}")
            unit = BottleneckUnit(in_channels, self.size, width, seed=own_seed, name=name)
            self.units.append(unit)
            in_channels = self.size
        self.norm = TrainableBatchNorm(synchronize=True, use_ramp=True, name="norm")
        self.norm.build([None, self.size])

    def call(self, regions: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Describes regions.

        Args:
          regions: float32 [N, S, S, C].
          training: whether batch norm uses the statistics of these regions.

        Returns:
          float32 [N, D], not negative.
        """
        for unit in self.units:
            regions = unit(regions, training=training)
        regions = tf.nn.relu(self.norm(regions, training=training))
        return tf.reduce_mean(regions, axis=[1, 2])


RegionBody = DenseBody | ResidualBody
