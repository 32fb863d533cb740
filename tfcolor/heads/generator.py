"""Images made from codes or from maps by transposed convolutions."""

import tensorflow as tf

from tfcolor.core.seeds import derive_seed
from tfcolor.heads.decoder_stages import CellSpread, DecodingStage, Stage
from tfcolor.layers.batch_norm import ParameterFreeBatchNorm

SMALLEST_SIDE = 4
"""Least cells along each side of the map between images and codes."""

LARGEST_FACTOR = 8
"""Channels of the widest stages, relative to those of the stage next to the image."""

ENTRY = "code"
"""What the stages call the only thing that goes through them."""


class ImageGenerator(tf.keras.layers.Layer):
    """Doubles the sides of a map until it is an image.

    Every stage but the image is normalized and rectified. A code is first
    spread to a map of 4 to 7 cells along each side. Where the doublings make
    more than the wanted side, the middle is cut out.

    Args:
      in_channels: C, of the codes or maps.
      image_channels: 1 for gray, 3 for RGB.
      channels: of the stage next to the image; each one before it has twice as
        many, up to eight times.
      side: S of the images, pixels.
      num_doublings: for maps, how often their sides are doubled; None for
        codes.
      seed: every initial kernel derives from it.

    References:
      Radford, Metz, Chintala. Unsupervised Representation Learning with Deep
      Convolutional Generative Adversarial Networks. ICLR 2016.
    """

    def __init__(
        self,
        in_channels: int,
        image_channels: int,
        channels: int,
        *,
        side: int,
        num_doublings: int | None = None,
        seed: int,
    ) -> None:
        super().__init__(name="generator", autocast=False)
        self.side = side
        self.spread: CellSpread | None = None
        if num_doublings is None:
            num_doublings = num_halvings(side)
            in_channels = self._build_spread(in_channels, channels, num_doublings, seed)
        widths = [stage_channels(channels, left) for left in reversed(range(num_doublings - 1))]
        widths = [in_channels, *widths, image_channels]
        self.stages = [
            DecodingStage(
                Stage(f"map_{index}", kernel=4, stride=2, crop=1),
                widths[index],
                widths[index + 1],
                entries=() if index == num_doublings - 1 else (ENTRY,),
                is_image=index == num_doublings - 1,
                seed=seed,
            )
            for index in range(num_doublings)
        ]

    def call(self, features: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Makes images.

        Args:
          features: float [B, C], or [B, h, w, C] of h = w = S / 2^n or more cells
            for n doublings.
          training: whether batch statistics are on.

        Returns:
          float32 [B, S, S, image_channels] in (0, 1).
        """
        if self.spread is not None:
            features = self.batch_norm(self.spread(features), training=training)
            features = tf.nn.relu(features)
        for stage in self.stages:
            features = stage(features, ENTRY, training=training)
        return (1 + tf.tanh(cut_middle(features, self.side))) / 2

    def _build_spread(self, in_channels: int, channels: int, num_doublings: int, seed: int) -> int:
        """Builds what spreads codes over the first map, and returns its channels."""
        width = stage_channels(channels, num_doublings - 1)
        kernel_seed = derive_seed(seed, "generator/spread/kernel")
        spread = CellSpread(-(-self.side // 2**num_doublings), width, kernel_seed)
        spread.build([None, in_channels])
        self.spread = spread
        self.batch_norm = ParameterFreeBatchNorm(name="spread_batch_norm")
        self.batch_norm.build([None, width])
        return width


def num_halvings(side: int) -> int:
    """Returns how often an image is halved on the way to a code.

    Args:
      side: of the image, pixels.

    Returns:
      A number after which 4 to 7 cells are left, or 8 where halves are rounded
      up.

    Raises:
      ValueError: if it is less than 8.

    Example:
      >>> [num_halvings(side) for side in (8, 64, 127, 128)]
      [1, 4, 4, 5]
    """
    if side < 2 * SMALLEST_SIDE:
        raise ValueError(f"side={side}: expected at least {2 * SMALLEST_SIDE}")
    return (side // SMALLEST_SIDE).bit_length() - 1


def stage_channels(channels: int, distance: int) -> int:
    """Returns the channels of a map between image and code.

    Args:
      channels: of the map next to the image.
      distance: from that one, in doublings.

    Returns:
      `channels` times a power of 2.
    """
    return channels * min(2**distance, LARGEST_FACTOR)


def cut_middle(images: tf.Tensor, side: int) -> tf.Tensor:
    """Returns the middle squares of images.

    Args:
      images: float [B, H, W, C].
      side: S, pixels, at most H and W.

    Returns:
      float [B, S, S, C]; where margins cannot be equal, the one above or on the
      left is a pixel narrower.

    Example:
      >>> cut_middle(tf.reshape(tf.range(4.0), [1, 1, 4, 1]), 1).numpy().ravel()
      array([1.], dtype=float32)
    """
    rows, columns = ((images.shape[axis] - side) // 2 for axis in (1, 2))
    return images[:, rows : rows + side, columns : columns + side]
