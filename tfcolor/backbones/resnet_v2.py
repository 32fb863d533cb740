"""Residual networks of pre-activation units, up to the end of block 3."""

import dataclasses

import tensorflow as tf

from tfcolor.backbones.base import BEFORE, scale_channels
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

BLOCK_WIDTHS = (64, 128, 256)
"""Channels inside the units of blocks 1 to 3; a unit ends with four times as many."""
BLOCK_STRIDES = (2, 2, 1)
"""Of each block's last unit. That of block 3 would only be read by block 4, and all its
units are of one size so that their outputs can be mixed."""
STEM_STRIDE = 4
ALL_UNITS = "all"


@dataclasses.dataclass(frozen=True)
class ResNetV2Options(ResidualOptions):
    """Options of residual networks of pre-activation units."""

    output_stride: int = option(
        16,
        "pixels per cell of block 3; at 8 its convolutions are dilated, with the same weights",
        choices=(8, 16),
    )
    tapped_units: tuple[str, ...] = option(
        (),
        "units to tap besides the last of each block, as block3_unit5; all for those of block 3",
    )
    block_units: tuple[int, ...] = option(
        (), "units of blocks 1 to 3; empty takes those of the network's depth", minimum=1
    )


@dataclasses.dataclass(frozen=True)
class Unit(ResidualUnit):
    """One unit, "block3_unit5", whose stride is that of its 3x3 convolution and its shortcut.

    Args:
      name: as of `ResidualUnit`, and all others up to `projects`.
      block: 1 to 3.
      dilation: of the 3x3 convolution.
      is_last: whether its block ends with it.
    """

    block: int
    dilation: int
    is_last: bool


