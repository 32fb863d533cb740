"""How differently two places of a frame move, learned from pairs of hypercolumns."""

import dataclasses
from collections.abc import Mapping

import cv2
import numpy as np
import tensorflow as tf

from tfcolor.core.lookup import lookup
from tfcolor.core.options import option
from tfcolor.core.taps import PIXELS, Tap
from tfcolor.data.optical_flow import RELATIVE_FLOW, mean_flow
from tfcolor.data.pipeline import Example
from tfcolor.data.transforms import random_locations
from tfcolor.heads.pair_histogram import PairHistogramHead
from tfcolor.ops.sparse_hypercolumn import sample_features
from tfcolor.tasks.base import Panel, Tensors, count_examples
from tfcolor.tasks.image_task import image_pixels
from tfcolor.tasks.pretext import LabelAccuracy, label_losses
from tfcolor.tasks.video import (
    ConstantLabelLoss,
    VideoOptions,
    VideoTask,
    check_edge,
    enlarge_frame,
    paint_flow,
    paint_shares,
)

NUM_FRAMES = 4
FLOW_PICTURE_STRIDE = 4
NUM_DRAWN = 24


@dataclasses.dataclass(frozen=True)
class VideoFlowOptions(VideoOptions):
    """Which pairs of places the relative flow task compares, and how finely."""

    shown_frame: str = option(
        "last",
        "which of the four frames whose flow is averaged the network sees",
        choices=("middle", "last"),
    )
    num_pairs: int = option(128, "pairs of locations per frame", minimum=1)
    pair_distance: float = option(
        0.2,
        "standard deviation of the second location's distance along each axis, as a part of the"
        " view's side",
        minimum=0,
    )
    edge: int = option(
        32, "the first locations keep this distance from the view's border, pixels", minimum=0
    )
    num_bins: int = option(32, "bins of the difference of two flows", minimum=2)
    hidden_units: int = option(1024, "units of the layer behind each hypercolumn", minimum=1)
    dropout_rate: float = option(0.5, "dropout on that layer", minimum=0, maximum=0.99)
    taps: tuple[str, ...] = option((), "hypercolumn taps by name; empty takes all of the backbone")

    def __post_init__(self) -> None:
        """Raises UsageError if the edges leave no location."""
        check_edge(self.edge, self.crop_size, "video_flow")


