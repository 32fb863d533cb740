"""Two half networks that predict from each other's channels: color and lightness."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import tensorflow as tf

from tfcolor.color.binning import BinGrid
from tfcolor.color.gamut import GAMUT_POINTS, is_gray, nearest_point, soft_encode
from tfcolor.color.outputs.base import Output
from tfcolor.color.spaces import lab_to_rgb, rgb_to_lab
from tfcolor.core.errors import UsageError
from tfcolor.core.lookup import lookup
from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import BatchPlan, Example, build_dataset
from tfcolor.data.reading import ExampleReader
from tfcolor.data.transforms import ViewOptions, random_view
from tfcolor.heads.split import SplitHead
from tfcolor.layers.front_end import COLOR_RANGE, FRONT_ENDS
from tfcolor.losses.histogram import histogram_divergence
from tfcolor.losses.regression import squared_distance
from tfcolor.metrics.constant_loss import ConstantLoss
from tfcolor.metrics.explained_variance import Comparison, ExplainedVariance
from tfcolor.tasks.base import Panel, Tensors, count_examples
from tfcolor.tasks.canonical_view import SquareViewOptions
from tfcolor.tasks.image_task import ImageTask, image_pixels

FRONT_END = "split_lab"
COORDINATES = {"explained": (0, 1, 2), "lightness_explained": (0,), "color_explained": (1, 2)}
"""Of Lab, those that a metric is about."""


@dataclasses.dataclass(frozen=True)
class SplitBrainOptions(SquareViewOptions):
    """The views, and what is predicted of them."""

    input = "color"  # no field: there is no choice

    use_mirror: bool = option(True, "mirror half of the views left to right")
    target_stride: int = option(
        16, "pixels between those whose color and lightness are predicted", minimum=1
    )
    taps: tuple[str, ...] = option((), "hypercolumn taps by name; empty takes the last map")
    loss: str = option(
        "classification",
        "what is predicted: distributions over 313 colors and bins of lightness, or a, b and L",
        choices=("classification", "regression"),
    )
    encoding: str = option(
        "soft",
        "classes of a color: its ten nearest, by distance, or the nearest (loss=classification)",
        choices=("soft", "hard"),
    )
    lightness_bins: int = option(50, "bins of equal width of L (loss=classification)", minimum=2)

    @property
    def training_view(self) -> ViewOptions:
        """Returns how views are cut; the crop size must be known."""
        return ViewOptions(self.crop_size, self.min_side, self.max_side, self.use_mirror)

    @property
    def sizes(self) -> dict[str, int]:
        """Returns how many numbers answer for `color` and for `lightness`."""
        if self.loss == "regression":
            return {"color": 2, "lightness": 1}
        return {"color": len(GAMUT_POINTS), "lightness": self.lightness_bins}

    @property
    def lightness_grid(self) -> BinGrid:
        """Returns the bins of L in [0, 100]."""
        count = self.lightness_bins
        edges = tuple(100 * number / count for number in range(count + 1))
        return BinGrid(edges, tuple(100 * (number + 0.5) / count for number in range(count)))

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "SplitBrainOptions":
        """Fills in the size of the view.

        Args:
          readers: not read.
          canonical_size: side of the images that the backbone takes, pixels.

        Returns:
          Options without a crop size of 0.

        Raises:
          UsageError: if the sizes do not fit each other.
        """
        del readers
        options = self.with_size(self.crop_size or canonical_size)
        if self.target_stride > options.crop_size:
            raise UsageError(
                f"--split_brain_target_stride={self.target_stride}: expected at most the side of"
                f" the view, {options.crop_size}"
            )
        return options


class SplitBrainTask(ImageTask):
    """Predicts the color of an image from its lightness, and the lightness from the color.

    The backbone must consist of two networks side by side, of which the first one
    sees the lightness and the second one the color; its front end `split_lab`
    makes it so. An image without color teaches nothing.

    Args:
      options: completed if there are readers.
      readers: where each split's images come from.
      color_input: as of `ImageTask`; changes nothing.

    References:
      Zhang, Isola, Efros. Split-Brain Autoencoders: Unsupervised Learning by
      Cross-Channel Prediction. CVPR 2017.
    """

    name = "split_brain"
    convolutional = True
    Options = SplitBrainOptions
    score: str | None = "explained"
    count_samples = staticmethod(count_examples)

    def make_dataset(self, split: str, plan: BatchPlan) -> tf.data.Dataset:
        """Yields (inputs, targets) batches of random views.

        Args:
          split: "train" or "heldout".
          plan: which examples, in which batches.

        Returns:
          A dataset of two dicts, those of `make_example` with a leading axis B,
          and `seed` int64 [B, 2] among the inputs.
        """
        return build_dataset(self._readers[split], self.make_example, plan)

    def make_example(self, rgb: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns a random view, and the colors of pixels on a grid.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          seed: int64 [2], the example's own; fixes the view.

        Returns:
          Inputs: `image` float32 [S, S, 3] in [0, 1]; `locations` float32 [L, 2],
          (row, column) in pixels, row by row. Targets at these pixels: `lab`
          float32 [L, 3]; `color` and `lightness` as `encode` gives them, and
          `color_weight` and `lightness_weight`, float32 [L], 0 if all are gray,
          else 1.
        """
        options = self.options
        view_seed = tf.random.experimental.stateless_fold_in(seed, 1)
        view = random_view(rgb, view_seed, options.training_view)
        places = tf.range(options.target_stride // 2, options.crop_size, options.target_stride)
        grid = tf.stack(tf.meshgrid(places, places, indexing="ij"), axis=-1)
        lab = rgb_to_lab(tf.gather_nd(view, grid))
        flat = tf.reshape(lab, [-1, 3])
        color, lightness = self.encode(flat)
        weight = 1 - tf.cast(is_gray(lab[..., 1:]), tf.float32)
        weights = weight * tf.ones_like(flat[:, 0])
        inputs = {"image": view, "locations": tf.cast(tf.reshape(grid, [-1, 2]), tf.float32)}
        targets = {
            "lab": flat,
            "color": color,
            "color_weight": weights,
            "lightness": lightness,
            "lightness_weight": weights,
        }
        return inputs, targets

    def encode(self, lab: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what is to be answered.

        Args:
          lab: float32 [..., 3], Lab.

        Returns:
          (color, lightness): distributions, float32 [..., 313] and [..., K], or
          (a, b) / 110 and L / 100 - 1/2, float32 [..., 2] and [..., 1].
        """
        options, ab = self.options, lab[..., 1:]
        if options.loss == "regression":
            return ab / COLOR_RANGE, lab[..., :1] / 100 - 0.5
        bins = options.lightness_grid.labels(lab[..., 0])
        is_soft = options.encoding == "soft"
        color = soft_encode(ab) if is_soft else tf.one_hot(nearest_point(ab), len(GAMUT_POINTS))
        return color, tf.one_hot(bins, options.lightness_bins)

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the two linear layers, each on its half of the channels.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights.

        Returns:
          A head with the outputs of `SplitHead`: logits, or what `encode` gives.

        Raises:
          UsageError: if the backbone does not see lightness and color apart, or
            has no tap of a given name.
        """
        options = self.options
        first, *_, last = taps.values()
        if first.channels != FRONT_ENDS[FRONT_END].channels:
            raise UsageError(
                "split_brain needs a backbone whose halves see lightness and color apart:"
                f" --BACKBONE_front_end={FRONT_END}"
            )
        chosen = {name: lookup(taps, name, "tap") for name in options.taps or (last.name,)}
        return SplitHead(chosen, *options.sizes.values(), seed=seed)

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns what each half pays, the mean over locations.

        Args:
          targets: those of `make_example`, with a leading axis B.
          outputs: those of `SplitHead`.

        Returns:
          `color` and `lightness`, float32 [B]: divergences in nats, or squared
          distances; 0 for an image without color.
        """
        is_classified = self.options.loss == "classification"
        distance = histogram_divergence if is_classified else squared_distance
        return {
            name: tf.reduce_mean(
                targets[f"{name}_weight"] * distance(targets[name], outputs[name]), axis=1
            )
            for name in self.options.sizes
        }

    def decode(self, outputs: Tensors) -> tf.Tensor:
        """Returns what the outputs stand for: of distributions, the expectation.

        Args:
          outputs: those of `SplitHead`.

        Returns:
          float32 [B, L, 3], Lab.
        """
        color, lightness = outputs["color"], outputs["lightness"]
        if self.options.loss == "regression":
            return tf.concat([100 * lightness + 50, COLOR_RANGE * color], axis=-1)
        ab = tf.matmul(tf.nn.softmax(color), tf.constant(GAMUT_POINTS, tf.float32))
        centers = tf.constant(self.options.lightness_grid.centers)[:, tf.newaxis]
        return tf.concat([tf.matmul(tf.nn.softmax(lightness), centers), ab], axis=-1)

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns how much of the variance of L, a and b is predicted.

        Args:
          fitted: of the training split; its best constants are measured.

        Returns:
          `explained`, the mean over L, a and b: 0 for constant predictions, at most
          1; its parts `lightness_explained` and `color_explained`; and
          `constant_loss`, the loss of the best answers that are the same everywhere.
        """
        is_histogram = self.options.loss == "classification"
        constant = ConstantLoss(
            [Output(name, size, is_histogram) for name, size in self.options.sizes.items()]
        )
        if fitted is not None:
            constant.take_constants(fitted["constant_loss"])
        explained = {
            name: ExplainedVariance(len(which), functools.partial(self._compare, which), name)
            for name, which in COORDINATES.items()
        }
        return {**explained, "constant_loss": constant}

    def depict(self, inputs: Tensors, targets: Tensors, outputs: Tensors) -> list[list[Panel]]:
        """Returns each view, and on the grid what is predicted of it.

        Args:
          inputs: `image`, float32 [B, S, S, 3] in [0, 1].
          targets: `lab`, float32 [B, L, 3].
          outputs: `color` and `lightness`, float32 [B, L, size].

        Returns:
          Five panels for each example: the view; its true lightness and what is
          answered from the color; its colors, and what is answered from the
          lightness, at the true lightness.
        """
        lab, answer = targets["lab"], self.decode(outputs)
        gray = tf.zeros_like(lab[..., 1:])
        grids = {
            "lightness": tf.concat([lab[..., :1], gray], axis=-1),
            "answered lightness": tf.concat([answer[..., :1], gray], axis=-1),
            "color": lab,
            "answered color": tf.concat([lab[..., :1], answer[..., 1:]], axis=-1),
        }
        side = round(lab.shape[1] ** 0.5)
        pictures = {
            name: tf.reshape(lab_to_rgb(grid), [-1, side, side, 3]) for name, grid in grids.items()
        }
        pixels = {
            name: image_pixels(some)
            for name, some in ({"view": inputs["image"]} | pictures).items()
        }
        return [
            [Panel(name, some[row]) for name, some in pixels.items()] for row in range(len(lab))
        ]

    def _compare(self, which: Sequence[int], targets: Tensors, outputs: Tensors) -> Comparison:
        """Returns what the metric of some coordinates of Lab compares."""
        lab, answer = (
            tf.gather(one, which, axis=-1) for one in (targets["lab"], self.decode(outputs))
        )
        return lab, answer, targets["color_weight"]
