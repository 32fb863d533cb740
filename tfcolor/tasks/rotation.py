"""Turned views: by how many quarter turns is the label."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.patches import random_label
from tfcolor.data.pipeline import Example
from tfcolor.data.reading import ExampleReader
from tfcolor.data.transforms import random_view
from tfcolor.heads.patches import PatchHead
from tfcolor.tasks.canonical_view import CanonicalViewOptions
from tfcolor.tasks.label_task import LabelTask
from tfcolor.tasks.pretext import PretextOptions

NUM_TURNS = 4


@dataclasses.dataclass(frozen=True)
class RotationOptions(PretextOptions, CanonicalViewOptions):
    """Which views are turned."""

    turns: str = option(
        "all",
        "turns of a view that are one example: all four, or one random",
        choices=("all", "one"),
    )

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "RotationOptions":
        """Fills in the size of the view.

        Args:
          readers: not read.
          canonical_size: side of the images that the backbone takes, pixels.

        Returns:
          Options without a crop size of 0.

        Raises:
          UsageError: if the sizes do not fit the backbone or each other.
        """
        del readers
        crop_size = self.patch_side(self.crop_size, canonical_size, "rotation_crop_size")
        options = dataclasses.replace(self, crop_size=crop_size)
        _ = options.training_view  # checks the sizes
        return options


class RotationTask(LabelTask):
    """Tells by how many quarter turns a view is turned counter-clockwise.

    Views are cropped and mirrored before they are turned, and turned by
    exchanging pixels, so that the turn leaves no trace.

    References:
      Gidaris, Singh, Komodakis. Unsupervised Representation Learning by
      Predicting Image Rotations. ICLR 2018.
    """

    name = "rotation"
    Options = RotationOptions

    def label_name(self, label: int) -> str:
        """Returns the angle."""
        return f"{90 * label}°"

    def make_example(self, rgb: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns a view in its turns.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          seed: int64 [2], the example's own.

        Returns:
          Inputs: `image` float32 [T, S, S, 1 or 3] in [0, 1]. Targets: `label`
          int32 [T], in quarter turns.
        """
        view_seed, label_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        view = self.as_input(random_view(rgb, view_seed, self.options.training_view))
        turns, labels = quarter_turns(view), tf.range(NUM_TURNS)
        if self.options.turns == "one":
            labels = random_label(label_seed, NUM_TURNS)[tf.newaxis]
            turns = tf.gather(turns, labels)
        return {"image": turns}, {"label": labels}

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the linear layer upon each view's top.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights.

        Returns:
          A head with the output `logits`, float32 [B, T, 4].
        """
        return PatchHead(taps, NUM_TURNS, seed=seed)


def quarter_turns(image: tf.Tensor) -> tf.Tensor:
    """Returns a square image, turned counter-clockwise by 0, 90, 180 and 270 degrees.

    Args:
      image: float32 [S, S, C].

    Returns:
      float32 [4, S, S, C].

    Example:
      >>> quarter_turns(tf.constant([[[1], [2]], [[3], [4]]]))[1, :, :, 0].numpy()
      array([[2, 4],
             [1, 3]], dtype=int32)
    """
    flipped = tf.transpose(image, [1, 0, 2])
    return tf.stack([image, flipped[::-1], image[::-1, ::-1], flipped[:, ::-1]])
