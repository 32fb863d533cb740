"""VGG-16 with its fully connected layers as convolutions."""

import dataclasses

from tfcolor.backbones.chain import ChainBackbone, FullyConnectedOptions
from tfcolor.backbones.stages import Conv, Pool

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""(channels, number of convolutions) of each block; a pool follows each."""


@dataclasses.dataclass(frozen=True)
class Vgg16Options(FullyConnectedOptions):
    """Options of VGG-16."""


class Vgg16(ChainBackbone):
    """VGG-16 up to fc7, for 224x224 images in its canonical mode.

    The input is tapped as "data".

    Args:
      options: width, normalization, dropout and alignment.
      input_channels: 1 for gray, 3 for RGB.
      seed: every initial kernel and every dropout mask derives from it.

    References:
      Simonyan, Zisserman. Very Deep Convolutional Networks for Large-Scale
      Image Recognition. ICLR 2015.
    """

    Options = Vgg16Options
    canonical_size = 224

    def __init__(self, options: Vgg16Options, input_channels: int, seed: int) -> None:
        stages = _stages(options.dropout_rate)
        super().__init__("vgg16", "data", stages, options, input_channels, seed)


def _stages(dropout_rate: float) -> tuple[Conv | Pool, ...]:
    """Returns the layers in order."""
    stages: list[Conv | Pool] = []
    for block, (channels, num_convolutions) in enumerate(BLOCKS, start=1):
        for index in range(1, num_convolutions + 1):
            stages.append(Conv(f"conv{block}_{index}", channels, kernel=3))
        stages.append(Pool(2, 2))
    fc7 = Conv("fc7", 4096, kernel=1, is_fully_connected=True, dropout_rate=dropout_rate)
    fc6 = dataclasses.replace(fc7, name="fc6", kernel=7, canonical_padding="VALID")
    return (*stages, fc6, fc7)
