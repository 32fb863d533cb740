"""The same random square of a frame and of a field over it, as of its flow."""

import dataclasses

import tensorflow as tf

from tfcolor.data.transforms import rescaled_size, scaled_window


@dataclasses.dataclass(frozen=True)
class FrameWindow:
    """A square of a frame that was rescaled first, and maybe mirrored.

    Args:
      scaled: int32 [2], (height, width) of the rescaled frame.
      corner: int32 [2], where the square begins in it, (row, column).
      is_mirrored: bool [], whether left and right are exchanged.
      size: side S of the square, pixels.
    """

    scaled: tf.Tensor
    corner: tf.Tensor
    is_mirrored: tf.Tensor
    size: int

    def cut_frame(self, frame: tf.Tensor) -> tf.Tensor:
        """Cuts the square out of the frame.

        Args:
          frame: uint8 [H, W, 3].

        Returns:
          float32 [S, S, 3] in [0, 1].
        """
        view = scaled_window(frame, self.scaled, -self.corner, self.size, antialias=True)
        return self._mirrored(view)

    def cut_field(self, field: tf.Tensor, mirror_signs: tuple[float, ...]) -> tf.Tensor:
        """Cuts the same square out of a field, bilinearly; values are not rescaled.

        Args:
          field: float32 [h, w, C], over the whole frame at any scale.
          mirror_signs: C factors on what is mirrored: -1 for the horizontal part
            of a flow.

        Returns:
          float32 [S, S, C].
        """
        view = tf.raw_ops.ScaleAndTranslate(
            images=field[tf.newaxis],
            size=[self.size, self.size],
            scale=tf.cast(self.scaled, tf.float32) / tf.cast(tf.shape(field)[:2], tf.float32),
            translation=tf.cast(-self.corner, tf.float32),
            kernel_type="triangle",
            antialias=True,
        )[0]
        view = tf.ensure_shape(view, [self.size, self.size, len(mirror_signs)])
        signs = tf.where(self.is_mirrored, mirror_signs, [1.0] * len(mirror_signs))
        return self._mirrored(view) * signs

    def _mirrored(self, view: tf.Tensor) -> tf.Tensor:
        """Returns [S, S, C], mirrored if the window is."""
        return tf.where(self.is_mirrored, view[:, ::-1], view)


def random_window(
    size: tf.Tensor, seed: tf.Tensor, *, crop_size: int, max_side: int, use_mirror: bool
) -> FrameWindow:
    """Chooses a random scale, place and side.

    The shorter side of the frame becomes a uniform integer from `crop_size` to its
    own length. A frame that is smaller than the square is enlarged to it: padding
    would show the network where nothing moves.

    Args:
      size: int32 [2], (height, width) of the frame, pixels.
      seed: int64 [2]; the same seed gives the same window.
      crop_size: side of the square, pixels.
      max_side: largest shorter side after rescaling, pixels; 0 for the frame's.
      use_mirror: whether half of the windows are mirrored left to right.

    Returns:
      The window, within the rescaled frame.
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
    largest = tf.reduce_min(size)
    if max_side:
        largest = tf.minimum(largest, max_side)
    largest = tf.maximum(largest, crop_size)
    side = tf.random.stateless_uniform([], seeds[0], crop_size, largest + 1, tf.int32)
    scaled = rescaled_size(size, side)
    shares = tf.random.stateless_uniform([2], seeds[1])
    slack = scaled - crop_size
    corner = tf.cast(shares * tf.cast(slack + 1, tf.float32), tf.int32)
    corner = tf.minimum(corner, slack)
    is_mirrored = tf.random.stateless_uniform([], seeds[2]) < (0.5 if use_mirror else 0.0)
    return FrameWindow(scaled, corner, is_mirrored, crop_size)
