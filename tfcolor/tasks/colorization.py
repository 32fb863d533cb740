"""Colorization from what a network predicts at sparse locations."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from tfcolor.color.outputs import OUTPUT_SPACES
from tfcolor.color.outputs.base import OutputSpace, TargetOptions
from tfcolor.core.errors import UsageError
from tfcolor.core.lookup import lookup
from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import BatchPlan, Example, build_dataset
from tfcolor.data.reading import ExampleReader
from tfcolor.data.transforms import ViewOptions, random_locations, random_view
from tfcolor.heads.histogram import HistogramHead
from tfcolor.losses.histogram import histogram_divergence
from tfcolor.losses.regression import squared_distance
from tfcolor.metrics.constant_loss import ConstantLoss
from tfcolor.tasks.base import TRAIN_SPLIT, Tensors, count_examples
from tfcolor.tasks.gamut_prior import estimate_class_weights
from tfcolor.tasks.image_task import ImageTask


@dataclasses.dataclass(frozen=True)
class ColorizationOptions:
    """What the colorization task predicts, from which views of a photograph."""

    crop_size: int = option(352, "side of the square training crop, pixels", minimum=8)
    min_side: int = option(352, "smallest shorter side after random scaling, pixels", minimum=8)
    max_side: int = option(600, "largest shorter side after random scaling, pixels", minimum=8)
    num_locations: int = option(128, "sampled locations per image", minimum=1)
    edge: int = option(96, "locations keep this distance from the crop's border, pixels", minimum=0)
    output_space: str = option(
        "hue_chroma", "coordinates of the predicted colors", choices=tuple(OUTPUT_SPACES)
    )
    num_bins: int = option(
        0,
        "bins of each histogram, of each axis for lab_joint; 0 takes the space's own: 32, or 16"
        " for lab_joint. lab_values and lab_gamut have no choice",
        minimum=0,
    )
    window: int = option(
        7,
        "side of the target histogram's window; 1 is one-hot. lab_values and lab_gamut take the"
        " pixel itself",
        choices=(1, 7),
    )
    hue_weight: float = option(5.0, "weight of the hue loss, times chroma", minimum=0)
    chroma_weighting: bool = option(False, "weight the chroma loss by min(1, 3L, 3(1 - L))")
    uniform_share: float = option(
        0.5,
        "lab_gamut: share of the uniform distribution in the class weights; 1 weighs all alike",
        minimum=0,
        maximum=1,
    )
    prior_num_images: int = option(
        200, "lab_gamut: training images from which the frequency of colors is taken", minimum=1
    )
    head: str = option(
        "hypercolumn",
        "what the hidden layer is: linear on the hypercolumn of all taps, or a rectified 2x2 and a"
        " 1x1 convolution on the last one",
        choices=("hypercolumn", "convolutions"),
    )
    hidden_units: int = option(1024, "units of the layer behind the hypercolumn", minimum=1)
    dropout_rate: float = option(0.5, "dropout on that layer", minimum=0, maximum=0.99)
    taps: tuple[str, ...] = option((), "hypercolumn taps by name; empty takes all of the backbone")

    def __post_init__(self) -> None:
        """Raises UsageError if the edges leave no location or a bin has no fellow."""
        if self.num_bins == 1:
            raise UsageError("--colorization_num_bins=1: expected at least 2, or 0")
        if 2 * self.edge >= self.crop_size:
            raise UsageError(
                f"--colorization_edge={self.edge}: expected less than half of "
                f"--colorization_crop_size={self.crop_size}"
            )


class ColorizationTask(ImageTask):
    """Predicts the colors of sampled pixels of a gray photograph.

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
    convolutional = True
    Options = ColorizationOptions
    score: str | None = None
    count_samples = staticmethod(count_examples)

    def __init__(
        self,
        options: ColorizationOptions,
        readers: Mapping[str, ExampleReader],
        *,
        color_input: bool = False,
    ) -> None:
        super().__init__(options, readers, color_input=color_input)
        self.output_space = build_output_space(options)
        self._targets = TargetOptions(
            options.window, options.hue_weight, options.chroma_weighting, self._class_weights()
        )
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
          Targets, for every output of the space (`hue`): `NAME` float32 [B, L, K]
          and `NAME_weight` float32 [B, L].
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
        targets = self.output_space.make_targets(view, locations, self._targets)
        return {"image": self.as_input(view), "locations": locations}, targets

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the histogram head on the chosen taps.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights and the dropout masks.

        Returns:
          A head with an output `NAME_logits`, float32 [B, L, K], for every output
          of the space.

        Raises:
          UsageError: if `--colorization_taps` names a tap the backbone lacks.
        """
        names = self.options.taps or tuple(taps)
        return HistogramHead(
            {name: lookup(taps, name, "tap") for name in names},
            {output.name: output.size for output in self.output_space.outputs},
            hidden_units=self.options.hidden_units,
            dropout_rate=self.options.dropout_rate,
            convolves=self.options.head == "convolutions",
            seed=seed,
        )

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns the weighted divergence of every histogram.

        Args:
          targets: as from `make_dataset`.
          outputs: `NAME_logits`, float32 [B, L, K].

        Returns:
          For every output of the space its mean over the locations, float32 [B]:
          of `w KL(y || f)` in nats, or of `w |y - f|^2` for a regression.

        References:
          Larsson et al. ECCV 2016, equations 3, 4 and 7.
        """
        losses = {}
        for output in self.output_space.outputs:
            name = output.name
            compare = histogram_divergence if output.is_histogram else squared_distance
            distance = compare(targets[name], outputs[f"{name}_logits"])
            losses[name] = tf.reduce_mean(targets[f"{name}_weight"] * distance, axis=-1)
        return losses

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns the loss of the best constant outputs on the same targets.

        Args:
          fitted: metrics of an earlier call that have seen the training split.

        Returns:
          `constant_loss`, in the unit of the losses: that of the constant outputs that are
          best on the fitted metric's targets, or on its own without one. A
          network that has learned anything about the images is below it.
        """
        metric = ConstantLoss(self.output_space.outputs)
        if fitted is not None:
            metric.take_constants(fitted["constant_loss"])
        return {"constant_loss": metric}

    def _class_weights(self) -> tuple[float, ...] | None:
        """Returns the weights of rare colors, None where they are not used."""
        options, reader = self.options, self._readers.get(TRAIN_SPLIT)
        if options.output_space != "lab_gamut" or options.uniform_share == 1 or reader is None:
            return None
        return estimate_class_weights(reader, options.prior_num_images, options.uniform_share)


def build_output_space(options: ColorizationOptions) -> OutputSpace:
    """Returns the output space that the options name.

    Args:
      options: of a task.

    Returns:
      A space with the chosen number of bins.
    """
    return OUTPUT_SPACES[options.output_space](options.num_bins)
