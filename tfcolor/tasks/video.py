"""What tasks on single frames share that learn from how the frames move."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option
from tfcolor.data.field_cache import FieldCache
from tfcolor.data.field_views import random_window
from tfcolor.data.pipeline import Annotation, Example
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.video import VideoSource
from tfcolor.metrics.histograms import ConstantHistogramDivergence
from tfcolor.tasks.annotated import AnnotatedTask
from tfcolor.tasks.base import Tensors

DRAWN_PX = 256
"""Side of the pictures of frames that something is drawn upon."""


@dataclasses.dataclass(frozen=True)
class VideoOptions:
    """Which views of frames a network sees, and where their motion is kept."""

    input: str = option("color", "what the network sees", choices=("gray", "color"))
    crop_size: int = option(227, "side of the square view of a frame, pixels", minimum=8)
    max_side: int = option(
        0, "largest shorter side of a frame after random scaling, pixels; 0 is its own", minimum=0
    )
    use_mirror: bool = option(True, "mirror half of the views left to right")
    flow_side: int = option(
        240,
        "frames are shrunk to this shorter side before their motion is computed, pixels; 0 for no"
        " shrinking",
        minimum=0,
    )
    cache_folder: str = option(
        "~/.cache/tfcolor/motion",
        "folder that keeps computed motion for later runs; empty for none",
    )


class VideoTask(AnnotatedTask):
    """A task whose input is one frame and whose targets come from the motion there.

    A field over the frame is computed from it and its neighbors once, and kept.
    A subclass implements `frames_around`, `field_settings`, `compute_field` and
    `observe`, and sets `mirror_signs`.

    Args:
      options: of the task, `VideoOptions`.
      readers: where each split's frames come from, as of "video:FOLDER".
      color_input: as of `ImageTask`.

    Attributes:
      mirror_signs: what mirroring does to each of the field's C channels.
    """

    convolutional = True
    mirror_signs: tuple[float, ...] = (1.0,)

    def __init__(
        self,
        options: Any,
        readers: Mapping[str, ExampleReader],
        *,
        color_input: bool = False,
    ) -> None:
        self._cache = FieldCache(options.cache_folder) if readers else None
        super().__init__(options, readers, color_input=color_input)

    @property
    def frames_around(self) -> tuple[int, int]:
        """Returns how many frames before and after its own a field looks at."""
        raise NotImplementedError

    @property
    def field_settings(self) -> str:
        """Returns all that the field depends on besides the frames."""
        raise NotImplementedError

    def compute_field(self, frames: np.ndarray) -> np.ndarray:
        """Returns the field over a frame.

        Args:
          frames: uint8 [T, H, W, 3], RGB, this frame and those around it.

        Returns:
          float [h, w, C], over the whole frame.
        """
        raise NotImplementedError

    def observe(self, field: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns what is asked about one view of a frame.

        Args:
          field: float32 [S, S, C], over the view.
          seed: int64 [2]; fixes every random choice.

        Returns:
          (inputs, targets): inputs besides the image, and the targets.
        """
        raise NotImplementedError

    def annotate(self, reader: ExampleReader, class_names: tuple[str, ...]) -> Annotation:
        """Returns the field over each frame, float32 [h, w, C].

        Args:
          reader: the frames.
          class_names: not read.

        Returns:
          The fields, computed where they are first asked for.

        Raises:
          UserError: if the images are no frames of videos.
        """
        del class_names
        source, cache = reader.source, self._cache
        if not isinstance(source, VideoSource) or cache is None:
            raise UserError(
                f"it is not known how {reader.name_of(0)} moves: name videos as "
                "video:FOLDER[:train|heldout][:COUNT]"
            )

        def read(position: int) -> np.ndarray:
            moment = source.moment_of(position)
            file = os.path.basename(moment.clip.path), moment.clip.num_bytes, moment.clip.modified
            key = repr((*file, moment.frame, self.frames_around, self.field_settings))

            def compute() -> np.ndarray:
                return self.compute_field(source.read_frames(position, *self.frames_around))

            return cache.recall(key, compute).astype(np.float32)

        return Annotation(read, tf.float32, (None, None, len(self.mirror_signs)))

    def make_example(self, rgb: tf.Tensor, field: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns the inputs and targets of one random view of a frame.

        Args:
          rgb: uint8 [H, W, 3], the frame.
          field: float32 [h, w, C], over the whole frame at a scale of its own.
          seed: int64 [2], the example's own; fixes the view.

        Returns:
          Inputs: `image` float32 [S, S, 1 or 3] in [0, 1], and what `observe` adds.
          Targets: those of `observe`.
        """
        options, fold = self.options, tf.random.experimental.stateless_fold_in
        window = random_window(
            tf.shape(rgb)[:2],
            fold(seed, 1),
            crop_size=options.crop_size,
            max_side=options.max_side,
            use_mirror=options.use_mirror,
        )
        inputs, targets = self.observe(window.cut_field(field, self.mirror_signs), fold(seed, 2))
        return {"image": self.as_input(window.cut_frame(rgb)), **inputs}, targets


class ConstantLabelLoss(tf.keras.metrics.Metric):
    """The cross-entropy of the best prediction that is the same everywhere.

    The best on its own labels, until `take_constant` gives it another.

    Args:
      num_bins: K.
      name: what the metric is called.
    """

    def __init__(self, num_bins: int, name: str = "constant_loss") -> None:
        super().__init__(name)
        self._divergence = ConstantHistogramDivergence(num_bins)
        self._constant: tf.Tensor | None = None

    def take_constant(self, fitted: "ConstantLabelLoss") -> None:
        """Measures the best constant of another metric instead of its own.

        Args:
          fitted: has seen the labels of the training split.
        """
        self._constant = fitted._divergence.best_constant()

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `label`, int32 [B, ...] in [0, K); the outputs are not read."""
        del outputs
        labels = tf.one_hot(targets["label"], self._divergence.num_bins)
        self._divergence.update_state(labels)

    def result(self) -> tf.Tensor:
        """Returns the loss so far, float64 [], nats."""
        if self._constant is None:
            return self._divergence.result()
        return self._divergence.loss_of(self._constant)

    def reset_state(self) -> None:
        """Forgets all labels."""
        self._divergence.reset_state()

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"num_bins": self._divergence.num_bins, "name": self.name}


