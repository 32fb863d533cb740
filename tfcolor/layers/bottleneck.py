"""A residual unit of pre-activation convolutions, for heads, which compute in float32."""

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.layers.batch_norm import TrainableBatchNorm


class BottleneckUnit(tf.keras.layers.Layer):
    """Adds to a map what a 1x1, a k x k and a 1x1 convolution make of it.

    Batch norm, over the examples of all replicas together, and ReLU come before
    each of them, so that a raw sum may be read. The shortcut is a 1x1 convolution
    where rows, columns or channels change. With a kernel of 1 on a map of one
    cell it is the fully connected residual unit. It computes in float32 whatever
    the policy, as all heads do.

    Args:
      in_channels: channels of the map.
      channels: outputs.
      width: outputs of the first two convolutions.
      stride: of the middle one.
      kernel: cells along each side of the middle one, odd.
      seed: every initial kernel derives from it.
      name: name of the layer.

    References:
      He, Zhang, Ren, Sun. Identity Mappings in Deep Residual Networks. ECCV 2016.
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 3.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        width: int,
        *,
        stride: int = 1,
        kernel: int = 3,
        seed: int,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, autocast=False)
        self.stride, self.around = stride, kernel // 2
        sizes = (in_channels, width, width, channels)
        self.norms, self.convolutions = [], []
        for index, (cells, step) in enumerate(((1, 1), (kernel, stride), (1, 1))):
            norm = TrainableBatchNorm(synchronize=True, use_ramp=True, name=f"norm{index + 1}")
            norm.build([None, sizes[index]])
            self.norms.append(norm)
            self.convolutions.append(
                _convolution(
                    f"conv{index + 1}", (cells, step), sizes[index : index + 2], index == 2, seed
                )
            )
        changes = stride > 1 or in_channels != channels
        self.shortcut = (
            _convolution("shortcut", (1, 1), (in_channels, channels), True, seed)
            if changes
            else None
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Applies the unit.

        Args:
          inputs: float [B, H, W, in_channels], of any precision.
          training: whether batch norm uses the statistics of the batch.

        Returns:
          float32 [B, h, w, channels], a raw sum; H and W divided by the stride and
          rounded up.
        """
        inputs = tf.cast(inputs, tf.float32)
        current = first = tf.nn.relu(self.norms[0](inputs, training=training))
        current = self.convolutions[0](current)
        current = tf.nn.relu(self.norms[1](current, training=training))
        # Centered on every second cell, as the shortcut is; SAME would not be.
        around = [self.around, self.around]
        current = tf.pad(current, [[0, 0], around, around, [0, 0]])
        current = self.convolutions[1](current)
        current = tf.nn.relu(self.norms[2](current, training=training))
        current = self.convolutions[2](current)
        if self.shortcut is None:
            return inputs + current
        return self.shortcut(first[:, :: self.stride, :: self.stride]) + current


def _convolution(
    name: str, window: tuple[int, int], sizes: tuple[int, ...], use_bias: bool, seed: int
) -> tf.keras.layers.Conv2D:
    """Returns a convolution of (kernel, stride) and (in, out) channels, without padding."""
    initializer = tf.keras.initializers.HeNormal(derive_seed(seed, name))
    in_channels, channels = sizes
    layer = tf.keras.layers.Conv2D(
        channels,
        *window,
        kernel_initializer=initializer,
        use_bias=use_bias,
        dtype="float32",
        name=name,
    )
    layer.build([None, None, None, in_channels])
    return layer