class VideoFlowTask(VideoTask):
    """Predicts from one frame how differently the two places of a pair move.

    The magnitude of the difference of their flows, pixels per frame, is told by
    bins that are equal after a hyperbolic tangent.

    Args:
      options: views, pairs and bins.
      readers: as of `VideoTask`.
      color_input: as of `ImageTask`.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, section 4.3.
    """

    name = "video_flow"
    score = "accuracy"
    mirror_signs = (1.0, -1.0)
    Options = VideoFlowOptions
    count_samples = staticmethod(count_examples)

    @property
    def frames_around(self) -> tuple[int, int]:
        """Returns how many of the four frames come before and after the one shown."""
        after = 0 if self.options.shown_frame == "last" else 1
        return NUM_FRAMES - 1 - after, after

    @property
    def field_settings(self) -> str:
        """Returns what the mean flow depends on."""
        return f"mean flow of {RELATIVE_FLOW} at {self.options.flow_side}"

    def compute_field(self, frames: np.ndarray) -> np.ndarray:
        """Returns the mean flow, as of `mean_flow`.

        Args:
          frames: uint8 [T, H, W, 3], RGB.

        Returns:
          float32 [h, w, 2], (row, column), pixels per frame.
        """
        return mean_flow(frames, self.options.flow_side)

    def observe(self, field: tf.Tensor, seed: tf.Tensor) -> Example:
        """Chooses pairs of locations and compares the flow there.

        Args:
          field: float32 [S, S, 2], the flow over the view.
          seed: int64 [2].

        Returns:
          Inputs: `locations` float32 [2 * P, 2], the two of a pair one after the
          other; the second may lie outside. Targets: `label` int32 [P] in [0, K),
          and for pictures a coarse `flow` float32 [s, s, 2].
        """
        options = self.options
        fold = tf.random.experimental.stateless_fold_in
        first = random_locations(fold(seed, 1), options.num_pairs, options.crop_size, options.edge)
        distance = options.pair_distance * options.crop_size
        second = first + tf.random.stateless_normal(first.shape, fold(seed, 2), stddev=distance)
        locations = tf.reshape(tf.stack([first, second], axis=1), [-1, 2])
        flow = sample_features(field[tf.newaxis], locations[tf.newaxis], PIXELS)[0]
        labels = difference_bins(flow[0::2] - flow[1::2], options.num_bins)
        picture = field[::FLOW_PICTURE_STRIDE, ::FLOW_PICTURE_STRIDE]
        return {"locations": locations}, {"label": labels, "flow": picture}

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the classifier of pairs of hypercolumns on the chosen taps.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights and the dropout masks.

        Returns:
          A head with the output `logits`, float32 [B, P, K].

        Raises:
          UsageError: if `--video_flow_taps` names a tap the backbone lacks.
        """
        options = self.options
        chosen = {name: lookup(taps, name, "tap") for name in options.taps or taps}
        return PairHistogramHead(
            chosen, options.num_bins, options.hidden_units, options.dropout_rate, seed=seed
        )

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns the cross-entropy of the true bins, averaged over the pairs.

        Args:
          targets: `label`, int32 [B, P].
          outputs: `logits`, float32 [B, P, K].

        Returns:
          `cross_entropy`, float32 [B], nats.
        """
        return label_losses(targets["label"], outputs["logits"])

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
        return {"accuracy": LabelAccuracy(), "constant_loss": constant}

    def depict(self, inputs: Tensors, targets: Tensors, outputs: Tensors) -> list[list[Panel]]:
        """Returns each frame, its flow, and some pairs with the true and the given bins.

        Args:
          inputs: `image` float32 [B, S, S, C] and `locations` float32 [B, 2 * P, 2].
          targets: `label` int32 [B, P] and `flow` float32 [B, s, s, 2].
          outputs: `logits` float32 [B, P, K].

        Returns:
          Four panels for each example; lines join the places of a pair, from dark
          blue where they move alike to yellow.
        """
        last = self.options.num_bins - 1
        frames = image_pixels(inputs["image"])
        answers = np.argmax(outputs["logits"], axis=-1)
        rows = []
        for index, frame in enumerate(frames):
            flow, label = np.asarray(targets["flow"][index]), np.asarray(targets["label"][index])
            pairs = np.reshape(inputs["locations"][index], [-1, 2, 2])[:NUM_DRAWN]
            fastest = np.linalg.norm(flow, axis=-1).max()
            right = np.mean(label == answers[index])
            rows.append(
                [
                    Panel("frame", frame),
                    Panel(f"flow to {fastest:.1f} px", paint_flow(flow)),
                    Panel("differences", _draw_pairs(frame, pairs, label / last)),
                    Panel(
                        f"answers, {right:.0%}", _draw_pairs(frame, pairs, answers[index] / last)
                    ),
                ]
            )
        return rows


def difference_bins(differences: tf.Tensor, num_bins: int) -> tf.Tensor:
    """Returns the bins of the magnitudes of flow differences.

    Args:
      differences: float32 [..., 2], pixels per frame.
      num_bins: K.

    Returns:
      int32 [...]: `min(floor(K tanh |d|), K - 1)`, in [0, K).

    Example:
      >>> difference_bins(tf.constant([[0.0, 0.5], [1.0, 1.0]]), 32).numpy()
      array([14, 28], dtype=int32)
    """
    shares = tf.tanh(tf.norm(differences, axis=-1))
    return tf.minimum(tf.cast(shares * num_bins, tf.int32), num_bins - 1)


def _draw_pairs(frame: np.ndarray, pairs: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Draws the lines of pairs [P, 2, 2] upon a frame, uint8 [H, W, 3]."""
    canvas, scale = enlarge_frame(frame)
    colors = paint_shares(shares[: len(pairs)])
    for pair, color in zip(pairs, colors, strict=True):
        ends = [tuple(round(scale * value) for value in end[::-1]) for end in pair]
        cv2.line(canvas, ends[0], ends[1], color.tolist(), 2, cv2.LINE_AA)
        cv2.circle(canvas, ends[0], 4, color.tolist(), -1, cv2.LINE_AA)
    return canvas
