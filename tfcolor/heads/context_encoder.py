"""What lies under a hole of an image, painted from the features of the rest."""

from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap
from tfcolor.heads.discriminator import Discriminator
from tfcolor.heads.generator import ImageGenerator, cut_middle

ORIGINAL = "original"
"""Input that only the discriminator sees: what is to be painted, as it is."""


class ContextEncoderHead(tf.keras.Model):
    """Paints the middle of an image from a backbone's top; a second network may judge it.

    From a collapsed top the wanted square is generated; from a map the whole
    image, of which the square is the middle, by as many doublings as the
    backbone has halvings.

    Args:
      taps: of the backbone, of which the last one is the top.
      image_channels: of the image, 1 or 3.
      channels: of the generator's stage next to the image, and of the first one
        of the discriminator.
      sides: of the image and of the painted square in its middle, pixels.
      reads_map: whether the top is a map.
      discriminator_rate: the discriminator's rate of learning, relative to the
        generator's; 0 for no discriminator.
      seed: every initial kernel derives from it.

    Raises:
      UsageError: if the cells of the map are not a power of 2 pixels wide.

    References:
      Pathak et al. Context Encoders: Feature Learning by Inpainting. CVPR 2016.
    """

    def __init__(
        self,
        taps: Mapping[str, Tap],
        image_channels: int,
        channels: int,
        sides: tuple[int, int],
        *,
        reads_map: bool,
        discriminator_rate: float = 0.0,
        seed: int,
    ) -> None:
        super().__init__(name="context_encoder_head", autocast=False)
        top = list(taps.values())[-1]
        side, self.painted_side = sides
        if reads_map and (top.stride < 2 or top.stride & (top.stride - 1)):
            raise UsageError(
                f"--inpainting_readout=map: a cell of {top.name} is {top.stride} pixels wide,"
                " expected a power of 2 from 2 on"
            )
        self.generator = ImageGenerator(
            top.channels,
            image_channels,
            channels,
            side=side if reads_map else self.painted_side,
            num_doublings=top.stride.bit_length() - 1 if reads_map else None,
            seed=derive_seed(seed, "context_encoder_head/generator"),
        )
        self.discriminator = None
        if discriminator_rate:
            self.discriminator = Discriminator(
                image_channels,
                channels,
                side=self.painted_side,
                rate=discriminator_rate,
                seed=derive_seed(seed, "context_encoder_head/discriminator"),
            )

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Paints, and judges.

        Args:
          features: with the `top`, float [B, D] or [B, h, w, D].
          inputs: for the discriminator `original`, float32 [B, T, T, C].
          taps: not read.
          training: whether batch statistics are on.

        Returns:
          `painted`, float32 [B, T, T, C] in (0, 1); and with a discriminator the
          logits of `Discriminator.judge`.
        """
        del taps
        painted = self.generator(features["top"], training=training)
        outputs = {"painted": cut_middle(painted, self.painted_side)}
        if self.discriminator is not None:
            real, fake = (inputs[ORIGINAL],), (outputs["painted"],)
            outputs |= self.discriminator.judge(real, fake, training)
        return outputs
