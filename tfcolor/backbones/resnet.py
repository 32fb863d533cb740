"""Residual networks of bottleneck blocks in their original layout, that of Caffe."""

import dataclasses

import tensorflow as tf

from tfcolor.backbones.base import scale_channels
from tfcolor.backbones.residual import (
    EXPANSION,
    FIRST,
    FIRST_CHANNELS,
    FIRST_WINDOW,
    ResidualBackbone,
    ResidualOptions,
    ResidualUnit,
)
from tfcolor.core.errors import UsageError
from tfcolor.core.lookup import lookup
from tfcolor.core.options import option
from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Window
from tfcolor.layers.convolution import Convolution

STAGE_WIDTHS = (64, 128, 256, 512)
"""Channels inside the blocks of stages 2 to 5; a block ends with four times as many."""
TAP_SPACINGS = (1, 3, 5, 3)
"""Blocks of each stage between two taps, counted back from the stage's last."""


@dataclasses.dataclass(frozen=True)
class ResNetOptions(ResidualOptions):
    """Options of residual networks in the original layout."""

    batch_norm_scale: bool = option(False, "a trainable factor per channel after each batch norm")
    tapped_blocks: tuple[str, ...] = option(
        (), "blocks to tap besides the last, as res4b5; empty takes the published ones"
    )
    stage_blocks: tuple[int, ...] = option(
        (), "blocks of stages 2 to 5; empty takes those of the network's depth", minimum=1
    )


@dataclasses.dataclass(frozen=True)
class Block(ResidualUnit):
    """One unit, "res3b1", whose stride is that of its first 1x1 convolution and its shortcut.

    Args:
      name: as of `ResidualUnit`, and all others but the last.
      is_published: whether it is tapped unless blocks are chosen.
    """

    is_published: bool


