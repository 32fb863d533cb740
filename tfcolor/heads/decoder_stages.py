"""The stages of decoders, each of which gives what a tap of the encoder holds."""

import dataclasses
from collections.abc import Iterable, Mapping

import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap
from tfcolor.layers.batch_norm import ParameterFreeBatchNorm


@dataclasses.dataclass(frozen=True)
class Stage:
    """One layer of a decoder, from the features of the tap above it.

    Without a kernel it is linear in the features of one cell. With one it is a
    SAME convolution, or for a stride above 1 a transposed VALID one.

    Args:
      name: of the tap whose place it takes.
      kernel: cells along each side; 0 for none.
      stride: from a cell of its input to the next, in cells of its output.
      crop: cells that are cut off along each border afterwards.
      spread: side of the map that its input, one cell, is first spread to by a
        transposed convolution of this size; 0 where the input is a map, or stays
        a cell.
    """

    name: str
    kernel: int = 0
    stride: int = 1
    crop: int = 0
    spread: int = 0


ALEXNET = (
    Stage("fc7"),
    Stage("fc6"),
    Stage("conv5", kernel=3, stride=2, spread=6),
    Stage("conv4", kernel=3),
    Stage("conv3", kernel=3),
    Stage("conv2", kernel=3, stride=2),
    Stage("conv1", kernel=5, stride=2, crop=1),
    Stage("x", kernel=11, stride=4),
)
"""From 4096 features over maps of 13, 13, 13, 27 and 55 cells to 227 pixels."""

VGG16 = (
    Stage("fc7"),
    Stage("fc6"),
    Stage("conv5_3", kernel=2, stride=2, spread=7),
    *(Stage(f"conv5_{layer}", kernel=3) for layer in (2, 1)),
    Stage("conv4_3", kernel=2, stride=2),
    *(Stage(f"conv4_{layer}", kernel=3) for layer in (2, 1)),
    Stage("conv3_3", kernel=2, stride=2),
    *(Stage(f"conv3_{layer}", kernel=3) for layer in (2, 1)),
    Stage("conv2_2", kernel=2, stride=2),
    Stage("conv2_1", kernel=3),
    Stage("conv1_2", kernel=2, stride=2),
    Stage("conv1_1", kernel=3),
    Stage("data", kernel=3),
)
"""From 4096 features over maps of 14, 28, 56, 112 and 224 cells to 224 pixels."""

IMAGE_GAIN = 0.03
"""Deviation of the first kernel of images, relative to that of He et al. With 1 a
reconstruction starts as noise of four times the contrast of photographs, which an
AlexNet of an eighth of the channels needed 120 steps to unlearn: its loss on held-out
photographs was 3.7 then, and 1.9 after 150 steps with this."""

DECODERS = {"alexnet": ALEXNET, "vgg16": VGG16}
"""Stages from the code to the image, by the backbone that they mirror."""


def choose_stages(taps: Mapping[str, Tap]) -> tuple[Stage, ...]:
    """Returns the stages that mirror an encoder.

    Args:
      taps: of the encoder in any order, with or without its collapsed "top".

    Returns:
      Stages from the code to the image, one for each tap.

    Raises:
      UsageError: if there is no decoder for these taps.
    """
    names = set(taps) - {"top"}
    for stages in DECODERS.values():
        if {stage.name for stage in stages} == names:
            return stages
    raise UsageError(
        f"there is no decoder for a backbone with the taps {', '.join(taps)}; expected"
        f" --backbone={' or '.join(DECODERS)}"
    )


