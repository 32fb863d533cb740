"""The small network for digits of 28 pixels, like a network of parts in its layers."""

import dataclasses

from tfcolor.backbones.chain import ChainBackbone, ChainOptions
from tfcolor.backbones.stages import Conv, Pool
from tfcolor.core.options import option

STAGES = (
    Conv("conv1", 8, kernel=5),
    Conv("conv2", 1280, kernel=6, canonical_padding="VALID"),
    Pool(4, 4, canonical_padding="VALID", canonical_start=1),
)


@dataclasses.dataclass(frozen=True)
class DigitsCnnOptions(ChainOptions):
    """Options of the network for digits."""

    use_batch_norm: bool = option(False, "normalize before every nonlinearity")
    input_mean: tuple[float, ...] = option(
        (0.0,), "subtracted from images in [0, 1]: one number, or one per channel"
    )


class DigitsCnn(ChainBackbone):
    """A network for 28x28 digits in its canonical mode, with a top of 5x5x1280.

    Its layers are those of a network of parts: eight channels of edges, 1280
    parts of 6x6 cells, pools of 4x4 that leave out one cell above and two below.
    The convolutional mode ends before the pool. The input is tapped as "x".

    Args:
      options: width, normalization, padding and alignment.
      input_channels: 1 for gray, 3 for RGB.
      seed: every initial kernel derives from it.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, table 1.2, which says that it has three
      layers; the rest is ours.
    """

    Options = DigitsCnnOptions
    canonical_size = 28

    def __init__(self, options: DigitsCnnOptions, input_channels: int, seed: int) -> None:
        super().__init__("digits_cnn", "x", STAGES, options, input_channels, seed)