class ResNetV2(ResidualBackbone[Unit]):
    """A network of pre-activation units up to the end of block 3, the layout of TF-Slim.

    A unit adds to what it reads, or to a projection of it, what its branch gives;
    batch norm and ReLU come before the convolutions. So every tap is a raw sum,
    which those who read it normalize, and `conv1` a convolution with a bias. A
    block ends with its strided unit; block 3 has one stride throughout. The top
    is the map of the last unit; the canonical mode averages it over all
    positions. The input is not tapped.

    Args:
      options: width, stride, normalization, taps and alignment.
      input_channels: 1 for gray, 3 for RGB.
      seed: every initial kernel derives from it.

    Raises:
      UsageError: if `options` tap a unit that is not there, or do not give all
        three blocks.

    References:
      He, Zhang, Ren, Sun. Identity Mappings in Deep Residual Networks. ECCV 2016.
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 3 (up to block 3; stride 8 for the pretext tasks).
    """

    Options = ResNetV2Options
    has_raw_taps = True
    halving = Window(3, 2, 1)
    options: ResNetV2Options
    depth: int
    depth_units: tuple[int, ...]

    def __init__(self, options: ResNetV2Options, input_channels: int, seed: int) -> None:
        super().__init__(options, input_channels, f"resnet{self.depth}_v2")
        self.units = self._declare_units()
        self._tap_channels = self._choose_taps()
        channels = self._tap_channels[FIRST]
        self._build_convolution(FIRST, (7, 2), input_channels, channels, seed)
        for unit in self.units:
            self._build_unit(unit, channels, seed)
            channels = unit.channels

    def _declare_units(self) -> tuple[Unit, ...]:
        """Returns the units in order."""
        counts = self.options.block_units or self.depth_units
        if len(counts) != len(BLOCK_WIDTHS):
            raise UsageError(
                f"--{self.name}_block_units={','.join(map(str, counts))}: "
                f"expected {len(BLOCK_WIDTHS)} numbers"
            )
        units, reached, dilation = [], STEM_STRIDE, 1
        for block, (count, width, stride) in enumerate(
            zip(counts, BLOCK_WIDTHS, BLOCK_STRIDES, strict=True), start=1
        ):
            width = scale_channels(width, self.options.width_multiplier)
            strides = reached < self.options.output_stride
            units += [
                Unit(
                    name=f"block{block}_unit{index}",
                    block=block,
                    width=width,
                    channels=EXPANSION * width,
                    stride=stride if index == count and strides else 1,
                    dilation=dilation,
                    projects=index == 1,
                    is_last=index == count,
                )
                for index in range(1, count + 1)
            ]
            reached, dilation = (
                (reached * stride, dilation) if strides else (reached, dilation * stride)
            )
        return tuple(units)

    def _choose_taps(self) -> dict[str, int]:
        """Returns the channels of the taps that the options name, in order."""
        channels = {unit.name: unit.channels for unit in self.units}
        names = {unit.name for unit in self.units if unit.is_last}
        if self.options.tapped_units == (ALL_UNITS,):
            names |= {unit.name for unit in self.units if unit.block == len(BLOCK_WIDTHS)}
        else:
            for name in self.options.tapped_units:
                lookup(channels, name, "unit")
            names |= {*self.options.tapped_units}
        first = scale_channels(FIRST_CHANNELS, self.options.width_multiplier)
        return {FIRST: first, **{name: channels[name] for name in channels if name in names}}

    def _build_unit(self, unit: Unit, channels: int, seed: int) -> None:
        """Creates a unit's layers and variables; it reads `channels` features."""
        name = unit.name
        self._build_norm(f"{name}_conv1{BEFORE}", channels)
        if unit.projects:
            self._build_convolution(f"{name}_shortcut", (1, 1), channels, unit.channels, seed)
        windows = ((1, 1), (3, unit.stride), (1, 1))
        sizes = (channels, unit.width, unit.width, unit.channels)
        for number, window in enumerate(windows, start=1):
            own = sizes[number - 1], sizes[number]
            is_normalized = number < len(windows)
            self._build_convolution(
                f"{name}_conv{number}", window, *own, seed, is_normalized=is_normalized
            )

    def _build_convolution(
        self,
        name: str,
        window: tuple[int, int],
        in_channels: int,
        channels: int,
        seed: int,
        *,
        is_normalized: bool = False,
    ) -> None:
        """Creates a convolution of (kernel, stride) with batch norm after it, or a bias."""
        is_normalized = is_normalized and self.options.use_batch_norm
        if is_normalized:
            self._build_norm(name, channels)
        self.convolutions[name] = Convolution(
            channels,
            *window,
            kernel_initializer=tf.keras.initializers.HeNormal(
                derive_seed(seed, f"{self.name}/{name}/kernel")
            ),
            use_bias=not is_normalized,
            name=name,
        )
        self.convolutions[name].build([None, None, None, in_channels])

    def _apply_first(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        """Applies the first convolution: the first unit normalizes."""
        del training
        return self._convolve_centered(FIRST, inputs, FIRST_WINDOW)

    def _apply_unit(self, unit: Unit, current: tf.Tensor, training: bool) -> tf.Tensor:
        """Applies a unit: the sum of its shortcut and its branch, neither rectified."""
        name, read = unit.name, current
        current = self._activate(f"{name}_conv1{BEFORE}", current, training)
        # Thinned out before the projection, not by its stride: the gradient of a
        # strided 1x1 convolution on 4 channels crashed in oneDNN.
        shortcut = (current if unit.projects else read)[:, :: unit.stride, :: unit.stride]
        if unit.projects:
            shortcut = self.convolutions[f"{name}_shortcut"](shortcut)
        current = self.convolutions[f"{name}_conv1"](current)
        current = self._activate(f"{name}_conv1", current, training)
        if unit.stride > 1:
            current = self._convolve_centered(f"{name}_conv2", current, self.halving)
        else:
            current = self.convolutions[f"{name}_conv2"](current, dilation=unit.dilation)
        current = self._activate(f"{name}_conv2", current, training)
        return shortcut + self.convolutions[f"{name}_conv3"](current)

    def _activate(self, norm: str, current: tf.Tensor, training: bool) -> tf.Tensor:
        """Rectifies after a batch norm, if there is one."""
        return tf.nn.relu(self._normalize(norm, current, training))


class ResNet50V2(ResNetV2):
    """The network of 50 layers, of which 40 convolutions are here."""

    depth = 50
    depth_units = (3, 4, 6)


class ResNet101V2(ResNetV2):
    """The network of 101 layers, of which 91 convolutions are here."""

    depth = 101
    depth_units = (3, 4, 23)
