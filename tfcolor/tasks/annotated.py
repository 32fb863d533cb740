"""What tasks on images with labels share."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfcolor.data.pipeline import Annotation, BatchPlan, Example, build_dataset
from tfcolor.data.reading import ExampleReader
from tfcolor.tasks.base import TRAIN_SPLIT
from tfcolor.tasks.image_task import ImageTask


class AnnotatedTask(ImageTask):
    """A task on images that are annotated.

    A subclass implements `annotate` and `make_example`, and
    `make_heldout_example` where held-out images are looked at in another way.

    Args:
      options: as of `ImageTask`; completed if there are readers.
      readers: where each split's images come from, all of them annotated.
      color_input: as of `ImageTask`.

    Attributes:
      has_equal_shapes: False if the shapes of examples vary; see `build_dataset`.
    """

    has_equal_shapes = True

    def __init__(
        self,
        options: Any,
        readers: Mapping[str, ExampleReader],
        *,
        color_input: bool = False,
    ) -> None:
        super().__init__(options, readers, color_input=color_input)
        names = readers[TRAIN_SPLIT].class_names if TRAIN_SPLIT in readers else ()
        self._annotations = {
            split: self.annotate(reader, names) for split, reader in readers.items()
        }

    def annotate(self, reader: ExampleReader, class_names: tuple[str, ...]) -> Annotation:
        """Returns what the task knows about the images of a split.

        Args:
          reader: the images.
          class_names: the names of the classes by label, those of the training
            images.

        Returns:
          What `make_example` gets besides the image.

        Raises:
          UserError: if the images are not annotated as the task needs it.
        """
        raise NotImplementedError

    def make_example(self, rgb: tf.Tensor, annotation: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns the inputs and targets of one random view.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          annotation: what is known about it.
          seed: int64 [2], the example's own; fixes the view.

        Returns:
          (inputs, targets), two dicts of tensors whose shapes do not vary if
          `has_equal_shapes`.
        """
        raise NotImplementedError

    def make_heldout_example(
        self, rgb: tf.Tensor, annotation: tf.Tensor, seed: tf.Tensor
    ) -> Example:
        """Returns the inputs and targets of a held-out image, in a random view too.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          annotation: what is known about it.
          seed: int64 [2], the example's own; fixes the view.

        Returns:
          As `make_example`.
        """
        return self.make_example(rgb, annotation, seed)

    def make_dataset(self, split: str, plan: BatchPlan) -> tf.data.Dataset:
        """Yields (inputs, targets) batches of views.

        Args:
          split: "train" or "heldout".
          plan: which examples, in which batches.

        Returns:
          A dataset of two dicts, those of `make_example` with a leading axis B,
          and `seed` int64 [B, 2] among the inputs.
        """
        make_example = self.make_example if split == TRAIN_SPLIT else self.make_heldout_example
        return build_dataset(
            self._readers[split],
            make_example,
            plan,
            annotation=self._annotations[split],
            has_equal_shapes=self.has_equal_shapes,
        )
