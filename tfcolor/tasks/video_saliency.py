"""How fast the places of a frame move compared with others."""

import dataclasses
from collections.abc import Mapping

import cv2
import numpy as np
import tensorflow as tf

from tfcolor.core.lookup import lookup
from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.optical_flow import SALIENCY_FLOW, flow_saliency
from tfcolor.data.pipeline import Example
from tfcolor.data.reading import ExampleReader
from tfcolor.data.transforms import random_locations
from tfcolor.heads.bin_decoder import MAP_SIDE, BinDecoderHead
from tfcolor.heads.histogram import HistogramHead
from tfcolor.tasks.base import Panel, Tensors, count_examples
from tfcolor.tasks.canonical_view import canonical_side
from tfcolor.tasks.image_task import image_pixels
from tfcolor.tasks.pretext import label_losses
from tfcolor.tasks.video import (
    ConstantLabelLoss,
    VideoOptions,
    VideoTask,
    check_edge,
    enlarge_frame,
    paint_shares,
)

NUM_FRAMES = 4
OUTPUT = "saliency"
PICTURE_STRIDE = 4
CAPTIONS = "frame", "true bins", "answers"


@dataclasses.dataclass(frozen=True)
class VideoSaliencyOptions(VideoOptions):
    """At which places the saliency task asks, and how finely."""

    readout: str = option(
        "hypercolumn",
        "what answers: hypercolumns at sampled locations, or a decoder of AlexNet's top, for every"
        " cell of a map",
        choices=("hypercolumn", "decoder"),
    )
    num_locations: int = option(128, "sampled locations per frame (readout=hypercolumn)", minimum=1)
    edge: int = option(
        32,
        "locations keep this distance from the view's border, pixels (readout=hypercolumn)",
        minimum=0,
    )
    num_bins: int = option(32, "bins of the speed, relative to the fastest place", minimum=2)
    hidden_units: int = option(
        1024, "units of the layer behind the hypercolumn (readout=hypercolumn)", minimum=1
    )
    dropout_rate: float = option(
        0.5, "dropout on that layer (readout=hypercolumn)", minimum=0, maximum=0.99
    )
    taps: tuple[str, ...] = option(
        (),
        "hypercolumn taps by name; empty takes all of the backbone (readout=hypercolumn)",
    )

    def __post_init__(self) -> None:
        """Raises UsageError if the edges leave no location."""
        if self.readout == "hypercolumn":
            check_edge(self.edge, self.crop_size, "video_saliency")

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "VideoSaliencyOptions":
        """Returns these options.

        Args:
          readers: not read.
          canonical_size: side of the images that the backbone takes, pixels.

        Returns:
          The same options; nothing is missing.

        Raises:
          UsageError: if a decoder is asked for and the views have another size.
        """
        del readers
        if self.readout == "decoder":
            canonical_side(self.crop_size, canonical_size, "video_saliency_crop_size")
        return self


