"""Histograms predicted for every cell of a map that is decoded from a backbone's top."""

from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.taps import Tap
from tfcolor.heads.decoder import CODE
from tfcolor.heads.decoder_stages import ALEXNET, DecodingStage, Stage, choose_stages

LAST_STAGE = "conv2"
BINS = Stage("bins", kernel=5, stride=2)
MAP_SIDE = 56
"""Cells along each side of the answer: twice the 27 of conv2, plus what the last
kernel reaches beyond, less one row and one column."""


class BinDecoderHead(tf.keras.Model):
    """Predicts the logits of a histogram for each cell of a map over the image.

    For AlexNet in its canonical mode: the stages of the decoder of an autoencoder
    down to conv2, and one that gives the logits.

    Args:
      taps: of the encoder, with the channels of each.
      name: of the histogram.
      num_bins: K.
      seed: every initial kernel derives from it.

    Raises:
      UsageError: if the taps are not those of AlexNet.
    """

    def __init__(self, taps: Mapping[str, Tap], name: str, num_bins: int, *, seed: int) -> None:
        super().__init__(name="bin_decoder_head", autocast=False)
        if choose_stages(taps) != ALEXNET:
            raise UsageError("saliency is decoded from AlexNet alone; expected --backbone=alexnet")
        self.histogram = name
        names = [stage.name for stage in ALEXNET]
        top, *stages = ALEXNET[: names.index(LAST_STAGE) + 1]
        channels = taps[top.name].channels
        self.stages = []
        for stage in (*stages, BINS):
            is_last = stage is BINS
            units = num_bins if is_last else taps[stage.name].channels
            self.stages.append(
                DecodingStage(
                    stage,
                    channels,
                    units,
                    entries=() if is_last else (CODE,),
                    is_image=is_last,
                    seed=seed,
                )
            )
            channels = units

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Predicts the logits.

        Args:
          features: `top`, float [B, D].
          inputs: not read.
          taps: not read.
          training: whether batch statistics are on.

        Returns:
          `NAME_logits`, float32 [B, `MAP_SIDE`, `MAP_SIDE`, K].
        """
        del inputs, taps
        maps = features["top"]
        for stage in self.stages:
            maps = stage(maps, CODE, training=training)
        return {f"{self.histogram}_logits": maps[:, :MAP_SIDE, :MAP_SIDE]}
