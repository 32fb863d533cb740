"""What tasks share whose targets are made from the images themselves."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.data.pipeline import BatchPlan, Example, build_dataset
from tfcolor.data.reading import ExampleReader
from tfcolor.tasks.base import Tensors, count_examples
from tfcolor.tasks.canonical_view import canonical_side
from tfcolor.tasks.image_task import ImageTask


@dataclasses.dataclass(frozen=True)
class PretextOptions:
    """What the network sees of an image, and how its answer is read off."""

    input: str = option("color", "what the network sees", choices=("gray", "color"))
    readout: str = option(
        "top",
        "what stands for a patch: the backbone's canonical top, for patches of its canonical"
        " size, or the average of its last map, for patches of any size",
        choices=("top", "average"),
    )

    def patch_side(self, asked: int, canonical_size: int, flag: str) -> int:
        """Returns the side of the patches that the network sees.

        Args:
          asked: by the options, pixels; 0 for the canonical one.
          canonical_size: what the backbone takes in its canonical mode, pixels.
          flag: the option's name with the task's prefix, for the error.

        Returns:
          A side in pixels that fits the readout.

        Raises:
          UsageError: if the top is read and another side is asked for.
        """
        if self.readout == "average":
            return asked or canonical_size
        return canonical_side(asked, canonical_size, flag)


@dataclasses.dataclass(frozen=True)
class PatchOptions(PretextOptions):
    """What the head is that reads patches of any size."""

    prefix: ClassVar[str]
    head: str = option(
        "dense",
        "layers above the readout: linear ones, or the published residual units on the last map"
        " (then readout=average, for its convolutional mode)",
        choices=("dense", "residual"),
    )
    residual_channels: tuple[int, ...] = option(
        (1024, 512), "outputs of the residual units that code a patch (head=residual)", minimum=1
    )
    residual_width: int = option(128, "channels inside of these units (head=residual)", minimum=1)

    def __post_init__(self) -> None:
        """Raises UsageError if a residual head would read a collapsed top."""
        if self.head == "residual" and self.readout != "average":
            raise UsageError(
                f"--{self.prefix}head=residual reads a map: expected"
                f" --{self.prefix}readout=average, not {self.readout}"
            )


class PretextTask(ImageTask):
    """A task that learns from images without labels.

    Each example is one image, or the same number T of patches of one: the
    `image` of its inputs is float32 [H, W, C] or [T, H, W, C], and the backbone
    sees every patch as an image of its own (`Network`). A subclass implements
    `make_example`, `build_head`, `compute_losses` and `build_metrics`.

    Held-out images are looked at in random views too, the same every time.

    Args:
      options: of the task, a `PretextOptions`; completed if there are readers.
      readers: as of `ImageTask`.
      color_input: as of `ImageTask`.
    """

    score: str | None = "accuracy"
    count_samples = staticmethod(count_examples)

    def __init__(
        self,
        options: PretextOptions,
        readers: Mapping[str, ExampleReader],
        *,
        color_input: bool = False,
    ) -> None:
        super().__init__(options, readers, color_input=color_input)
        self.convolutional = options.readout == "average"

    def make_example(self, rgb: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns the inputs and targets that one photograph gives.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          seed: int64 [2], the example's own; fixes every random choice.

        Returns:
          (inputs, targets), two dicts of tensors whose shapes do not vary.
        """
        raise NotImplementedError

    def make_dataset(self, split: str, plan: BatchPlan) -> tf.data.Dataset:
        """Yields (inputs, targets) batches.

        Args:
          split: "train" or "heldout".
          plan: which examples, in which batches.

        Returns:
          A dataset of two dicts, those of `make_example` with a leading axis B,
          and `seed` int64 [B, 2] among the inputs.
        """
        return build_dataset(self._readers[split], self.make_example, plan)


def label_losses(labels: tf.Tensor, logits: tf.Tensor) -> Tensors:
    """Returns the cross-entropy of labels, averaged over the patches of an example.

    Args:
      labels: int32 [B] or [B, T], in [0, K).
      logits: float32 [B, K] or [B, T, K].

    Returns:
      `cross_entropy`, float32 [B], nats.

    Example:
      >>> losses = label_losses(tf.constant([0]), tf.zeros([1, 4]))
      >>> print(f"{losses['cross_entropy'][0]:.4f}")
      1.3863
    """
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32))
    patches = list(range(1, losses.shape.rank))
    return {"cross_entropy": tf.reduce_mean(losses, axis=patches) if patches else losses}


class LabelAccuracy(tf.keras.metrics.SparseCategoricalAccuracy):
    """How often the most probable label is the true one.

    Args:
      name: what the metric is called.
      dtype: type of the result.
    """

    def __init__(self, name: str = "accuracy", dtype: str | tf.DType | None = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `label`, int32 [B] or [B, T], and `logits`, float32 [B(, T), K]."""
        super().update_state(targets["label"], outputs["logits"])