def check_edge(edge: int, crop_size: int, task: str) -> None:
    """Raises UsageError if the borders leave no location.

    Args:
      edge: pixels left out along each border.
      crop_size: side of the view, pixels.
      task: its name, for the error.
    """
    if 2 * edge >= crop_size:
        raise UsageError(
            f"--{task}_edge={edge}: expected less than half of --{task}_crop_size={crop_size}"
        )


def paint_shares(shares: np.ndarray) -> np.ndarray:
    """Returns numbers as colors from dark blue over green to yellow.

    Args:
      shares: float [...] in [0, 1].

    Returns:
      uint8 [..., 3], RGB.
    """
    levels = np.round(255 * np.clip(shares, 0, 1)).astype(np.uint8)
    colors = cv2.applyColorMap(np.arange(256, dtype=np.uint8), cv2.COLORMAP_VIRIDIS)
    return colors[:, 0, ::-1][levels]


def paint_flow(flow: np.ndarray) -> np.ndarray:
    """Returns flow as colors: the direction is the hue, the speed the brightness.

    Args:
      flow: float [H, W, 2], (row, column).

    Returns:
      uint8 [H, W, 3], RGB; black where nothing moves, bright where the flow is
      fastest.
    """
    rows, columns = np.asarray(flow, np.float32)[..., 0], np.asarray(flow, np.float32)[..., 1]
    speed, degrees = cv2.cartToPolar(columns.copy(), rows.copy(), angleInDegrees=True)
    brightness = np.rint(255 * speed / max(float(speed.max()), 1e-6))
    hsv = np.stack([degrees / 2, np.full_like(speed, 255), brightness], axis=-1)
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)


def enlarge_frame(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns a frame that something can be drawn upon, darkened.

    Args:
      pixels: uint8 [S, S, 3].

    Returns:
      (canvas, scale): uint8 [`DRAWN_PX`, `DRAWN_PX`, 3], and its pixels per pixel
      of the frame.
    """
    canvas = cv2.resize(pixels // 2, (DRAWN_PX, DRAWN_PX), interpolation=cv2.INTER_AREA)
    return canvas, DRAWN_PX / pixels.shape[0]
