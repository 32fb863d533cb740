"""What tasks share that compare two views of each image with those of others."""

import tensorflow as tf

from tfcolor.core.replicas import gather_replicas
from tfcolor.data.pipeline import BatchPlan, Example
from tfcolor.losses.contrastive import cosine_distance
from tfcolor.tasks.base import Panel, Tensors, check_share
from tfcolor.tasks.image_task import image_pixels
from tfcolor.tasks.pretext import PretextTask


class PairedViewsTask(PretextTask):
    """A task whose examples are two views of an image.

    An example's loss depends on the other images of its global batch: its terms
    are the same whatever the number of replicas, which must run the loss
    together. Upon parameter servers it depends on the other images of a worker's
    share only, and so on the number of workers. A subclass implements
    `make_views`, `build_head`, `compute_losses` and `build_metrics`.

    Args:
      options: as of `PretextTask`.
      readers: likewise.
      color_input: likewise.
    """

    least_compared = 2

    def make_views(self, rgb: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns two views of a photograph.

        Args:
          rgb: uint8 [H, W, 3].
          seed: int64 [2], the example's own; fixes both views.

        Returns:
          float32 [2, S, S, 3] in [0, 1].
        """
        raise NotImplementedError

    def make_example(self, rgb: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns two views, and the number of the example.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          seed: int64 [2], the example's own.

        Returns:
          Inputs: `image` float32 [2, S, S, 1 or 3] in [0, 1]. Targets: `example`
          int64 [], another one for each example of a batch.
        """
        views = self.as_input(self.make_views(rgb, seed))
        return {"image": views}, {"example": seed[1]}

    def make_dataset(self, split: str, plan: BatchPlan) -> tf.data.Dataset:
        """Yields (inputs, targets) batches.

        Args:
          split: "train" or "heldout".
          plan: which examples, in which batches.

        Returns:
          As `PretextTask.make_dataset`.

        Raises:
          UsageError: if there is nothing to compare an image with.
        """
        check_share(self, plan.batch_size)
        return super().make_dataset(split, plan)

    def depict(self, inputs: Tensors, targets: Tensors, outputs: Tensors) -> list[list[Panel]]:
        """Returns the two views of each example.

        Args:
          inputs: `image`, float32 [B, 2, S, S, C] in [0, 1].
          targets: not read.
          outputs: `embeddings`, float32 [B, 2, D].

        Returns:
          Two panels for each example; the second says how near they are embedded.
        """
        del targets
        distances = cosine_distance(*tf.unstack(outputs["embeddings"], axis=1))
        return [
            [Panel("one view", one), Panel(f"another, distance {float(distance):.2f}", other)]
            for (one, other), distance in zip(image_pixels(inputs["image"]), distances, strict=True)
        ]


def gather_batch(targets: Tensors, outputs: Tensors) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns all examples of a global batch; of a worker's share upon parameter servers.

    Args:
      targets: `example`, int64 [B], this replica's.
      outputs: `embeddings`, float32 [B, 2, D], likewise.

    Returns:
      (numbers, embeddings), int64 [N] and float32 [N, 2, D], of all replicas.
    """
    return gather_replicas(targets["example"]), gather_replicas(outputs["embeddings"])
