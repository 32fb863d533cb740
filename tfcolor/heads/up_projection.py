"""Maps of numbers at a finer scale than the features they are predicted from."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import PIXELS, Scalar, Tap, map_size
from tfcolor.layers.batch_norm import TrainableBatchNorm
from tfcolor.layers.convolution import Convolution
from tfcolor.ops.dense_sampling import resize_features

KERNEL = 5
"""Cells along each side of the kernel that reads an unpooled map."""

LAST_STDDEV = 0.01
"""Of the last kernel: predictions start near the initial value."""


class UnpooledConvolution(tf.keras.layers.Conv2D):
    """A 5 x 5 convolution of a map that was unpooled by 2, without the unpooled map.

    Unpooling puts each cell at the top left of a square of four and zeros
    elsewhere. Of the 25 weights a cell of the result then meets 9, 6, 6 or 4,
    depending on where in its square it lies: four small convolutions of the
    original map, whose results are interleaved.

    Args:
      filters: number of output channels.
      kernel_initializer: how the kernel starts. There is no bias.
      name: name of the layer.

    References:
      Laina et al. Deeper Depth Prediction with Fully Convolutional Residual
      Networks. 3DV 2016, section 3.2 (fast up-convolution).
    """

    def __init__(
        self,
        filters: int,
        kernel_initializer: str | tf.keras.initializers.Initializer = "glorot_uniform",
        name: str | None = None,
    ) -> None:
        super().__init__(
            filters,
            KERNEL,
            padding="same",
            kernel_initializer=kernel_initializer,
            use_bias=False,
            name=name,
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Convolves the unpooled map.

        Args:
          inputs: float [B, H, W, C].

        Returns:
          float [B, 2 H, 2 W, filters]; cell (2 i, 2 j) is centered where cell
          (i, j) of the input is.
        """
        parts = [
            tf.nn.conv2d(inputs, self.kernel[row::2, column::2], 1, _padding(row, column))
            for row in (0, 1)
            for column in (0, 1)
        ]
        return tf.nn.depth_to_space(tf.concat(parts, axis=-1), 2)


class UpProjection(tf.keras.layers.Layer):
    """A residual block that doubles both sides of a map.

    Args:
      channels: of its output.
      seed: every initial kernel derives from it and from the name.
      name: name of the layer.

    References:
      Laina et al. Deeper Depth Prediction with Fully Convolutional Residual
      Networks. 3DV 2016, figure 2d.
    """

    def __init__(self, channels: int, *, seed: int, name: str) -> None:
        super().__init__(name=name, autocast=False)
        kernels = {
            part: tf.keras.initializers.HeNormal(derive_seed(seed, f"{name}/{part}/kernel"))
            for part in ("upper", "second", "shortcut")
        }
        self.upper = UnpooledConvolution(channels, kernels["upper"], name="upper")
        self.second = Convolution(
            channels, 3, kernel_initializer=kernels["second"], use_bias=False, name="second"
        )
        self.shortcut = UnpooledConvolution(channels, kernels["shortcut"], name="shortcut")
        self.norms = {part: _batch_norm(f"{part}_norm") for part in kernels}

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates all variables.

        Args:
          input_shape: [B, H, W, C].
        """
        channels = self.second.filters
        for layer in (self.upper, self.shortcut):
            layer.build([None, None, None, tf.TensorShape(input_shape)[-1]])
        self.second.build([None, None, None, channels])
        for norm in self.norms.values():
            norm.build([None, None, None, channels])
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Enlarges the map.

        Args:
          inputs: float [B, H, W, C].
          training: whether batch norm uses the statistics of the batch.

        Returns:
          float [B, 2 H, 2 W, channels], not negative.
        """
        upper = tf.nn.relu(self.norms["upper"](self.upper(inputs), training=training))
        upper = self.norms["second"](self.second(upper), training=training)
        shortcut = self.norms["shortcut"](self.shortcut(inputs), training=training)
        return tf.nn.relu(upper + shortcut)


