"""Pairs of patches: where the second one lies, seen from the first, is the label."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfcolor.backbones.base import INPUT_MEAN
from tfcolor.color.spaces import rgb_to_lightness
from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.patch_appearance import (
    CONTRAST,
    drop_colors,
    normalize_contrast,
    pixelate,
    project_colors,
)
from tfcolor.data.patches import (
    NEIGHBORS,
    PairGeometry,
    arrange_patches,
    cut_pair,
    random_label,
)
from tfcolor.data.pipeline import Example
from tfcolor.data.reading import ExampleReader
from tfcolor.data.transforms import ViewOptions, random_view
from tfcolor.heads.patches import PatchHead
from tfcolor.heads.residual_patches import ResidualPatchHead, ResidualShape
from tfcolor.tasks.base import Panel, Tensors
from tfcolor.tasks.image_task import image_pixels
from tfcolor.tasks.label_task import LabelTask
from tfcolor.tasks.pretext import PatchOptions

PUBLISHED_SIDE = 96
"""Of the patches for which the gap and the jitter are given, pixels."""
LABEL_NAMES = (
    "upper left",
    "above",
    "upper right",
    "left",
    "right",
    "lower left",
    "below",
    "lower right",
)
"""Of `NEIGHBORS`."""


@dataclasses.dataclass(frozen=True)
class RelativePositionOptions(PatchOptions):
    """How pairs of patches are cut, what they look like and how they are answered."""

    prefix = "relative_position_"
    patch_size: int = option(0, "side of a patch, pixels; 0 is the backbone's", minimum=0)
    gap: float = option(
        48.0, "mean gap between patches of 96 pixels; in proportion for others", minimum=0
    )
    jitter: float = option(
        7.0,
        "largest shift of patches of 96 pixels in each direction; in proportion for others",
        minimum=0,
    )
    min_side: int = option(
        0, "smallest shorter side after rescaling, pixels; 0 just holds a pair", minimum=0
    )
    max_side: int = option(
        0, "largest shorter side after rescaling, pixels; 0 is twice what holds a pair", minimum=0
    )
    use_mirror: bool = option(True, "mirror half of the views left to right")
    pixelated_share: float = option(
        0.33, "share of patches that are shrunk and enlarged again", minimum=0, maximum=1
    )
    colors: str = option(
        "drop",
        "what patches keep of their colors: one channel among noise, all but the difference of"
        " green to magenta, their lightness as colorization sees it (harmonized), or all; but for"
        " lightness, all patches get the same contrast",
        choices=("drop", "project", "lightness", "keep"),
    )
    code_size: int = option(
        0,
        "features into which each patch is coded; 0 takes the readout itself (head=dense)",
        minimum=0,
    )
    hidden_sizes: tuple[int, ...] = option(
        (4096, 4096), "features of hidden layers of the pair (head=dense)"
    )
    pair_width: int = option(
        512, "channels inside of the residual units of the pair (head=residual)", minimum=1
    )
    kernel_deviation: float = option(
        1e-4, "deviation of the initial kernels of codes and answer; 0 for that of He", minimum=0
    )

    @property
    def geometry(self) -> PairGeometry:
        """Returns how pairs are cut; the size of patches must be known."""
        scale = self.patch_size / PUBLISHED_SIDE
        return PairGeometry(self.patch_size, round(scale * self.gap), round(scale * self.jitter))

    @property
    def view(self) -> ViewOptions:
        """Returns from what pairs are cut; the size of patches must be known."""
        side = self.geometry.view_side
        return ViewOptions(side, self.min_side or side, self.max_side or 2 * side, self.use_mirror)

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "RelativePositionOptions":
        """Fills in the size of patches.

        Args:
          readers: not read.
          canonical_size: side of the images that the backbone takes, pixels.

        Returns:
          Options without a patch size of 0.

        Raises:
          UsageError: if the sizes do not fit the backbone or each other.
        """
        del readers
        side = self.patch_side(self.patch_size, canonical_size, "relative_position_patch_size")
        options = dataclasses.replace(self, patch_size=side)
        _ = options.view  # checks the sizes
        return options


class RelativePositionTask(LabelTask):
    """Tells in which of eight directions the second of two patches lies.

    Between the patches is a gap, and both are shifted, so that no line goes on
    from one to the other. Color fringes, which tell where in a photograph a
    patch comes from, are taken out with the colors.

    References:
      Doersch, Gupta, Efros. Unsupervised Visual Representation Learning by
      Context Prediction. ICCV 2015.
    """

    name = "relative_position"
    Options = RelativePositionOptions

    def label_name(self, label: int) -> str:
        """Returns where the second patch lies."""
        return LABEL_NAMES[label]

    def make_example(self, rgb: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns a pair of patches.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          seed: int64 [2], the example's own.

        Returns:
          Inputs: `image` float32 [2, S, S, 1 or 3], some of its values outside of
          [0, 1]. Targets: `label` int32 [], one of `NEIGHBORS`.
        """
        options = self.options
        seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 5))
        view = random_view(rgb, seeds[0], options.view)
        label = random_label(seeds[1], len(NEIGHBORS))
        patches = cut_pair(view, label, options.geometry, seeds[2])
        patches = pixelate(patches, options.pixelated_share, seeds[3])
        return {"image": self._disguise(patches, seeds[4])}, {"label": label}

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the network from both patches to the direction.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights.

        Returns:
          A head with the output `logits`, float32 [B, 8].
        """
        options = self.options
        if options.head == "residual":
            shape = ResidualShape(
                options.residual_channels, options.residual_width, options.pair_width
            )
            return ResidualPatchHead(
                taps,
                options.patch_size,
                shape,
                len(NEIGHBORS),
                kernel_deviation=options.kernel_deviation,
                seed=seed,
            )
        return PatchHead(
            taps,
            len(NEIGHBORS),
            num_joined=2,
            code_size=options.code_size,
            hidden_sizes=options.hidden_sizes,
            kernel_deviation=options.kernel_deviation,
            seed=seed,
        )

    def depict(self, inputs: Tensors, targets: Tensors, outputs: Tensors) -> list[list[Panel]]:
        """Returns each pair as it lies, and as the network has it.

        Args:
          inputs: `image`, float32 [B, 2, S, S, 1 or 3].
          targets: `label`, int32 [B].
          outputs: `logits`, float32 [B, 8].

        Returns:
          Two panels for each example, with the first patch in the middle.
        """
        answers = np.argmax(outputs["logits"], axis=-1)
        pairs = zip(image_pixels(inputs["image"]), targets["label"], answers, strict=True)
        return [[self._placed(pair, place) for place in places] for pair, *places in pairs]

    def _placed(self, pair: np.ndarray, label: int) -> Panel:
        """Returns a picture of uint8 [2, S, S, 3] patches in a grid of nine."""
        row, column = NEIGHBORS[label]
        cells = np.array([4, 4 + 3 * row + column])
        return Panel(self.label_name(label), arrange_patches(pair, cells, 3))

    def _disguise(self, patches: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns what the network sees of patches in color, float32 [2, S, S, 3]."""
        colors = self.options.colors
        if colors == "lightness":
            return tf.repeat(rgb_to_lightness(patches), self.input_channels, axis=-1)
        if colors == "drop":
            patches = drop_colors(patches, seed)
        elif colors == "project":
            patches = project_colors(patches)
        return INPUT_MEAN + CONTRAST * normalize_contrast(self.as_input(patches))
