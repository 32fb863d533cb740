"""Frozen networks whose answers another network learns."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tfcolor.color.spaces import rgb_to_lightness
from tfcolor.core.features import unrectified_top
from tfcolor.core.taps import top_channels
from tfcolor.models.calibration import Calibration
from tfcolor.models.network import Network

TASK, TOP = "task", "top"
"""Where signals are read: at the logits, or at the backbone's top."""
LEVELS = (TASK, TOP)


class TeacherMember(Protocol):
    """One frozen network that answers images with signals.

    Attributes:
      sees_color: whether it looks at more than lightness.
      num_cells: positions at which it gives every channel of its signals.
    """

    sees_color: bool
    num_cells: int

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Returns float32 [B, cells * C], channels last, of [B, H, W, 1 or 3] in [0, 1]."""


class FrozenNetwork:
    """The logits of a network, or its top before the last ReLU.

    Nothing is dropped and batch norm uses its moving statistics. Images of
    another size than the canonical one are resized.

    Args:
      network: of any task; made untrainable. At the level "task" it has the
        output `logits` [B, K].
      level: "task", or "top" for the top of the canonical mode: before the ReLU
        and after the last max pools, since whoever reads it applies the ReLU; the
        averages of a residual network as they are.
      sees_color: whether its task is on color images.
    """

    def __init__(self, network: Network, level: str, *, sees_color: bool) -> None:
        network.trainable = False
        self._network, self._level, self.sees_color = network, level, sees_color
        backbone = network.backbone
        channels = top_channels(backbone.canonical_taps())
        self.num_cells = backbone.top_features // channels if level == TOP else 1

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the signals of images.

        Args:
          images: float32 [B, H, W, 1 or 3] in [0, 1].

        Returns:
          float32 [B, K], or [B, cells * C].
        """
        backbone, level = self._network.backbone, self._level
        images = _seen(images, backbone.input_channels, sees_color=self.sees_color)
        if level == TOP or not self._network.convolutional:
            images = _resized(images, backbone.canonical_size)
        if level == TASK:
            signals = self._network({"image": images}, training=False)["logits"]
        else:
            features = backbone(images, training=False, convolutional=False)
            signals = unrectified_top(features)
        return tf.cast(signals, tf.float32)


class SavedFeatures:
    """The last features of an exported network, averaged over the image.

    An export tells its features after the ReLU only, so that is what a student
    learns from it.

    Args:
      model: a loaded SavedModel with the signature `features`: from `rgb`
        float32 [B, H, W, 3] in [0, 1] to float32 [B, h, w, C] by tap name.
      tap: the tap to read.
      num_channels: C.
    """

    sees_color = False
    num_cells = 1

    def __init__(self, model: Any, tap: str, num_channels: int) -> None:
        self._model, self._tap, self._num_channels = model, tap, num_channels

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the features of images.

        Args:
          images: float32 [B, H, W, 1 or 3] in [0, 1].

        Returns:
          float32 [B, C], not negative.
        """
        rgb = _seen(images, 3, sees_color=images.shape[-1] == 3)
        maps = self._model.signatures["features"](rgb=rgb)[self._tap]
        return tf.ensure_shape(tf.reduce_mean(maps, axis=[1, 2]), [None, self._num_channels])


class Teacher:
    """One or several frozen networks as one.

    At the level "task" their logits are averaged, at the level "top" their
    channels stand side by side, at each position of a map.

    Args:
      members: at least one, all with the same number of cells.
      level: "task" or "top".
      calibration: which channels to give, and their scales; all of them, of
        scale 1, where it is None.

    Raises:
      ValueError: if there is no member, or their maps do not fit together.
    """

    def __init__(
        self,
        members: Sequence[TeacherMember],
        level: str,
        calibration: Calibration | None = None,
    ) -> None:
        cells = {member.num_cells for member in members}
        if len(cells) != 1:
            raise ValueError(f"members with {sorted(cells)} cells; expected one number of cells")
        self._members, self._level, self._calibration = tuple(members), level, calibration
        (self.num_cells,) = cells

    @property
    def sees_color(self) -> bool:
        """Returns whether any member looks at more than lightness."""
        return any(member.sees_color for member in self._members)

    @property
    def scales(self) -> np.ndarray:
        """Returns the size of each signal, float32 [D], or [] before calibration."""
        if self._calibration is None:
            return np.ones([], np.float32)
        scales = self._calibration.scales[self._calibration.channels]
        return np.tile(scales, self.num_cells).astype(np.float32)

    def calibrated(self, calibration: Calibration) -> "Teacher":
        """Returns the same networks with another calibration."""
        return Teacher(self._members, self._level, calibration)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Computes what a student is to answer.

        Args:
          images: float32 [B, H, W, 1 or 3] in [0, 1], in color if any member
            `sees_color`.

        Returns:
          float32 [B, D], channels last where they come from a map; no gradient
          goes through them.
        """
        answers = [member(images) for member in self._members]
        if self._level == TASK:
            signals = tf.add_n(answers) / len(answers)
        else:
            signals = tf.concat([_by_cell(one, self.num_cells) for one in answers], axis=-1)
        if self._calibration is not None:
            signals = tf.gather(signals, self._calibration.channels, axis=-1)
        width = int(np.prod(signals.shape[1:]))
        return tf.stop_gradient(tf.reshape(signals, [-1, width]))


def _by_cell(signals: tf.Tensor, num_cells: int) -> tf.Tensor:
    """Returns [B, cells, C] of [B, cells * C]."""
    return tf.reshape(signals, [-1, num_cells, signals.shape[-1] // num_cells])


def _seen(images: tf.Tensor, num_channels: int, *, sees_color: bool) -> tf.Tensor:
    """Returns images as a network sees them, gray or in color, of so many channels."""
    if images.shape[-1] == 3 and not sees_color:
        images = rgb_to_lightness(images)
    return images if images.shape[-1] == num_channels else tf.repeat(images, num_channels, axis=-1)


def _resized(images: tf.Tensor, side: int) -> tf.Tensor:
    """Returns square images of a side in pixels."""
    if images.shape[1:3] == [side, side]:
        return images
    return tf.image.resize(images, [side, side], antialias=True)
