"""Exemplar learning by surrogate classes: from which image a distorted patch is."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import Annotation, BatchPlan, Example, build_dataset, example_position
from tfcolor.data.reading import ExampleReader
from tfcolor.data.seed_patch import distorted_copy
from tfcolor.data.textured_patch import rescaled_to_patch, textured_corner
from tfcolor.heads.classifier import ClassifierHead
from tfcolor.tasks.base import HELDOUT_SPLIT, TRAIN_SPLIT
from tfcolor.tasks.label_task import LabelTask
from tfcolor.tasks.pretext import PretextOptions


@dataclasses.dataclass(frozen=True)
class ExemplarClassesOptions(PretextOptions):
    """The seed patches, each of which is a class."""

    patch_size: int = option(0, "side of a patch, pixels; 0 is the backbone's", minimum=0)
    num_classes: int = option(
        0, "how many of --images have a seed patch, the first ones; 0 is all", minimum=0
    )
    min_share: float = option(
        0.25,
        "smallest side of a seed patch, relative to the photograph's shorter side",
        minimum=0.05,
        maximum=1,
    )
    max_share: float = option(0.5, "largest side, likewise", minimum=0.05, maximum=1)

    def __post_init__(self) -> None:
        """Raises UsageError unless min_share <= max_share."""
        if self.min_share > self.max_share:
            raise UsageError(
                f"--exemplar_classes_min_share={self.min_share}: expected at most"
                f" --exemplar_classes_max_share={self.max_share}"
            )

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "ExemplarClassesOptions":
        """Fills in the number of classes and the size of the patches.

        Args:
          readers: the images by split; those for training are counted.
          canonical_size: side of the images that the backbone takes, pixels.

        Returns:
          Options without a 0 that stands for something else.

        Raises:
          UsageError: if there are fewer than two classes, or fewer images than
            classes; or if the top is read, and the backbone takes another size.
        """
        num_images = readers[TRAIN_SPLIT].num_examples
        num_classes = self.num_classes or num_images
        if not 2 <= num_classes <= num_images:
            raise UsageError(
                f"--exemplar_classes_num_classes={self.num_classes}: expected at least 2 and at"
                f" most as many as --images, which are {num_images}"
            )
        side = self.patch_side(self.patch_size, canonical_size, "exemplar_classes_patch_size")
        return dataclasses.replace(self, num_classes=num_classes, patch_size=side)


class ExemplarClassesTask(LabelTask):
    """Tells of which seed patch a distorted copy is.

    Each of the first training images has one seed patch, the same in every run:
    of random size, where gradients are large. Every example is a new copy. What is
    held out are other copies of the same patches, as there are no other classes.

    Args:
      options: completed if there are readers.
      readers: where each split's images come from; only those for training are
        looked at.
      color_input: as of `ImageTask`.

    References:
      Dosovitskiy, Springenberg, Riedmiller, Brox. Discriminative Unsupervised
      Feature Learning with Convolutional Neural Networks. NIPS 2014.
    """

    name = "exemplar_classes"
    Options = ExemplarClassesOptions

    def __init__(
        self,
        options: ExemplarClassesOptions,
        readers: Mapping[str, ExampleReader],
        *,
        color_input: bool = False,
    ) -> None:
        if TRAIN_SPLIT in readers:
            readers = dict.fromkeys((TRAIN_SPLIT, HELDOUT_SPLIT), readers[TRAIN_SPLIT])
        super().__init__(options, readers, color_input=color_input)

    def make_dataset(self, split: str, plan: BatchPlan) -> tf.data.Dataset:
        """Yields (inputs, targets) batches, as often of one class as of another.

        An image beyond the last class, which takes the place of an unreadable one,
        is a second patch of one of the first classes.

        Args:
          split: "train" or "heldout".
          plan: which examples, in which batches.

        Returns:
          A dataset of two dicts, those of `make_copy` with a leading axis B, and
          `seed` int64 [B, 2] among the inputs.
        """
        num_classes = self.options.num_classes
        return build_dataset(
            self._readers[split],
            self.make_copy,
            plan,
            annotation=Annotation(
                lambda number: np.array(number % num_classes, np.int32), tf.int32
            ),
            choose=lambda index: example_position(index, num_classes, plan.seed),
        )

    def make_copy(self, rgb: tf.Tensor, label: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns a distorted copy of an image's seed patch, and the image's number.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          label: int32 [], its number, which fixes the seed patch.
          seed: int64 [2], the example's own; fixes the copy.

        Returns:
          Inputs: `image` float32 [S, S, 1 or 3] in [0, 1]. Targets: `label` int32
          [].
        """
        # Stateless for the caller; op determinism would make copies one at a time.
        photograph, corner = tf.numpy_function(
            self.find_seed_patch, [rgb, label], [tf.uint8, tf.int32], stateful=False
        )
        photograph.set_shape([None, None, 3])
        corner.set_shape([2])
        photograph = tf.cast(photograph, tf.float32) / 255
        copy_seed = tf.random.experimental.stateless_fold_in(seed, 1)
        copy = distorted_copy(photograph, corner, copy_seed, self.options.patch_size)
        return {"image": self.as_input(copy)}, {"label": label}

    def find_seed_patch(self, rgb: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns where the seed patch of an image lies.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          label: its number.

        Returns:
          (photograph, corner): uint8 [h, w, 3], so rescaled that the patch has the
          side S; and int32 [2], (row, column) where it begins.
        """
        options = self.options
        origin = derive_seed(0, "exemplar_classes/seed patch")
        share, place = np.random.default_rng([origin, int(label)]).random(2)
        share = options.min_share + share * (options.max_share - options.min_share)
        photograph = rescaled_to_patch(rgb, share, options.patch_size)
        return photograph, textured_corner(photograph, place, options.patch_size)

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the linear classifier on the backbone's top.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights.

        Returns:
          A head with the output `logits`, float32 [B, K].
        """
        return ClassifierHead(taps, self.options.num_classes, seed=seed)

    def label_name(self, label: int) -> str:
        """Returns what pictures call a class."""
        return f"patch {label}"
