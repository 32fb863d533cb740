"""The two small networks for images of 32 pixels."""

import dataclasses

from tfcolor.backbones.chain import ChainBackbone, ChainOptions
from tfcolor.backbones.stages import Conv, Pool
from tfcolor.core.options import option

POOL = Pool(2, 2)
DEEP = (
    Conv("conv1", 64, kernel=5),
    Conv("conv1b", 64, kernel=3),
    POOL,
    Conv("conv2", 128, kernel=3, dropout_rate=0.1),
    Conv("conv2b", 128, kernel=3, dropout_rate=0.1),
    POOL,
    Conv("conv3", 192, kernel=3, dropout_rate=0.2),
    Conv("conv3b", 192, kernel=3, dropout_rate=0.2),
    POOL,
    Conv("conv4", 192, kernel=3, dropout_rate=0.3),
    Conv("conv4b", 192, kernel=3, dropout_rate=0.3),
)
SHALLOW = (
    Conv("conv1", 8, kernel=5),
    POOL,
    Conv("conv2", 16, kernel=3, dropout_rate=0.1),
    POOL,
    Conv("conv3", 32, kernel=3, dropout_rate=0.2),
    POOL,
    Conv("conv4", 32, kernel=3, dropout_rate=0.3),
    Conv("conv4b", 192, kernel=3, dropout_rate=0.3),
)


@dataclasses.dataclass(frozen=True)
class CifarOptions(ChainOptions):
    """Options of the networks for 32x32 images."""

    use_batch_norm: bool = option(False, "normalize before every nonlinearity")
    final_pool: bool = option(
        False, "a last pool before the canonical mode's top: 768 features instead of 3072"
    )
    use_dropout: bool = option(True, "drop features in training, at the rates of the table")


class CifarNetwork(ChainBackbone):
    """A network for 32x32 images in its canonical mode, with a top of 3072 features.

    The published table has a fourth pool, which leaves 768, and gives 3072: the
    pool is an option. The convolutional mode ends before it. The input is tapped
    as "x".

    Args:
      options: width, normalization, last pool, dropout, padding and alignment.
      input_channels: 1 for gray, 3 for RGB.
      seed: every initial kernel and every dropout mask derives from it.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, table 4.1.
    """

    Options = CifarOptions
    canonical_size = 32
    network_name: str
    layers_before_top: tuple[Conv | Pool, ...]

    def __init__(self, options: CifarOptions, input_channels: int, seed: int) -> None:
        last = (POOL,) if options.final_pool else ()
        stages = (*self.layers_before_top, *last)
        if not options.use_dropout:
            stages = tuple(map(_without_dropout, stages))
        super().__init__(self.network_name, "x", stages, options, input_channels, seed)


class CifarDeep(CifarNetwork):
    """The network of eight convolutions."""

    network_name = "cifar_deep"
    layers_before_top = DEEP


class CifarShallow(CifarNetwork):
    """The network of five convolutions."""

    network_name = "cifar_shallow"
    layers_before_top = SHALLOW


def _without_dropout(stage: Conv | Pool) -> Conv | Pool:
    """Returns a layer that drops nothing."""
    return stage if isinstance(stage, Pool) else dataclasses.replace(stage, dropout_rate=None)
