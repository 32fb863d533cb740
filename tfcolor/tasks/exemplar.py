"""Exemplar learning by triplets: two patches of one image, and one of another."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.reading import ExampleReader
from tfcolor.data.seed_patch import distorted_copy, rescaled_photograph, uniform_corner
from tfcolor.heads.projection import ProjectionHead
from tfcolor.heads.residual_patches import ResidualPatchHead, ResidualShape
from tfcolor.losses.contrastive import cosine_distance, cosine_triplet, next_in_batch
from tfcolor.tasks.base import Tensors
from tfcolor.tasks.paired_views import PairedViewsTask, gather_batch
from tfcolor.tasks.pretext import PatchOptions


@dataclasses.dataclass(frozen=True)
class ExemplarOptions(PatchOptions):
    """The patches, their embedding and the loss."""

    prefix = "exemplar_"
    patch_size: int = option(0, "side of a patch, pixels; 0 is the backbone's", minimum=0)
    patch_share: float = option(
        0.375,
        "side of a patch, relative to the photograph's shorter side",
        minimum=0.05,
        maximum=1,
    )
    embedding_size: int = option(1000, "features that are compared (head=dense)", minimum=1)
    margin: float = option(
        0.5, "how much farther the patch of another image has to be", minimum=0, maximum=2
    )

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "ExemplarOptions":
        """Fills in the size of the patches.

        Args:
          readers: not read.
          canonical_size: side of the images that the backbone takes, pixels.

        Returns:
          Options without a 0 that stands for something else.

        Raises:
          UsageError: if the top is read, and the backbone takes another size.
        """
        del readers
        side = self.patch_side(self.patch_size, canonical_size, "exemplar_patch_size")
        return dataclasses.replace(self, patch_size=side)


class ExemplarTask(PairedViewsTask):
    """Embeds two distorted copies of a patch nearer to each other than another image's.

    The other image is the next one of the global batch, whose order is random.

    Args:
      options: completed if there are readers.
      readers: where each split's images come from.
      color_input: as of `ImageTask`.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 3 (exemplar).
    """

    name = "exemplar"
    Options = ExemplarOptions

    def make_views(self, rgb: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns two distorted copies of one patch that may lie anywhere.

        Args:
          rgb: uint8 [H, W, 3].
          seed: int64 [2], the example's own; fixes the patch and both copies.

        Returns:
          float32 [2, S, S, 3] in [0, 1].
        """
        size = self.options.patch_size
        seeds = tf.random.experimental.stateless_split(seed, 3)
        photograph = rescaled_photograph(rgb, self.options.patch_share, size)
        corner = uniform_corner(photograph, seeds[0], size)

        def make_copy(own: tf.Tensor) -> tf.Tensor:
            return distorted_copy(photograph, corner, own, size)

        return tf.map_fn(make_copy, seeds[1:], fn_output_signature=tf.float32)

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns one dense layer on the backbone's top, or residual units on its map.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights.

        Returns:
          A head with the output `embeddings`, float32 [B, 2, D].
        """
        options = self.options
        if options.head == "residual":
            shape = ResidualShape(options.residual_channels, options.residual_width)
            return ResidualPatchHead(taps, options.patch_size, shape, seed=seed)
        return ProjectionHead(taps, options.embedding_size, 1, use_batch_norm=False, seed=seed)

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns the loss of the triplets.

        Args:
          targets: `example`, int64 [B].
          outputs: `embeddings`, float32 [B, 2, D].

        Returns:
          `triplet`, float32 [B]; the margin where all embeddings are equal.
        """
        return {"triplet": cosine_triplet(*triplets(targets, outputs), self.options.margin)}

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns how often the other copy is nearer than the other image.

        Args:
          fitted: not read; there is no baseline to fit.

        Returns:
          `accuracy` in [0, 1]; guessing gives a half.
        """
        del fitted
        return {"accuracy": TripletAccuracy()}


def triplets(targets: Tensors, outputs: Tensors) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the embeddings that are compared.

    Args:
      targets: `example`, int64 [B].
      outputs: `embeddings`, float32 [B, 2, D].

    Returns:
      (anchor, positive, negative), float32 [B, D] each: both copies of a patch, and
      the first one of the next example in the global batch.
    """
    numbers, embeddings = gather_batch(targets, outputs)
    anchor, positive = tf.unstack(outputs["embeddings"], axis=1)
    following = next_in_batch(targets["example"], numbers)
    return anchor, positive, tf.gather(embeddings[:, 0], following)


class TripletAccuracy(tf.keras.metrics.Mean):
    """How often two patches of one image are nearer to each other than to another's.

    Args:
      name: what the metric is called.
      dtype: type of the result.
    """

    def __init__(self, name: str = "accuracy", dtype: str | tf.DType | None = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `example`, int64 [B], and `embeddings`, float32 [B, 2, D]."""
        anchor, positive, negative = triplets(targets, outputs)
        super().update_state(cosine_distance(anchor, positive) < cosine_distance(anchor, negative))
