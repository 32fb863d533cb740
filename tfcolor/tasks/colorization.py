"""Colorization by hue and chroma histograms at sparse locations."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfcolor.color.binning import BinGrid, windowed_histogram
from tfcolor.color.spaces import rgb_to_hue_chroma, rgb_to_lightness
from tfcolor.core.errors import UsageError
from tfcolor.core.lookup import lookup
from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import BatchPlan, Example, build_dataset
from tfcolor.data.reading import ExampleReader
from tfcolor.data.transforms import ViewOptions, random_locations, random_view
from tfcolor.heads.histogram import HistogramHead
from tfcolor.losses.histogram import histogram_divergence
from tfcolor.metrics.histograms import ConstantHistogramDivergence
from tfcolor.tasks.base import HELDOUT_SPLIT, TRAIN_SPLIT, Tensors


@dataclasses.dataclass(frozen=True)
class ColorizationOptions:
    """What the colorization task predicts, from which views of a photograph."""

    crop_size: int = option(352, "side of the square training crop, pixels", minimum=8)
    min_side: int = option(352, "smallest shorter side after random scaling, pixels", minimum=8)
    max_side: int = option(600, "largest shorter side after random scaling, pixels", minimum=8)
    num_locations: int = option(128, "sampled locations per image", minimum=1)
    edge: int = option(96, "locations keep this distance from the crop's border, pixels", minimum=0)
    num_bins: int = option(32, "bins of the hue and of the chroma histogram", minimum=2)
    window: int = option(7, "side of the target histogram's window; 1 is one-hot", choices=(1, 7))
    hue_weight: float = option(5.0, "weight of the hue loss, times chroma", minimum=0)
    chroma_weighting: bool = option(False, "weight the chroma loss by min(1, 3L, 3(1 - L))")
    hidden_units: int = option(1024, "units of the layer behind the hypercolumn", minimum=1)
    dropout_rate: float = option(0.5, "dropout on that layer", minimum=0, maximum=0.99)
    taps: tuple[str, ...] = option((), "hypercolumn taps by name; empty takes all of the backbone")

    def __post_init__(self) -> None:
        """Raises UsageError if the edges leave no location."""
        if 2 * self.edge >= self.crop_size:
            raise UsageError(
                f"--colorization_edge={self.edge}: expected less than half of "
                f"--colorization_crop_size={self.crop_size}"
            )


class ColorizationTask:
    """Predicts the hue and chroma histograms around sampled pixels of a gray photograph.

    Args:
      options: views, bins, weights and head size.
      readers: where each split's photographs come from; "train" and, if
        anything is to be measured on unseen photographs, "heldout".
      color_input: feeds the gray image copied to three channels, for a
        backbone that is shared with tasks on color images.

    References:
      Larsson, Maire, Shakhnarovich. Learning Representations for Automatic
      Colorization. ECCV 2016, sections 3.2 and 4.
    """

    name = "colorization"
    Options = ColorizationOptions

    def __init__(
        self,
        options: ColorizationOptions,
        readers: Mapping[str, ExampleReader],
        *,
        color_input: bool = False,
    ) -> None:
        self.options = options
        self.input_channels = 3 if color_input else 1
        self.splits = tuple(split for split in (TRAIN_SPLIT, HELDOUT_SPLIT) if split in readers)
        self._readers = dict(readers)
        self._grid = BinGrid.uniform(options.num_bins)
        self._view = ViewOptions(
            crop_size=options.crop_size, min_side=options.min_side, max_side=options.max_side
        )

    def make_dataset(self, split: str, plan: BatchPlan) -> tf.data.Dataset:
        """Yields (inputs, targets) batches of random views.

        Args:
          split: "train" or "heldout".
          plan: which examples, in which batches.

        Returns:
          A dataset of two dicts. Inputs: `image` float32 [B, S, S, 1 or 3] in
          [0, 1], `locations` float32 [B, L, 2] and `seed` int64 [B, 2].
          Targets: `hue` and `chroma` float32 [B, L, K] histograms,
          `hue_weight` and `chroma_weight` float32 [B, L].
        """
        return build_dataset(self._readers[split], self.make_example, plan)

    def make_example(self, rgb: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns the inputs and targets of one random view.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          seed: int64 [2], the example's own; fixes view and locations.

        Returns:
          The two dicts of `make_dataset`, without the batch axis and `seed`.
        """
        options = self.options
        view = random_view(rgb, tf.random.experimental.stateless_fold_in(seed, 1), self._view)
        locations = random_locations(
            tf.random.experimental.stateless_fold_in(seed, 2),
            options.num_locations,
            options.crop_size,
            options.edge,
        )
        lightness = rgb_to_lightness(view)
        hue, chroma = rgb_to_hue_chroma(view)
        pixels = tf.cast(locations, tf.int32)
        targets = {
            "hue": self._histogram(hue, locations),
            "chroma": self._histogram(chroma, locations),
            "hue_weight": options.hue_weight * tf.gather_nd(chroma, pixels),
            "chroma_weight": self._chroma_weight(tf.gather_nd(lightness[..., 0], pixels)),
        }
        image = tf.repeat(lightness, self.input_channels, axis=-1)
        return {"image": image, "locations": locations}, targets

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the histogram head on the chosen taps.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights and the dropout masks.

        Returns:
          A head with outputs `hue_logits` and `chroma_logits`, float32 [B, L, K].

        Raises:
          UsageError: if `--colorization_taps` names a tap the backbone lacks.
        """
        names = self.options.taps or tuple(taps)
        return HistogramHead(
            {name: lookup(taps, name, "tap") for name in names},
            {"hue": self.options.num_bins, "chroma": self.options.num_bins},
            hidden_units=self.options.hidden_units,
            dropout_rate=self.options.dropout_rate,
            seed=seed,
        )

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns the chroma divergence and the chroma-weighted hue divergence.

        Args:
          targets: as from `make_dataset`.
          outputs: `hue_logits` and `chroma_logits`, float32 [B, L, K].

        Returns:
          `chroma` and `hue`, float32 [B] in nats: means over the locations of
          `w_C KL(y_C || f_C)` and of `lambda_H C KL(y_H || f_H)`.

        References:
          Larsson et al. ECCV 2016, equation 7.
        """
        losses = {}
        for axis in ("chroma", "hue"):
            divergence = histogram_divergence(targets[axis], outputs[f"{axis}_logits"])
            losses[axis] = tf.reduce_mean(targets[f"{axis}_weight"] * divergence, axis=-1)
        return losses

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns the loss of the best constant histograms on the same targets.

        Args:
          fitted: metrics of an earlier call that have seen the training split.

        Returns:
          `constant_loss`, in nats: the loss of the constant histograms that are
          best on the fitted metric's targets, or on its own without one. A
          network that has learned anything about the images is below it.
        """
        metric = ConstantLoss(self.options.num_bins)
        if fitted is not None:
            metric.take_constants(fitted["constant_loss"])
        return {"constant_loss": metric}

    def _histogram(self, values: tf.Tensor, locations: tf.Tensor) -> tf.Tensor:
        """Returns the windowed histograms of a [S, S] plane, float32 [L, K]."""
        labels = self._grid.labels(values)
        return windowed_histogram(labels, locations, self.options.num_bins, self.options.window)

    def _chroma_weight(self, lightness: tf.Tensor) -> tf.Tensor:
        """Returns the weight of the chroma loss at lightness float32 [L]."""
        if not self.options.chroma_weighting:
            return tf.ones_like(lightness)
        return tf.minimum(1.0, tf.minimum(3.0 * lightness, 3.0 * (1.0 - lightness)))


class ConstantLoss(tf.keras.metrics.Metric):
    """The loss of the best constant hue and chroma histograms.

    The best on its own targets, until `take_constants` gives it others.

    Args:
      num_bins: bins of each histogram.
      name: what the metric is called.
    """

    def __init__(self, num_bins: int, name: str = "constant_loss") -> None:
        super().__init__(name=name)
        self.num_bins = num_bins
        self._parts = {
            axis: ConstantHistogramDivergence(num_bins, name=axis) for axis in ("hue", "chroma")
        }
        self._constants: dict[str, tf.Tensor] | None = None

    def take_constants(self, fitted: "ConstantLoss") -> None:
        """Measures the best constants of another metric instead of its own.

        Args:
          fitted: has seen the targets of the training split.
        """
        self._constants = {axis: part.histogram() for axis, part in fitted._parts.items()}

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds float32 [B, L, K] targets and [B, L] weights; `outputs` are ignored."""
        del outputs
        for axis, metric in self._parts.items():
            metric.update_state(targets[axis], targets[f"{axis}_weight"])

    def result(self) -> tf.Tensor:
        """Returns the loss so far, float [] in nats."""
        if self._constants is None:
            return tf.add_n([part.result() for part in self._parts.values()])
        return tf.add_n(
            [part.divergence_from(self._constants[axis]) for axis, part in self._parts.items()]
        )

    def reset_state(self) -> None:
        """Forgets everything seen."""
        for metric in self._parts.values():
            metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"num_bins": self.num_bins, "name": self.name}
