"""Contrastive learning: to find the other view of an image in a batch."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.augmentation import contrastive_view
from tfcolor.data.reading import ExampleReader
from tfcolor.heads.projection import ProjectionHead
from tfcolor.losses.contrastive import contrastive_logits, nt_xent
from tfcolor.tasks.base import Tensors
from tfcolor.tasks.paired_views import PairedViewsTask, gather_batch
from tfcolor.tasks.pretext import PretextOptions


@dataclasses.dataclass(frozen=True)
class SimclrOptions(PretextOptions):
    """The views, the projection and the loss."""

    crop_size: int = option(0, "side of a view, pixels; 0 is the backbone's", minimum=0)
    min_area: float = option(
        0.08, "smallest area of a view, relative to the photograph's", minimum=0.01, maximum=1
    )
    color_strength: float = option(
        1.0, "changes of color, relative to those published for ImageNet", minimum=0, maximum=2.5
    )
    use_blur: bool = option(True, "blur half of the views")
    temperature: float = option(0.1, "what cosines are divided by", minimum=1e-3)
    projection_layers: int = option(
        3, "dense layers between what is transferred and what is compared", minimum=1
    )
    projection_size: int = option(128, "features that are compared", minimum=1)

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "SimclrOptions":
        """Fills in the size of the views.

        Args:
          readers: not read.
          canonical_size: side of the images that the backbone takes, pixels.

        Returns:
          Options without a 0 that stands for something else.

        Raises:
          UsageError: if the top is read, and the backbone takes another size.
        """
        del readers
        side = self.patch_side(self.crop_size, canonical_size, "simclr_crop_size")
        return dataclasses.replace(self, crop_size=side)


class SimclrTask(PairedViewsTask):
    """Tells which of the other views of a global batch shows the same image.

    Args:
      options: completed if there are readers.
      readers: where each split's images come from.
      color_input: as of `ImageTask`.

    References:
      Chen, Kornblith, Norouzi, Hinton. A Simple Framework for Contrastive Learning
      of Visual Representations. ICML 2020.
    """

    name = "simclr"
    Options = SimclrOptions

    def make_views(self, rgb: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns two views of a photograph, independent of each other.

        Args:
          rgb: uint8 [H, W, 3].
          seed: int64 [2], the example's own; fixes both views.

        Returns:
          float32 [2, S, S, 3] in [0, 1].
        """
        options = self.options

        def make_view(own: tf.Tensor) -> tf.Tensor:
            return contrastive_view(
                rgb,
                own,
                options.crop_size,
                min_area=options.min_area,
                color_strength=options.color_strength,
                use_blur=options.use_blur,
            )

        seeds = tf.random.experimental.stateless_split(seed, 2)
        return tf.map_fn(make_view, seeds, fn_output_signature=tf.float32)

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the projection head.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights.

        Returns:
          A head with the output `embeddings`, float32 [B, 2, D].
        """
        options = self.options
        return ProjectionHead(
            taps, options.projection_size, options.projection_layers, use_batch_norm=True, seed=seed
        )

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns the cross-entropy of finding the other view among all replicas' views.

        Args:
          targets: `example`, int64 [B].
          outputs: `embeddings`, float32 [B, 2, D].

        Returns:
          `nt_xent`, float32 [B], nats.
        """
        numbers, embeddings = gather_batch(targets, outputs)
        own = targets["example"][:, tf.newaxis] == numbers
        loss = nt_xent(outputs["embeddings"], embeddings, own, self.options.temperature)
        return {"nt_xent": loss}

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns how often the nearest view of the batch is the other view.

        Args:
          fitted: not read; there is no baseline to fit.

        Returns:
          `accuracy` in [0, 1]; guessing gives 1 / (2 * N - 1) for N images.
        """
        del fitted
        return {"accuracy": ContrastiveAccuracy()}


class ContrastiveAccuracy(tf.keras.metrics.Mean):
    """How often the view nearest to a view, of the same batch, is of the same image.

    Args:
      name: what the metric is called.
      dtype: type of the result.
    """

    def __init__(self, name: str = "accuracy", dtype: str | tf.DType | None = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `example`, int64 [B], and `embeddings`, float32 [B, 2, D]."""
        numbers, views = targets["example"], outputs["embeddings"]
        own = numbers[:, tf.newaxis] == numbers
        logits, is_positive = contrastive_logits(views, views, own, 1.0)
        nearest = tf.argmax(logits, axis=-1)
        super().update_state(nearest == tf.argmax(tf.cast(is_positive, tf.int32), axis=-1))
