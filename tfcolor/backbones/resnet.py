"""Residual networks of bottleneck blocks in their original layout, that of Caffe."""

import dataclasses

import tensorflow as tf

from tfcolor.backbones.base import Backbone, BackboneOptions, Visitor, scale_channels
from tfcolor.core.errors import UsageError
from tfcolor.core.lookup import lookup
from tfcolor.core.options import option
from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Scalar, Tap, Window, compose_tap
from tfcolor.layers.batch_norm import TrainableBatchNorm
from tfcolor.layers.convolution import Convolution

FIRST, FIRST_CHANNELS, FIRST_PADDING = "conv1", 64, 3
STAGE_WIDTHS = (64, 128, 256, 512)
"""Channels inside the blocks of stages 2 to 5; a block ends with four times as many."""
EXPANSION = 4
TAP_SPACINGS = (1, 3, 5, 3)
"""Blocks of each stage between two taps, counted back from the stage's last."""


@dataclasses.dataclass(frozen=True)
class ResNetOptions(BackboneOptions):
    """Options of residual networks."""

    batch_norm_scale: bool = option(False, "a trainable factor per channel after each batch norm")
    batch_norm_center: bool = option(True, "a trainable shift per channel after each batch norm")
    batch_norm_ramp: bool = option(
        False, "moving statistics that begin with the first batch; else their decay is constant"
    )
    tapped_blocks: tuple[str, ...] = option(
        (), "blocks to tap besides the last, as res4b5; empty takes the published ones"
    )
    stage_blocks: tuple[int, ...] = option(
        (), "blocks of stages 2 to 5; empty takes those of the network's depth", minimum=1
    )


@dataclasses.dataclass(frozen=True)
class Block:
    """One bottleneck block: 1x1, 3x3 and 1x1 convolutions beside a shortcut.

    Args:
      name: of the block without "res", as "3b1".
      width: channels of its first two convolutions.
      channels: outputs.
      stride: of the first 1x1 convolution and the shortcut.
      projects: whether the shortcut is a convolution.
      is_published: whether it is tapped unless blocks are chosen.
    """

    name: str
    width: int
    channels: int
    stride: int
    projects: bool
    is_published: bool


class ResNet(Backbone):
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
    canonical_size = 224
    depth: int
    depth_blocks: tuple[int, ...]
    numbers_blocks = True
    """Whether blocks of stages 3 and 4 are called a, b1, b2 instead of a, b, c."""

    def __init__(self, options: ResNetOptions, input_channels: int, seed: int) -> None:
        super().__init__(input_channels, f"resnet{self.depth}", options.input_mean)
        self.options = options
        self.blocks = self._declare_blocks()
        self._tap_channels = self._choose_taps()
        self._build_convolution(FIRST, (7, 2), input_channels, self._tap_channels[FIRST], seed)
        channels = self._tap_channels[FIRST]
        for block in self.blocks:
            self._build_block(block, channels, seed)
            channels = block.channels

    @property
    def tap_channels(self) -> dict[str, int]:
        """Channels of each tap by name, from the first to the last layer."""
        return dict(self._tap_channels)

    def taps(self, height: Scalar, width: Scalar) -> dict[str, Tap]:
        """Returns the geometry of each map of the convolutional mode.

        Args:
          height: rows of the image, an int or a scalar int32 tensor.
          width: columns of the image, likewise.

        Returns:
          Taps by name, from the first to the last layer. Those of one stage
          share their offset.
        """
        sizes, alignment = (height, width), self.options.tap_alignment
        windows = [Window(7, 2, FIRST_PADDING)]
        first = compose_tap(FIRST, self._tap_channels[FIRST], windows, sizes, alignment)
        taps = {FIRST: first}
        windows.append(Window(3, 2))
        geometry = compose_tap("", 0, windows, sizes, alignment)
        for block in self.blocks:
            if block.stride > 1:
                windows.append(Window(1, block.stride))
                geometry = compose_tap("", 0, windows, sizes, alignment)
            name = f"res{block.name}"
            if name in self._tap_channels:
                taps[name] = dataclasses.replace(geometry, name=name, channels=block.channels)
        return taps

    def activations(
        self,
        inputs: tf.Tensor,
        seeds: tf.Tensor | None,
        training: bool,
        convolutional: bool,
        visitor: Visitor,
    ) -> dict[str, tf.Tensor]:
        """Computes the named activations of prepared images.

        Args:
          inputs: float [B, H, W, C] of the compute dtype.
          seeds: not read: nothing is dropped.
          training: whether batch statistics are on.
          convolutional: as for `call`.
          visitor: called with each named activation as soon as it is made.

        Returns:
          As for `call`.
        """
        del seeds
        # Centers the kernel on every second pixel; SAME would not at even sizes.
        around = [FIRST_PADDING, FIRST_PADDING]
        current = tf.pad(inputs, [[0, 0], around, around, [0, 0]])
        current = tf.nn.relu(self._convolve(FIRST, current, training, padding="VALID"))
        current = visitor(FIRST, current)
        activations = {FIRST: current}
        current = tf.nn.max_pool2d(current, 3, 2, "SAME")
        for block in self.blocks:
            current = self._apply_block(block, current, training)
            name = f"res{block.name}"
            if name in self._tap_channels:
                current = activations[name] = visitor(name, current)
        top = current if convolutional else tf.reduce_mean(current, [1, 2])
        return {**activations, "top": top}

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
                    name=f"{stage}{_block_suffix(index, is_numbered)}",
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
        channels = {f"res{block.name}": block.channels for block in self.blocks}
        for name in self.options.tapped_blocks:
            lookup(channels, name, "block")
        published = [f"res{block.name}" for block in self.blocks if block.is_published]
        names = {*(self.options.tapped_blocks or published), published[-1]}
        first = scale_channels(FIRST_CHANNELS, self.options.width_multiplier)
        return {FIRST: first, **{name: channels[name] for name in channels if name in names}}

    def _build_block(self, block: Block, channels: int, seed: int) -> None:
        """Creates a block's layers and variables; it reads `channels` features."""
        name, first = f"res{block.name}", (1, block.stride)
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
        options = self.options
        kernel_seed = derive_seed(seed, f"{self.name}/{name}/kernel")
        if options.use_batch_norm:
            initializer = tf.keras.initializers.GlorotUniform(kernel_seed)
            self.batch_norms[name] = TrainableBatchNorm(
                options.batch_norm_statistics,
                options.synchronize_batch_norm,
                options.batch_norm_ramp,
                use_scale=options.batch_norm_scale,
                use_center=options.batch_norm_center,
                name=f"{name}_batch_norm",
            )
            self.batch_norms[name].build([None, channels])
        else:
            initializer = tf.keras.initializers.HeNormal(kernel_seed)
        self.convolutions[name] = Convolution(
            channels,
            *window,
            kernel_initializer=initializer,
            use_bias=not options.use_batch_norm,
            name=name,
        )
        self.convolutions[name].build([None, None, None, in_channels])

    def _convolve(
        self, name: str, current: tf.Tensor, training: bool, padding: str = "SAME"
    ) -> tf.Tensor:
        """Applies a convolution and its batch norm."""
        current = self.convolutions[name](current, padding=padding)
        if name in self.batch_norms:
            current = self.batch_norms[name](current, training=training)
        return current

    def _apply_block(self, block: Block, current: tf.Tensor, training: bool) -> tf.Tensor:
        """Applies a block: the rectified sum of its shortcut and its branch."""
        name, shortcut = f"res{block.name}", current
        if block.projects:
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
