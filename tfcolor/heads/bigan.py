"""An encoder above a backbone, a generator and the discriminator of both."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap
from tfcolor.heads.discriminator import Discriminator
from tfcolor.heads.embedding import embedding_size, patch_embeddings
from tfcolor.heads.generator import ImageGenerator


@dataclasses.dataclass(frozen=True)
class BiganSizes:
    """Sizes of the three networks.

    Args:
      side: S of the images, pixels.
      image_channels: 1 for gray, 3 for RGB.
      code_size: Z, numbers of a code.
      channels: of the maps next to the image, in generator and discriminator.
      num_units: of the discriminator's layer on image and code together.
    """

    side: int
    image_channels: int
    code_size: int
    channels: int
    num_units: int


class BiganHead(tf.keras.Model):
    """Encodes images, generates images from codes, and judges the pairs.

    The encoder is the backbone and a linear layer. The discriminator sees an
    image with its encoding, and a code with what is generated from it.

    Args:
      taps: of the backbone, of which the last one is the top.
      sizes: of the networks.
      discriminator_rate: the discriminator's rate of learning, relative to that
        of the others.
      seed: every initial kernel derives from it.

    References:
      Donahue, Krahenbuhl, Darrell. Adversarial Feature Learning. ICLR 2017.
    """

    def __init__(
        self,
        taps: Mapping[str, Tap],
        sizes: BiganSizes,
        *,
        discriminator_rate: float = 1.0,
        seed: int,
    ) -> None:
        super().__init__(name="bigan_head", autocast=False)
        self.encoder = tf.keras.layers.Dense(
            sizes.code_size,
            kernel_initializer=tf.keras.initializers.GlorotUniform(
                derive_seed(seed, "bigan_head/encoder/kernel")
            ),
            dtype="float32",
            name="encoder",
        )
        self.encoder.build([None, embedding_size(taps)])
        self.generator = ImageGenerator(
            sizes.code_size,
            sizes.image_channels,
            sizes.channels,
            side=sizes.side,
            seed=derive_seed(seed, "bigan_head/generator"),
        )
        self.discriminator = Discriminator(
            sizes.image_channels,
            sizes.channels,
            side=sizes.side,
            code_size=sizes.code_size,
            num_units=sizes.num_units,
            rate=discriminator_rate,
            seed=derive_seed(seed, "bigan_head/discriminator"),
        )

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Encodes, generates and judges.

        Args:
          features: with the `top`, float [B, D] or [B, h, w, D].
          inputs: `image`, float32 [B, S, S, C] in [0, 1], and `code`, float32
            [B, Z].
          taps: not read.
          training: whether batch statistics are on.

        Returns:
          `encoded`, float32 [B, Z]; `generated`, float32 [B, S, S, C] in (0, 1),
          from the code; the logits of `Discriminator.judge`; and, unless it
          trains, `reconstruction`, float32 [B, S, S, C], from what is encoded.
        """
        del taps
        images, codes = inputs["image"], inputs["code"]
        encoded = self.encoder(patch_embeddings(features, inputs)[:, 0])
        generated = self.generator(codes, training=training)
        outputs = {"encoded": encoded, "generated": generated}
        outputs |= self.discriminator.judge((images, encoded), (generated, codes), training)
        if not training:
            outputs["reconstruction"] = self.generator(encoded)
        return outputs