class VideoSaliencyTask(VideoTask):
    """Predicts from one frame how fast its places move, relative to the fastest.

    Args:
      options: views, locations and bins.
      readers: as of `VideoTask`.
      color_input: as of `ImageTask`.

    References:
      Larsson, Maire, Shakhnarovich. Colorization as a Proxy Task for Visual
      Understanding. CVPR 2017, in whose program the task is.
    """

    name = "video_saliency"
    score = "accuracy"
    Options = VideoSaliencyOptions
    count_samples = staticmethod(count_examples)

    def __init__(
        self,
        options: VideoSaliencyOptions,
        readers: Mapping[str, ExampleReader],
        *,
        color_input: bool = False,
    ) -> None:
        super().__init__(options, readers, color_input=color_input)
        self.convolutional = options.readout == "hypercolumn"

    @property
    def frames_around(self) -> tuple[int, int]:
        """Returns 3 and 0: the last of the four frames is shown."""
        return NUM_FRAMES - 1, 0

    @property
    def field_settings(self) -> str:
        """Returns what the saliency depends on."""
        return f"saliency by {SALIENCY_FLOW} at {self.options.flow_side}"

    def compute_field(self, frames: np.ndarray) -> np.ndarray:
        """Returns the relative speed, as of `flow_saliency`.

        Args:
          frames: uint8 [T, H, W, 3], RGB.

        Returns:
          float32 [h, w, 1] in [0, 1].
        """
        return flow_saliency(frames, self.options.flow_side)

    def observe(self, field: tf.Tensor, seed: tf.Tensor) -> Example:
        """Tells how fast sampled locations move, or all cells of a map.

        Args:
          field: float32 [S, S, 1] in [0, 1], the relative speed over the view.
          seed: int64 [2].

        Returns:
          With hypercolumns: inputs `locations` float32 [L, 2]; targets `label` int32
          [L] in [0, K), and for pictures a coarse `saliency` float32 [s, s]. With a
          decoder: no inputs; targets `label` int32 [56, 56].
        """
        options = self.options
        if options.readout == "decoder":
            cells = tf.image.resize(field, [MAP_SIDE, MAP_SIDE])[..., 0]
            return {}, {"label": share_bins(cells, options.num_bins)}
        locations = random_locations(seed, options.num_locations, options.crop_size, options.edge)
        speeds = tf.gather_nd(field[..., 0], tf.cast(locations, tf.int32))
        picture = field[::PICTURE_STRIDE, ::PICTURE_STRIDE, 0]
        labels = share_bins(speeds, options.num_bins)
        return {"locations": locations}, {"label": labels, "saliency": picture}

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the classifier of hypercolumns on the chosen taps, or the decoder.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights and the dropout masks.

        Returns:
          A head with the output `saliency_logits`, float32 [B, L, K] or
          [B, 56, 56, K].

        Raises:
          UsageError: if `--video_saliency_taps` names a tap the backbone lacks, or
            if there is no decoder for it.
        """
        options = self.options
        if options.readout == "decoder":
            return BinDecoderHead(taps, OUTPUT, options.num_bins, seed=seed)
        return HistogramHead(
            {name: lookup(taps, name, "tap") for name in options.taps or taps},
            {OUTPUT: options.num_bins},
            hidden_units=options.hidden_units,
            dropout_rate=options.dropout_rate,
            seed=seed,
        )

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns the cross-entropy of the true bins, averaged over the locations.

        Args:
          targets: `label`, int32 [B, L] or [B, 56, 56].
          outputs: `saliency_logits`, float32 [B, L, K] or [B, 56, 56, K].

        Returns:
          `cross_entropy`, float32 [B], nats.
        """
        return label_losses(targets["label"], outputs[f"{OUTPUT}_logits"])

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns how often the bin is right, and the loss of the best constant.

        Args:
          fitted: metrics that have seen the training split, whose constant is
            then measured.

        Returns:
          `accuracy` in [0, 1], and `constant_loss` in nats.
        """
        constant = ConstantLabelLoss(self.options.num_bins)
        if fitted is not None:
            constant.take_constant(fitted["constant_loss"])
        return {"accuracy": SaliencyAccuracy(), "constant_loss": constant}

    def depict(self, inputs: Tensors, targets: Tensors, outputs: Tensors) -> list[list[Panel]]:
        """Returns each frame, how fast its places move, and the answers there.

        Args:
          inputs: `image` float32 [B, S, S, C] and `locations` float32 [B, L, 2], if
            there are any.
          targets: `label` int32 [B, L] and `saliency` float32 [B, s, s], or `label`
            int32 [B, 56, 56].
          outputs: `saliency_logits` float32 [B, L, K] or [B, 56, 56, K].

        Returns:
          Three or four panels for each example; yellow is fastest.
        """
        last = self.options.num_bins - 1
        frames = image_pixels(inputs["image"])
        answers = np.argmax(outputs[f"{OUTPUT}_logits"], axis=-1) / last
        labels = np.asarray(targets["label"]) / last
        if "locations" not in inputs:
            maps = zip(frames, paint_shares(labels), paint_shares(answers), strict=True)
            return [[Panel(*both) for both in zip(CAPTIONS, one, strict=True)] for one in maps]
        locations = np.asarray(inputs["locations"])
        return [
            [
                Panel("frame", frame),
                Panel("speed", paint_shares(np.asarray(targets["saliency"][index]))),
                Panel("true bins", _draw_places(frame, locations[index], labels[index])),
                Panel("answers", _draw_places(frame, locations[index], answers[index])),
            ]
            for index, frame in enumerate(frames)
        ]


class SaliencyAccuracy(tf.keras.metrics.SparseCategoricalAccuracy):
    """How often the most probable bin is the true one.

    Args:
      name: what the metric is called.
      dtype: type of the result.
    """

    def __init__(self, name: str = "accuracy", dtype: str | tf.DType | None = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `label`, int32 [B, ...], and `saliency_logits`, float32 [B, ..., K]."""
        super().update_state(targets["label"], outputs[f"{OUTPUT}_logits"])


def share_bins(shares: tf.Tensor, num_bins: int) -> tf.Tensor:
    """Returns the equal bins that numbers in [0, 1] fall into.

    Args:
      shares: float32 [...] in [0, 1].
      num_bins: K.

    Returns:
      int32 [...]: `min(floor(K v), K - 1)`, in [0, K).

    Example:
      >>> share_bins(tf.constant([0.0, 0.5, 1.0]), 32).numpy()
      array([ 0, 16, 31], dtype=int32)
    """
    return tf.clip_by_value(tf.cast(shares * num_bins, tf.int32), 0, num_bins - 1)


def _draw_places(frame: np.ndarray, locations: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Draws dots at locations [L, 2] upon a frame, uint8 [H, W, 3]."""
    canvas, scale = enlarge_frame(frame)
    for (row, column), color in zip(scale * locations, paint_shares(shares), strict=True):
        center = (round(column), round(row))
        cv2.circle(canvas, center, 4, color.tolist(), -1, cv2.LINE_AA)
    return canvas
