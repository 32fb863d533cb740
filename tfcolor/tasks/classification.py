"""Classification of whole images, gray or in color."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import tensorflow as tf

from tfcolor.core.columns import parse_column
from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.core.taps import Tap, top_channels
from tfcolor.data.inception_views import inception_colors
from tfcolor.data.labels import label_annotation
from tfcolor.data.pipeline import Annotation, Example
from tfcolor.data.reading import ExampleReader
from tfcolor.data.transforms import (
    center_view,
    random_turn,
    random_view,
)
from tfcolor.heads.classifier import ClassifierHead
from tfcolor.losses.classification import CLASSIFICATION_LOSSES
from tfcolor.tasks.annotated import AnnotatedTask
from tfcolor.tasks.base import TRAIN_SPLIT, Tensors, count_examples
from tfcolor.tasks.canonical_view import CanonicalViewOptions, canonical_side

NUM_GUESSES = 5
"""Guesses of the second accuracy, measured where there are more classes."""


@dataclasses.dataclass(frozen=True)
class LabelledViewOptions(CanonicalViewOptions):
    """How many classes there are, and how training views of their images vary."""

    num_classes: int = option(0, "number of classes; 0 takes those of --images", minimum=0)
    max_rotation: float = option(
        0.0, "largest random turn to either side, degrees; 180 is any", minimum=0, maximum=180
    )
    change_colors: bool = option(
        False, "change brightness, saturation, hue and contrast of the training views, as Inception"
    )


@dataclasses.dataclass(frozen=True)
class ClassificationOptions(LabelledViewOptions):
    """What the classification task tells apart, in which views."""

    readout: str = option(
        "top",
        "what is classified: the backbone's canonical top, of views of its canonical size, or the"
        " average of its last map, of views of any size",
        choices=("top", "average"),
    )
    dropout_rate: float = option(
        0.0, "dropout before the last layer, besides the backbone's own", minimum=0, maximum=0.99
    )
    segment: str = option(
        "", "which of several equal shares of the top's channels is read, as 0/4; empty for all"
    )
    loss: str = option("kl", "what wrong logits cost", choices=tuple(CLASSIFICATION_LOSSES))
    loss_scale: float = option(1.0, "factor on the loss", minimum=0)
    logit_scale: float = option(1.0, "factor on the logits that the loss sees", minimum=0)

    def __post_init__(self) -> None:
        """Raises UsageError if the segment is none."""
        parse_column(self.segment, "classification_segment")

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "ClassificationOptions":
        """Fills in the number of classes and the size of the view.

        Args:
          readers: the images by split; their classes are counted.
          canonical_size: side of the images that the backbone takes, pixels.

        Returns:
          Options without a 0 that stands for something else.

        Raises:
          UserError: if the images have no classes.
          UsageError: if the number of classes is neither given nor known, or too
            small, or if the top is read and the backbone takes views of another
            size.
        """
        num_classes = count_classes(readers, self.num_classes, "classification_num_classes")
        crop_size = self.crop_size or canonical_size
        if self.readout == "top":
            crop_size = canonical_side(crop_size, canonical_size, "classification_crop_size")
        return dataclasses.replace(self, num_classes=num_classes, crop_size=crop_size)


class ClassificationTask(AnnotatedTask):
    """Tells the classes of whole images apart, on their lightness or their colors.

    It trains on random views and is measured on the middle of each held-out
    image.

    Args:
      options: number of classes, views and input; completed if there are
        readers.
      readers: where each split's images come from, all of them with a class.
      color_input: feeds the gray image copied to three channels, for a
        backbone that is shared with tasks on color images.
    """

    name = "classification"
    convolutional: bool = False
    Options: ClassVar[type] = ClassificationOptions
    score: str | None = "top1_accuracy"
    count_samples = staticmethod(count_examples)

    def __init__(
        self,
        options: Any,
        readers: Mapping[str, ExampleReader],
        *,
        color_input: bool = False,
    ) -> None:
        super().__init__(options, readers, color_input=color_input)
        if isinstance(options, ClassificationOptions):
            self.convolutional = options.readout == "average"

    def annotate(self, reader: ExampleReader, class_names: tuple[str, ...]) -> Annotation:
        """Returns the class of each image, int32 [].

        Args:
          reader: the images.
          class_names: the classes by label.

        Returns:
          The classes of the images, as the labels of `class_names`.

        Raises:
          UserError: if an image has no class, or an unknown one.
        """
        return label_annotation(reader, self.options.num_classes, class_names)

    def make_example(self, rgb: tf.Tensor, label: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns the inputs and targets of one random view.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          label: int32 [], its class.
          seed: int64 [2], the example's own; fixes the view.

        Returns:
          Inputs: `image` float32 [S, S, 1 or 3] in [0, 1]. Targets: `label`
          int32 [].
        """
        options = self.options
        view_seed = tf.random.experimental.stateless_fold_in(seed, 1)
        view = random_view(rgb, view_seed, options.training_view)
        if options.max_rotation:
            turn_seed = tf.random.experimental.stateless_fold_in(seed, 2)
            view = random_turn(view, turn_seed, options.max_rotation)
        if options.change_colors:
            view = inception_colors(view, tf.random.experimental.stateless_fold_in(seed, 3))
        return {"image": self.as_input(view)}, {"label": label}

    def make_heldout_example(self, rgb: tf.Tensor, label: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns the inputs and targets of the middle of a photograph.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          label: int32 [], its class.
          seed: int64 [2], not read.

        Returns:
          As `make_example`.
        """
        del seed
        view = center_view(rgb, self.options.min_side, self.options.crop_size)
        return {"image": self.as_input(view)}, {"label": label}

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the linear classifier on the backbone's top.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights and the dropout masks.

        Returns:
          A head with the output `logits`, float32 [B, K].

        Raises:
          UsageError: if the top has fewer channels than segments.
        """
        options = self.options
        segment = parse_column(options.segment, "classification_segment")
        if not segment.width(top_channels(taps)):
            raise UsageError(
                f"--classification_segment={options.segment}: the backbone's top has "
                f"{top_channels(taps)} channels"
            )
        return ClassifierHead(
            taps, options.num_classes, options.dropout_rate, segment=segment, seed=seed
        )

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns the loss that the options name.

        Args:
          targets: `label`, int32 [B].
          outputs: `logits`, float32 [B, K].

        Returns:
          float32 [B] under the loss's name; that of "kl" is `cross_entropy`.
        """
        options = self.options
        logits = options.logit_scale * outputs["logits"]
        losses = CLASSIFICATION_LOSSES[options.loss](targets["label"], logits)
        name = "cross_entropy" if options.loss == "kl" else options.loss
        return {name: options.loss_scale * losses}

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns how often the true class is the first or among five guesses.

        Args:
          fitted: not read; there is no baseline to fit.

        Returns:
          `top1_accuracy` in [0, 1] and, where there are more than five classes,
          `top5_accuracy`.
        """
        del fitted
        counts = [1] + [NUM_GUESSES] * (self.options.num_classes > NUM_GUESSES)
        return {f"top{count}_accuracy": TopAccuracy(count) for count in counts}


def count_classes(readers: Mapping[str, ExampleReader], asked: int, flag: str) -> int:
    """Returns how many classes a task tells apart.

    Args:
      readers: the images by split; the classes of the training images count.
      asked: by the options; 0 for as many as the images have.
      flag: the option's name with the task's prefix, for the error.

    Returns:
      A number of classes, at least 2.

    Raises:
      UserError: if the images have no classes.
      UsageError: if the number is neither given nor known, or too small.
    """
    names = readers[TRAIN_SPLIT].class_names
    num_classes = asked or len(names)
    # Are there labels at all? How many there may be is unknown where both are 0.
    label_annotation(readers[TRAIN_SPLIT], max(num_classes, len(names)) or 2**31)
    least = max(len(names), 2)
    if num_classes < least:
        raise UsageError(
            f"--{flag}={num_classes}: expected at least {least}; --images names "
            f"{len(names) or 'no'} classes"
        )
    return num_classes


class TopAccuracy(tf.keras.metrics.SparseTopKCategoricalAccuracy):
    """How often the true class is among the k most probable ones.

    Args:
      k: number of guesses.
      name: what the metric is called.
      dtype: type of the result.
    """

    def __init__(
        self, k: int, name: str = "top_accuracy", dtype: str | tf.DType | None = None
    ) -> None:
        super().__init__(k, name, dtype)

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `label`, int32 [B], and `logits`, float32 [B, K]."""
        super().update_state(targets["label"], outputs["logits"])
