"""Which parts of a single frame move by themselves, learned from videos."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.lookup import lookup
from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.motion import RULES, moving_pixels
from tfcolor.data.pipeline import Example
from tfcolor.data.sources.video import FRAMES_AFTER
from tfcolor.heads.dense import DenseHead
from tfcolor.metrics.average_precision import MeanAveragePrecision
from tfcolor.tasks.base import Panel, Tensors
from tfcolor.tasks.image_task import image_pixels
from tfcolor.tasks.video import VideoOptions, VideoTask, paint_shares

UNKNOWN = 255
"""The label of cells of which it is not known whether they move."""

LABEL_COLORS = np.array([[68, 1, 84], [253, 231, 37], [128, 128, 128]], np.uint8)
"""Of cells that do not move, that move, and of which it is not known."""


@dataclasses.dataclass(frozen=True)
class MotionSegmentationOptions(VideoOptions):
    """From which map, and how finely, the motion segmentation task answers."""

    crop_size: int = option(240, "side of the square view of a frame, pixels", minimum=8)
    cell_size: int = option(8, "side of the cells that are told apart, pixels", minimum=1)
    hidden_units: int = option(4096, "units of the two layers before the last", minimum=1)
    tap: str = option("", "the map of the backbone that is read; empty for the last")

    def __post_init__(self) -> None:
        """Raises UsageError if the view is not made of cells."""
        if self.crop_size % self.cell_size:
            raise UsageError(
                f"--motion_segmentation_crop_size={self.crop_size}: expected a multiple of "
                f"--motion_segmentation_cell_size={self.cell_size}"
            )


class MotionSegmentationTask(VideoTask):
    """Predicts from one frame which of its cells will move, apart from the camera.

    Args:
      options: views, cells and map.
      readers: as of `VideoTask`.
      color_input: as of `ImageTask`.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 2.4.
      Pathak, Girshick, Dollar, Darrell, Hariharan. Learning Features by Watching
      Objects Move. CVPR 2017.
    """

    name = "motion_segmentation"
    score = "average_precision"
    mirror_signs = (1.0, 1.0)
    Options = MotionSegmentationOptions

    @property
    def frames_around(self) -> tuple[int, int]:
        """Returns 0 and 10: pixels are followed from the frame on."""
        return 0, FRAMES_AFTER

    @property
    def field_settings(self) -> str:
        """Returns what the moving pixels depend on."""
        return f"moving pixels by {RULES} at {self.options.flow_side}"

    def compute_field(self, frames: np.ndarray) -> np.ndarray:
        """Returns which pixels move and which are unknown, as of `moving_pixels`.

        Args:
          frames: uint8 [T, H, W, 3], RGB.

        Returns:
          float32 [h, w, 2], 0 or 1.
        """
        return moving_pixels(frames, self.options.flow_side)

    def observe(self, field: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns the labels of the cells.

        Args:
          field: float32 [S, S, 2] in [0, 1], of each pixel the share that moves,
            and the share that is unknown.
          seed: not read.

        Returns:
          No inputs. Targets: `label` int32 [s, s], 1 for cells that move, 0 for
          those that do not, and 255 where that is unknown.
        """
        del seed
        return {}, {"label": cell_labels(field, self.options.cell_size)}

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the convolutions on the chosen map.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights.

        Returns:
          A head with the output `logits`, float32 [B, s, s].

        Raises:
          UsageError: if `--motion_segmentation_tap` is none of the backbone's.
        """
        options = self.options
        tap = lookup(taps, options.tap or list(taps)[-1], "tap")
        return DenseHead(tap, options.hidden_units, options.cell_size, seed=seed)

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns the cross-entropy of the cells that are known.

        Args:
          targets: `label`, int32 [B, s, s].
          outputs: `logits`, float32 [B, s, s].

        Returns:
          `cross_entropy`, float32 [B] in nats, the sum over the known cells.
        """
        losses = tf.nn.sigmoid_cross_entropy_with_logits(
            labels=tf.cast(targets["label"] == 1, tf.float32), logits=outputs["logits"]
        )
        known = tf.where(targets["label"] == UNKNOWN, 0.0, losses)
        return {"cross_entropy": tf.reduce_sum(known, axis=[1, 2])}

    def count_samples(self, targets: Tensors) -> tf.Tensor:
        """Returns the number of known cells, float32 [B]."""
        is_known = targets["label"] != UNKNOWN
        return tf.reduce_sum(tf.cast(is_known, tf.float32), axis=[1, 2])

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns how well the cells are ranked, and how well chance ranks them.

        Args:
          fitted: not read; chance needs no fitting.

        Returns:
          `average_precision` in [0, 1], and `moving_share` in [0, 1], which is
          that of scores that say nothing.
        """
        del fitted
        return {"average_precision": CellPrecision(), "moving_share": MovingShare()}

    def depict(self, inputs: Tensors, targets: Tensors, outputs: Tensors) -> list[list[Panel]]:
        """Returns each frame, the cells that move in it, and the answer.

        Args:
          inputs: `image`, float32 [B, S, S, C].
          targets: `label`, int32 [B, s, s].
          outputs: `logits`, float32 [B, s, s].

        Returns:
          Three panels for each example; yellow moves, and gray is unknown.
        """
        labels = np.asarray(targets["label"])
        colors = LABEL_COLORS[np.where(labels == UNKNOWN, 2, labels)]
        answers = paint_shares(tf.sigmoid(outputs["logits"]).numpy())
        pictures = zip(image_pixels(inputs["image"]), colors, answers, strict=True)
        return [
            [Panel("frame", frame), Panel("moving", true), Panel("answer", answer)]
            for frame, true, answer in pictures
        ]


class CellPrecision(MeanAveragePrecision):
    """The average precision of the cells that move.

    Args:
      name: what the metric is called.
    """

    def __init__(self, name: str = "average_precision") -> None:
        super().__init__(1, name=name)

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `label`, int32 [B, s, s], and `logits`, float32 [B, s, s]."""
        cells = (tf.reshape(one, [-1, 1]) for one in (targets["label"], outputs["logits"]))
        super().update_state(*cells)

    def get_config(self) -> dict[str, str]:
        """Returns the constructor's arguments."""
        return {"name": self.name}


class MovingShare(tf.keras.metrics.Mean):
    """The share of known cells that move.

    Args:
      name: what the metric is called.
    """

    def __init__(self, name: str = "moving_share") -> None:
        super().__init__(name)

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `label`, int32 [B, s, s]; the outputs are not read."""
        del outputs
        labels = targets["label"]
        super().update_state(labels == 1, labels != UNKNOWN)

    def get_config(self) -> dict[str, str]:
        """Returns the constructor's arguments."""
        return {"name": self.name}


def cell_labels(field: tf.Tensor, cell_size: int) -> tf.Tensor:
    """Returns whether each cell of a view moves.

    Args:
      field: float32 [S, S, 2] in [0, 1], of each pixel the share that moves, and
        the share that is unknown.
      cell_size: side of a cell, pixels.

    Returns:
      int32 [S / cell, S / cell]: `UNKNOWN` where more than half of a cell is,
      else 1 where at least half of it moves, else 0.

    Example:
      >>> pixels = tf.constant([[[1.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]])
      >>> cell_labels(pixels, 2).numpy()
      array([[1]], dtype=int32)
    """
    shares = tf.nn.avg_pool2d(field[tf.newaxis], cell_size, cell_size, "VALID")[0]
    is_moving, is_unknown = shares[..., 0] >= 0.5, shares[..., 1] > 0.5
    return tf.where(is_unknown, UNKNOWN, tf.cast(is_moving, tf.int32))