class ResNet(ResidualBackbone[Block]):
    """A residual network up to its last block, for 224x224 images in its canonical mode.

    Its top is the map of the last block; the canonical mode averages it over
    all positions. The input is not tapped. Strides are in the first 1x1
    convolution of a stage. With batch norm the convolutions have no bias.

    Args:
      options: width, normalization, taps and alignment.
      input_channels: 1 for gray, 3 for RGB.
      seed: every initial kernel derives from it.

    Raises:
      UsageError: if `options` tap a block that is not there, or do not give all
        four stages.

    References:
      He, Zhang, Ren, Sun. Deep Residual Learning for Image Recognition. CVPR
      2016.
    """

    Options = ResNetOptions
    halving = Window(1, 2)
    options: ResNetOptions
    depth: int
    depth_blocks: tuple[int, ...]
    numbers_blocks = True
    """Whether blocks of stages 3 and 4 are called a, b1, b2 instead of a, b, c."""

    def __init__(self, options: ResNetOptions, input_channels: int, seed: int) -> None:
        super().__init__(options, input_channels, f"resnet{self.depth}")
        self.units = self._declare_blocks()
        self._tap_channels = self._choose_taps()
        self._build_convolution(FIRST, (7, 2), input_channels, self._tap_channels[FIRST], seed)
        channels = self._tap_channels[FIRST]
        for block in self.units:
            self._build_block(block, channels, seed)
            channels = block.channels

    def _declare_blocks(self) -> tuple[Block, ...]:
        """Returns the blocks in order."""
        counts = self.options.stage_blocks or self.depth_blocks
        if len(counts) != len(STAGE_WIDTHS):
            raise UsageError(
                f"--{self.name}_stage_blocks={','.join(map(str, counts))}: "
                f"expected {len(STAGE_WIDTHS)} numbers"
            )
        blocks = []
        for stage, (count, width, spacing) in enumerate(
            zip(counts, STAGE_WIDTHS, TAP_SPACINGS, strict=True), start=2
        ):
            width = scale_channels(width, self.options.width_multiplier)
            is_numbered = self.numbers_blocks and stage in (3, 4)
            blocks += [
                Block(
                    name=f"res{stage}{_block_suffix(index, is_numbered)}",
                    width=width,
                    channels=EXPANSION * width,
                    stride=2 if index == 0 and stage > 2 else 1,
                    projects=index == 0,
                    is_published=_is_tapped(index, count, spacing),
                )
                for index in range(count)
            ]
        return tuple(blocks)

    def _choose_taps(self) -> dict[str, int]:
        """Returns the channels of the taps that the options name, in order."""
        channels = {block.name: block.channels for block in self.units}
        for name in self.options.tapped_blocks:
            lookup(channels, name, "block")
        published = [block.name for block in self.units if block.is_published]
        names = {*(self.options.tapped_blocks or published), published[-1]}
        first = scale_channels(FIRST_CHANNELS, self.options.width_multiplier)
        return {FIRST: first, **{name: channels[name] for name in channels if name in names}}

    def _build_block(self, block: Block, channels: int, seed: int) -> None:
        """Creates a block's layers and variables; it reads `channels` features."""
        name, first = block.name, (1, block.stride)
        if block.projects:
            self._build_convolution(f"{name}_branch1", first, channels, block.channels, seed)
        width = block.width
        self._build_convolution(f"{name}_branch2a", first, channels, width, seed)
        self._build_convolution(f"{name}_branch2b", (3, 1), width, width, seed)
        self._build_convolution(f"{name}_branch2c", (1, 1), width, block.channels, seed)

    def _build_convolution(
        self, name: str, window: tuple[int, int], in_channels: int, channels: int, seed: int
    ) -> None:
        """Creates a convolution of (kernel, stride) and its batch norm."""
        initializers, use_batch_norm = tf.keras.initializers, self.options.use_batch_norm
        initializer = initializers.GlorotUniform if use_batch_norm else initializers.HeNormal
        self._build_norm(name, channels)
        self.convolutions[name] = Convolution(
            channels,
            *window,
            kernel_initializer=initializer(derive_seed(seed, f"{self.name}/{name}/kernel")),
            use_bias=not use_batch_norm,
            name=name,
        )
        self.convolutions[name].build([None, None, None, in_channels])

    def _apply_first(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        """Applies the first convolution, its batch norm and ReLU."""
        current = self._convolve_centered(FIRST, inputs, FIRST_WINDOW)
        return tf.nn.relu(self._normalize(FIRST, current, training))

    def _convolve(self, name: str, current: tf.Tensor, training: bool) -> tf.Tensor:
        """Applies a convolution and its batch norm."""
        return self._normalize(name, self.convolutions[name](current), training)

    def _apply_unit(self, unit: Block, current: tf.Tensor, training: bool) -> tf.Tensor:
        """Applies a block: the rectified sum of its shortcut and its branch."""
        name, shortcut = unit.name, current
        if unit.projects:
            shortcut = self._convolve(f"{name}_branch1", current, training)
        for part in ("branch2a", "branch2b"):
            current = tf.nn.relu(self._convolve(f"{name}_{part}", current, training))
        return tf.nn.relu(shortcut + self._convolve(f"{name}_branch2c", current, training))


class ResNet50(ResNet):
    """The network of 50 layers."""

    depth = 50
    depth_blocks = (3, 4, 6, 3)
    numbers_blocks = False


class ResNet101(ResNet):
    """The network of 101 layers."""

    depth = 101
    depth_blocks = (3, 4, 23, 3)


class ResNet152(ResNet):
    """The network of 152 layers."""

    depth = 152
    depth_blocks = (3, 8, 36, 3)


def _block_suffix(index: int, is_numbered: bool) -> str:
    """Returns what distinguishes a block of a stage: a, b1, b2 or a, b, c."""
    return f"b{index}" if is_numbered and index else chr(ord("a") + index)


def _is_tapped(index: int, count: int, spacing: int) -> bool:
    """Says whether a block of a stage is tapped: every one, or not the first of several."""
    is_in_step = (count - 1 - index) % spacing == 0
    return is_in_step and (spacing == 1 or index > 0 or count == 1)