class CellSpread(tf.keras.layers.Dense):
    """A transposed VALID convolution of maps of one cell, as one matrix product.

    TensorFlow's own took 17 times as long for the 4096 features of AlexNet.

    Args:
      side: cells along each side of the kernel, and of the output.
      channels: of the output.
      seed: of the initial kernel, after He et al.; the bias starts at zero.
      name: name of the layer.
    """

    def __init__(self, side: int, channels: int, seed: int, name: str | None = None) -> None:
        initializer = tf.keras.initializers.HeNormal(seed)
        super().__init__(
            side**2 * channels, use_bias=False, kernel_initializer=initializer, name=name
        )
        self.side, self.channels = side, channels

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the kernel, [C, side * side * channels], and the bias.

        Args:
          input_shape: [B, C].
        """
        super().build(input_shape)
        self.bias = self.add_weight(name="bias", shape=[self.channels], initializer="zeros")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Spreads every cell over a map.

        Args:
          inputs: float [B, C].

        Returns:
          float [B, side, side, channels].
        """
        maps = tf.reshape(super().call(inputs), [-1, self.side, self.side, self.channels])
        return tf.nn.bias_add(maps, tf.cast(self.bias, maps.dtype))


class DecodingStage(tf.keras.layers.Layer):
    """A stage with its normalization and nonlinearity, which an image has not.

    The weights are those of all entries; the batch statistics are of each entry
    apart, so that what is decoded from one does not depend on the others.

    Args:
      stage: its geometry.
      in_channels: features of its input.
      channels: features of its output.
      entries: those that pass through it and are normalized; empty for none.
      is_image: whether it gives the image: linear, and float32 under every
        precision policy.
      seed: every initial kernel derives from it; after He et al., but that of
        images is smaller.
    """

    def __init__(
        self,
        stage: Stage,
        in_channels: int,
        channels: int,
        *,
        entries: Iterable[str] = (),
        is_image: bool = False,
        seed: int,
    ) -> None:
        super().__init__(name=f"decoded_{stage.name}", autocast=False)
        self.stage, self.is_image = stage, is_image
        origin, self.spread = f"decoder_head/{stage.name}", None
        if stage.spread:
            spread_seed = derive_seed(seed, f"{origin}/spread/kernel")
            self.spread = CellSpread(stage.spread, channels, spread_seed, name="spread")
            self.spread.build([None, in_channels])
            in_channels = channels
        self.mapping = self._build_mapping(
            in_channels, channels, derive_seed(seed, f"{origin}/kernel")
        )
        self.batch_norms = {
            entry: ParameterFreeBatchNorm(name=f"{entry}_batch_norm") for entry in entries
        }
        for norm in self.batch_norms.values():
            norm.build([None, channels])

    def call(self, features: tf.Tensor, entry: str, training: bool = False) -> tf.Tensor:
        """Decodes what comes from one entry.

        Args:
          features: float [B, h, w, C], or [B, C] where they are of one cell.
          entry: where it began.
          training: whether batch statistics are on.

        Returns:
          float [B, h', w', D], or [B, D] where there is no kernel.
        """
        if self.spread is not None:
            features = self.spread(features)
        features = self.mapping(features)
        if crop := self.stage.crop:
            features = features[:, crop:-crop, crop:-crop]
        if self.is_image:
            return features
        if entry in self.batch_norms:
            features = self.batch_norms[entry](features, training=training)
        return tf.nn.relu(features)

    def _build_mapping(self, in_channels: int, channels: int, seed: int) -> tf.keras.layers.Layer:
        """Builds the layer with the weights of the stage."""
        stage = self.stage
        scale = 2.0 * (IMAGE_GAIN**2 if self.is_image else 1.0)
        if stage.stride > 1:
            # Keras takes k^2 channels for the fan-in of a transposed convolution,
            # whose cells are sums of about (k / stride)^2 in_channels terms.
            scale *= channels * stage.stride**2 / in_channels
        options = {
            "kernel_initializer": tf.keras.initializers.VarianceScaling(
                scale, "fan_in", "truncated_normal", seed
            ),
            "dtype": "float32" if self.is_image else None,
            "name": "mapping",
        }
        if not stage.kernel:
            layer = tf.keras.layers.Dense(channels, **options)
            layer.build([None, in_channels])
            return layer
        if stage.stride == 1:
            layer = tf.keras.layers.Conv2D(channels, stage.kernel, padding="same", **options)
        else:
            layer = tf.keras.layers.Conv2DTranspose(
                channels, stage.kernel, stage.stride, padding="valid", **options
            )
        layer.build([None, None, None, in_channels])
        return layer
