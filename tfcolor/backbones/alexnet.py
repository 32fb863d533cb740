"""AlexNet in its single-tower layout with grouped convolutions."""

import dataclasses

from tfcolor.backbones.chain import ChainBackbone, FullyConnectedOptions
from tfcolor.backbones.stages import Conv, Pool
from tfcolor.core.errors import UsageError
from tfcolor.core.options import option


@dataclasses.dataclass(frozen=True)
class AlexNetOptions(FullyConnectedOptions):
    """Options of AlexNet."""

    use_lrn: bool = option(False, "local response normalization before pool1 and pool2")


class AlexNet(ChainBackbone):
    """AlexNet up to fc7, for 227x227 images in its canonical mode.

    In the canonical mode smaller images end at pool5, which is then the "top".
    The input is tapped as "x".

    Args:
      options: width, normalization, dropout and alignment.
      input_channels: 1 for gray, 3 for RGB.
      seed: every initial kernel and every dropout mask derives from it.

    Raises:
      UsageError: if response normalization would cross the border between what
        the front end keeps apart; and as `ChainBackbone`.

    References:
      Krizhevsky, Sutskever, Hinton. ImageNet Classification with Deep
      Convolutional Neural Networks. NIPS 2012.
    """

    Options = AlexNetOptions
    canonical_size = 227
    stops_early = True

    def __init__(self, options: AlexNetOptions, input_channels: int, seed: int) -> None:
        if options.use_lrn and options.front_end == "split_lab":
            raise UsageError(
                "--alexnet_use_lrn with --alexnet_front_end=split_lab: response normalization"
                " would mix lightness and color, expected one of them"
            )
        stages = _stages(options.use_lrn, options.dropout_rate)
        super().__init__("alexnet", "x", stages, options, input_channels, seed)


def _stages(use_lrn: bool, dropout_rate: float) -> tuple[Conv | Pool, ...]:
    """Returns the layers in order."""
    fc7 = Conv("fc7", 4096, kernel=1, is_fully_connected=True, dropout_rate=dropout_rate)
    return (
        Conv("conv1", 96, kernel=11, stride=4, canonical_padding="VALID"),
        Pool(3, 2, canonical_padding="VALID", use_lrn=use_lrn),
        Conv("conv2", 256, kernel=5, groups=2),
        Pool(3, 2, canonical_padding="VALID", use_lrn=use_lrn),
        Conv("conv3", 384, kernel=3),
        Conv("conv4", 384, kernel=3, groups=2),
        Conv("conv5", 256, kernel=3, groups=2),
        Pool(3, 2, canonical_padding="VALID"),
        dataclasses.replace(fc7, name="fc6", kernel=6, canonical_padding="VALID"),
        fc7,
    )
