"""Base networks that see more of the image through further blocks."""

import tensorflow as tf

from tfcolor.backbones.base import Backbone, Visitor, scale_channels
from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Scalar, Tap, Window, compose_tap
from tfcolor.layers.convolution import Convolution

FIRST_BLOCK = 8
"""Number of the first block: conv8_1 follows fc7."""
BLOCK_CHANNELS = 1024
POOL, CONVOLUTION = Window(2, 2), Window(3)


class WidenedBackbone(Backbone):
    """A base network followed by blocks that widen its field of view ("+FoV").

    Each block is a 2x2 max pool and a rectified 3x3 convolution of 1024
    features, without normalization, and is tapped: conv8_1 at twice the stride
    of the base's last tap, conv9_1 at four times and so on. They exist in the
    convolutional mode only: the canonical mode is that of the base. Whatever
    else the base has is found here too.

    Args:
      base: the network below; it becomes a part of this one.
      num_blocks: at least 1.
      seed: the initial kernels of the blocks derive from it.

    Attributes:
      base: as given.

    Raises:
      ValueError: if there is no block.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, chapter 3.
    """

    def __init__(self, base: Backbone, num_blocks: int, seed: int) -> None:
        super().__init__(base.input_channels, base.name, base.input_mean)
        if num_blocks < 1:
            raise ValueError(f"num_blocks={num_blocks}; expected at least 1")
        self.base = base
        self.options = base.options
        self.canonical_size = base.canonical_size
        self.has_raw_taps = base.has_raw_taps
        self.convolutions.update(base.convolutions)
        self.batch_norms.update(base.batch_norms)
        self.dropouts.update(base.dropouts)
        self.block_names = tuple(f"conv{FIRST_BLOCK + index}_1" for index in range(num_blocks))
        self.block_channels = scale_channels(BLOCK_CHANNELS, base.options.width_multiplier)
        in_channels = list(base.tap_channels.values())[-1]
        for name in self.block_names:
            kernel_seed = derive_seed(seed, f"{base.name}/{name}/kernel")
            self.convolutions[name] = Convolution(
                self.block_channels,
                CONVOLUTION.kernel,
                kernel_initializer=tf.keras.initializers.HeNormal(kernel_seed),
                name=name,
            )
            self.convolutions[name].build([None, None, None, in_channels])
            in_channels = self.block_channels

    @property
    def tap_channels(self) -> dict[str, int]:
        """Channels of each tap by name, from the base's first to the last block."""
        return {**self.base.tap_channels, **dict.fromkeys(self.block_names, self.block_channels)}

    @property
    def top_features(self) -> int:
        """Features of the canonical mode's top, [B, D]: those of the base."""
        return self.base.top_features

    def canonical_taps(self) -> dict[str, Tap]:
        """Returns what a head reads that is built for the canonical mode: the base's taps."""
        return self.base.canonical_taps()

    def taps(self, height: Scalar, width: Scalar) -> dict[str, Tap]:
        """Returns the geometry of each map of the convolutional mode.

        Args:
          height: rows of the image, an int or a scalar int32 tensor.
          width: columns of the image, likewise.

        Returns:
          Taps by name, those of the base and then one for each block.
        """
        taps = self.base.taps(height, width)
        start = list(taps.values())[-1]
        whole = Window(start.stride, start.stride)
        sizes = (whole.output_size(height), whole.output_size(width))
        windows: list[Window] = []
        for name in self.block_names:
            windows += [POOL, CONVOLUTION]
            alignment = self.options.tap_alignment
            taps[name] = compose_tap(name, self.block_channels, windows, sizes, alignment, start)
        return taps

    def prepare(self, images: tf.Tensor) -> tf.Tensor:
        """Returns what the base's first layer reads, float32 [B, H, W, C]."""
        return self.base.prepare(images)

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
          seeds: int64 [B, 2], one stateless seed per example, or None.
          training: whether dropout and batch statistics are on.
          convolutional: as for `call`; False gives the base's.
          visitor: called with each named activation as soon as it is made.

        Returns:
          As for `call`.
        """
        activations = self.base.activations(inputs, seeds, training, convolutional, visitor)
        if not convolutional:
            return activations
        current = activations.pop("top")
        for name in self.block_names:
            current = tf.nn.max_pool2d(current, POOL.kernel, POOL.stride, "SAME")
            current = visitor(name, tf.nn.relu(self.convolutions[name](current)))
            activations[name] = current
        return {**activations, "top": current}
