"""Puzzles: which permutation mixed up the tiles of a photograph is the label."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfcolor.backbones.base import INPUT_MEAN
from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.patch_appearance import (
    CONTRAST,
    change_by_chance,
    project_colors,
    shift_channels,
    standardize,
    to_gray,
)
from tfcolor.data.patches import arrange_patches, cut_tiles, unscaled_view
from tfcolor.data.permutation_sets import RULES, permutation_set
from tfcolor.data.pipeline import Example
from tfcolor.data.reading import ExampleReader
from tfcolor.data.transforms import ViewOptions, random_view
from tfcolor.heads.patches import PatchHead
from tfcolor.tasks.base import Panel, Tensors
from tfcolor.tasks.image_task import image_pixels
from tfcolor.tasks.label_task import LabelTask
from tfcolor.tasks.pretext import PretextOptions

CELL_SHARE = 85 / 64
"""Side of a cell per side of a tile, as Noroozi and Favaro cut 64 pixels out of 85."""
NUM_PERMUTATIONS = {2: 24, 3: 100}
"""By the tiles along each side, where the options do not say."""


@dataclasses.dataclass(frozen=True)
class JigsawOptions(PretextOptions):
    """How a puzzle is cut, what it looks like and how it is answered."""

    grid: int = option(2, "tiles along each side of a puzzle", choices=tuple(NUM_PERMUTATIONS))
    tile_size: int = option(0, "side of a tile, pixels; 0 is the backbone's", minimum=0)
    crop_size: int = option(
        0, "side of the view that a puzzle is cut from, pixels; 0 is 85/64 of its tiles", minimum=0
    )
    fit: str = option(
        "rescale",
        "how photographs come to the view's size: by their shorter side, or at their own scale,"
        " a side that is too short being stretched or padded with black",
        choices=("rescale", "stretch", "pad"),
    )
    min_side: int = option(
        0, "smallest shorter side after rescaling, pixels; 0 is the view's (fit=rescale)", minimum=0
    )
    max_side: int = option(
        0,
        "largest shorter side after rescaling, pixels; 0 is the smallest (fit=rescale)",
        minimum=0,
    )
    use_mirror: bool = option(True, "mirror half of the views left to right")
    num_permutations: int = option(
        0,
        "size of the set, at least 2; 0 for all 24 of four tiles, 100 of nine",
        minimum=0,
        maximum=1000,
    )
    permutation_rule: str = option(
        "min", "which Hamming distance within the set is kept large", choices=RULES
    )
    num_answers: int = option(
        1,
        "permutations of each puzzle that are answered; the backbone sees its tiles once",
        minimum=1,
    )
    use_standardization: bool = option(
        True, "give each channel of each tile the same mean and deviation"
    )
    gray_share: float = option(0.3, "share of puzzles without color", minimum=0, maximum=1)
    projected_share: float = option(
        1.0, "share of puzzles without the difference of green to magenta", minimum=0, maximum=1
    )
    max_channel_shift: int = option(
        2, "largest shift of each channel of a tile along each axis, pixels", minimum=0
    )
    code_size: int = option(
        128, "features into which each tile is coded; 0 takes the readout itself", minimum=0
    )
    hidden_sizes: tuple[int, ...] = option((), "features of hidden layers behind all codes")
    kernel_deviation: float = option(
        1e-4, "deviation of the initial kernels of codes and answer; 0 for that of He", minimum=0
    )

    def __post_init__(self) -> None:
        """Raises UsageError for a set of one permutation, or of more than there are."""
        if self.num_permutations == 1:
            raise UsageError(
                "--jigsaw_num_permutations=1: expected at least 2, or 0 for the usual number"
            )
        if self.grid == 2 and self.num_permutations > NUM_PERMUTATIONS[2]:
            raise UsageError(
                f"--jigsaw_num_permutations={self.num_permutations}: four tiles have 24"
            )

    @property
    def set_size(self) -> int:
        """Returns K, how many permutations there are to choose from."""
        return self.num_permutations or NUM_PERMUTATIONS[self.grid]

    @property
    def permutations(self) -> np.ndarray:
        """Returns the cell that each slot shows by label, uint8 [K, grid**2]."""
        return permutation_set(self.grid**2, self.set_size, self.permutation_rule)

    @property
    def view(self) -> ViewOptions:
        """Returns how a view is cut; the size of tiles must be known."""
        crop_size = self.crop_size or self.grid * round(CELL_SHARE * self.tile_size)
        min_side = max_side = crop_size
        if self.fit == "rescale":
            min_side = self.min_side or crop_size
            max_side = self.max_side or min_side
        return ViewOptions(crop_size, min_side, max_side, self.use_mirror)

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "JigsawOptions":
        """Fills in the size of tiles.

        Args:
          readers: not read.
          canonical_size: side of the images that the backbone takes, pixels.

        Returns:
          Options without a tile size of 0.

        Raises:
          UsageError: if the sizes do not fit the backbone or each other, or there
            are more answers than permutations.
        """
        del readers
        if self.num_answers > self.set_size:
            raise UsageError(
                f"--jigsaw_num_answers={self.num_answers}: there are {self.set_size} permutations"
            )
        tile_size = self.patch_side(self.tile_size, canonical_size, "jigsaw_tile_size")
        options = dataclasses.replace(self, tile_size=tile_size)
        least = self.grid * (tile_size + self.max_channel_shift)
        if options.view.crop_size < least:
            raise UsageError(
                f"--jigsaw_crop_size={options.view.crop_size}: expected at least {least}, which"
                f" {self.grid} tiles of {tile_size} and shifts of {self.max_channel_shift} need"
            )
        return options


class JigsawTask(LabelTask):
    """Tells which permutation mixed up the tiles of a view.

    Slot s shows the tile of cell `permutation[s]`, both row by row. Tiles lie
    anywhere in their cells, so that borders do not continue; the rest of what
    would give neighbors away, the options take out of their appearance.

    References:
      Noroozi, Favaro. Unsupervised Learning of Visual Representations by Solving
      Jigsaw Puzzles. ECCV 2016.
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, chapter 4 (four tiles).
    """

    name = "jigsaw"
    Options = JigsawOptions

    def label_name(self, label: int) -> str:
        """Returns the cells that the slots show."""
        return " ".join(map(str, self.options.permutations[label]))

    def make_example(self, rgb: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns a puzzle.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          seed: int64 [2], the example's own.

        Returns:
          Inputs: `image` float32 [T, S, S, 1 or 3], the tiles by slot as the first
          label has them; where they are standardized or projected, some values
          lie outside of [0, 1]. `slots` int32 [R, T], which of these tiles each
          slot shows by each label. Targets: `label` int32 [R], distinct.
        """
        options = self.options
        seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 4))
        side = options.tile_size + options.max_channel_shift
        tiles = cut_tiles(self._view(rgb, seeds[0]), options.grid, side, seeds[1])
        labels = tf.random.experimental.stateless_shuffle(tf.range(options.set_size), seeds[2])
        labels = labels[: options.num_answers]
        cells = tf.gather(tf.constant(options.permutations, tf.int32), labels)
        slots = tf.gather(tf.math.invert_permutation(cells[0]), cells)
        tiles = self._disguise(tf.gather(tiles, cells[0]), seeds[3])
        return {"image": tiles, "slots": slots}, {"label": labels}

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the network from all tiles to the permutation.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights.

        Returns:
          A head with the output `logits`, float32 [B, R, K].
        """
        options = self.options
        return PatchHead(
            taps,
            options.set_size,
            num_joined=options.grid**2,
            code_size=options.code_size,
            hidden_sizes=options.hidden_sizes,
            kernel_deviation=options.kernel_deviation,
            seed=seed,
        )

    def depict(self, inputs: Tensors, targets: Tensors, outputs: Tensors) -> list[list[Panel]]:
        """Returns puzzles as they are seen, solved and answered.

        Args:
          inputs: `image`, float32 [B, T, S, S, 1 or 3].
          targets: `label`, int32 [B, R].
          outputs: `logits`, float32 [B, R, K].

        Returns:
          Three panels for each example, of its first label.
        """
        labels = np.asarray(targets["label"])[:, 0]
        answers = np.argmax(outputs["logits"], axis=-1)[:, 0]
        puzzles = zip(image_pixels(inputs["image"]), labels, answers, strict=True)
        return [self._depict_one(*puzzle) for puzzle in puzzles]

    def _depict_one(self, tiles: np.ndarray, label: int, answer: int) -> list[Panel]:
        """Returns the panels of tiles, uint8 [T, S, S, 3]."""
        permutations, grid = self.options.permutations, self.options.grid
        return [
            Panel(self.label_name(label), arrange_patches(tiles, np.arange(len(tiles)), grid)),
            Panel("solution", arrange_patches(tiles, permutations[label], grid)),
            Panel(self.label_name(answer), arrange_patches(tiles, permutations[answer], grid)),
        ]

    def _view(self, rgb: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns what a puzzle is cut from, float32 [S, S, 3] in [0, 1]."""
        view = self.options.view
        if self.options.fit == "rescale":
            return random_view(rgb, seed, view)
        stretches = self.options.fit == "stretch"
        return unscaled_view(
            rgb, view.crop_size, stretches=stretches, use_mirror=view.use_mirror, seed=seed
        )

    def _disguise(self, tiles: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns what the network sees of tiles in color, float32 [T, S, S, 3]."""
        options = self.options
        seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
        tiles = shift_channels(tiles, options.max_channel_shift, seeds[0])
        tiles = change_by_chance(to_gray, tiles, options.gray_share, seeds[1])
        tiles = change_by_chance(project_colors, tiles, options.projected_share, seeds[2])
        tiles = self.as_input(tiles)
        return INPUT_MEAN + CONTRAST * standardize(tiles) if options.use_standardization else tiles