class UpProjectionHead(tf.keras.Model):
    """Predicts one number for each cell of a grid over the image.

    Blocks that each halve the stride of one map of a backbone, and a 3 x 3
    convolution to one channel. The map is read as it is: rectified by the backbone,
    or, where its units end in raw sums, normalized and rectified by `HeadInput`. The
    output is read bilinearly on the grid, whose cells are pixels of the image: every
    `cell_size`-th one.

    Args:
      tap: the map to read; its name, channels and stride are used.
      channels: of each block.
      cell_size: from a cell of the grid to the next, pixels.
      initial_value: what is predicted at first.
      seed: every initial kernel derives from it.

    Raises:
      ValueError: if the blocks would divide the stride by more than there is.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 5 (three blocks of 512, 256 and 128 channels on stride 16).
    """

    def __init__(
        self,
        tap: Tap,
        channels: Sequence[int],
        cell_size: int,
        *,
        initial_value: float = 0.0,
        seed: int,
    ) -> None:
        super().__init__(name="up_projection_head", autocast=False)
        self.tap_name = tap.name
        self.read_taps = (tap.name,)
        self.factor = 2 ** len(channels)
        if tap.stride % self.factor:
            raise ValueError(
                f"{len(channels)} blocks divide a stride by {self.factor}: that of {tap.name} is "
                f"{tap.stride}"
            )
        self.grid = sampled_pixels(cell_size)
        self.blocks = []
        size = tap.channels
        for number, width in enumerate(channels, 1):
            block = UpProjection(width, seed=seed, name=f"up_projection{number}")
            block.build([None, None, None, size])
            self.blocks.append(block)
            size = width
        last_seed = derive_seed(seed, "up_projection_head/last/kernel")
        self.last = tf.keras.layers.Conv2D(
            1,
            3,
            padding="same",
            kernel_initializer=tf.keras.initializers.RandomNormal(
                stddev=LAST_STDDEV, seed=last_seed
            ),
            bias_initializer=tf.keras.initializers.Constant(initial_value),
            dtype="float32",
            name="last",
        )
        self.last.build([None, None, None, size])

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Predicts the numbers on the grid.

        Args:
          features: float [B, h, w, C] maps by tap name.
          inputs: `image`, float32 [B, H, W, C], for its size.
          taps: geometry of each map.
          training: whether batch norm uses the statistics of the batch.

        Returns:
          `map`, float32 [B, rows, columns], at the pixels that `sampled_pixels`
          names: as many as there are in `image[o::cell, o::cell]`.
        """
        first = int(self.grid.offset[0])
        size = map_size(inputs["image"])
        rows, columns = (-(-(side - first) // self.grid.stride) for side in size)
        predicted = self._sample(features, taps, self.grid, (rows, columns), training)
        return {"map": predicted}

    def dense(
        self,
        features: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        size: tuple[Scalar, Scalar],
    ) -> tf.Tensor:
        """Predicts a number for every pixel, as after training.

        Args:
          features: float [B, h, w, C] maps by tap name.
          taps: geometry of each map.
          size: (H, W) of the image, ints or scalar int32 tensors.

        Returns:
          float32 [B, H, W].
        """
        return self._sample(features, taps, PIXELS, size, training=False)

    def _sample(
        self,
        features: Mapping[str, tf.Tensor],
        taps: Mapping[str, Tap],
        grid: Tap,
        size: tuple[Scalar, Scalar],
        training: bool,
    ) -> tf.Tensor:
        """Returns the prediction at the cells of a grid, float32 [B, rows, columns]."""
        maps = features[self.tap_name]
        for block in self.blocks:
            maps = block(maps, training=training)
        tap = taps[self.tap_name]
        # A block leaves cell (0, 0) where it is.
        finer = Tap("map", tap.stride // self.factor, tap.offset)
        return resize_features(self.last(maps), finer, grid, size)[..., 0]


def sampled_pixels(cell_size: int) -> Tap:
    """Returns a grid of every so many-th pixel.

    Args:
      cell_size: from one to the next, pixels.

    Returns:
      The grid; its first cell is pixel `(cell_size - 1) // 2` of both axes.
    """
    return Tap("grid", cell_size, (cell_size - 1) // 2)


def _batch_norm(name: str) -> TrainableBatchNorm:
    """Returns batch norm whose statistics do not depend on the number of replicas."""
    return TrainableBatchNorm(synchronize=True, use_ramp=True, name=name)


def _padding(row: int, column: int) -> list[list[int]]:
    """Returns the padding of the kernel of one place in a square, NHWC."""
    before = [1 - row, 1 - column]
    return [[0, 0], *([side, 1] for side in before), [0, 0]]
