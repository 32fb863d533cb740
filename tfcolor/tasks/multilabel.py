"""Which classes of objects an image shows: classification with several labels."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import Annotation, Example
from tfcolor.data.reading import ExampleReader
from tfcolor.data.scene_labels import presence_annotation
from tfcolor.data.scene_views import random_scaled_crop
from tfcolor.heads.classifier import ClassifierHead
from tfcolor.losses.presence import presence_cross_entropy
from tfcolor.metrics.average_precision import MeanAveragePrecision
from tfcolor.tasks.annotated import AnnotatedTask
from tfcolor.tasks.base import TRAIN_SPLIT, Tensors, count_examples
from tfcolor.tasks.canonical_view import canonical_side


@dataclasses.dataclass(frozen=True)
class MultilabelOptions:
    """Which classes of objects are looked for, in which views."""

    num_classes: int = option(0, "number of classes; 0 takes those of --images", minimum=0)
    input: str = option("gray", "what the network sees", choices=("gray", "color"))
    crop_size: int = option(0, "side of the square view, pixels; 0 is the backbone's", minimum=0)
    min_scale: float = option(0.5, "smallest random scale of both sides", minimum=0.01)
    max_scale: float = option(2.0, "largest random scale of both sides", minimum=0.01)
    dropout_rate: float = option(
        0.0, "dropout before the last layer, besides the backbone's own", minimum=0, maximum=0.99
    )

    def __post_init__(self) -> None:
        """Raises UsageError if the scales are in the wrong order."""
        if self.min_scale > self.max_scale:
            raise UsageError(
                f"--multilabel_min_scale={self.min_scale}: expected at most "
                f"--multilabel_max_scale={self.max_scale}"
            )

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "MultilabelOptions":
        """Fills in the number of classes and the size of the view.

        Args:
          readers: the images by split, with the classes they show.
          canonical_size: side of the images that the backbone takes, pixels.

        Returns:
          Options without a 0 that stands for something else.

        Raises:
          UserError: if it is not known which classes the images show.
          UsageError: if the number of classes or the view is another.
        """
        reader = readers[TRAIN_SPLIT]
        presence_annotation(reader)
        known = len(reader.class_names)
        if self.num_classes not in (0, known):
            raise UsageError(
                f"--multilabel_num_classes={self.num_classes}: --images has {known} classes"
            )
        crop_size = canonical_side(self.crop_size, canonical_size, "multilabel_crop_size")
        return dataclasses.replace(self, num_classes=known, crop_size=crop_size)


class MultilabelTask(AnnotatedTask):
    """Predicts for each class whether an image shows it.

    Objects marked as difficult count neither for nor against their class. The
    held-out images are measured in random views too, as the protocol does.

    Args:
      options: classes and views; completed if there are readers.
      readers: where each split's images come from, all with known classes.
      color_input: feeds the gray image copied to three channels, for a
        backbone that is shared with tasks on color images.

    References:
      Everingham et al. The PASCAL Visual Object Classes Challenge. IJCV 2010.
      Larsson. Dissertation, section 3.4.1.
    """

    name = "multilabel"
    convolutional = False
    score = "mean_average_precision"
    count_samples = staticmethod(count_examples)
    Options = MultilabelOptions

    def annotate(self, reader: ExampleReader, class_names: tuple[str, ...]) -> Annotation:
        """Returns which classes each image shows, int32 [K].

        Args:
          reader: the images.
          class_names: the classes by label.

        Returns:
          1 for present, 0 for absent and -1 for difficult.

        Raises:
          UserError: if it is not known, or the images have other classes.
        """
        return presence_annotation(reader, class_names)

    def make_example(self, rgb: tf.Tensor, presence: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns the inputs and targets of one random view.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          presence: int32 [K], which classes it shows.
          seed: int64 [2], the example's own; fixes the view.

        Returns:
          Inputs: `image` float32 [S, S, 1 or 3] in [0, 1]. Targets: `presence`
          int32 [K], 1 for present, 0 for absent and -1 for difficult.
        """
        options = self.options
        seed = tf.random.experimental.stateless_fold_in(seed, 1)
        view = random_scaled_crop(
            rgb, seed, options.crop_size, options.min_scale, options.max_scale
        )
        return {"image": self.as_input(view)}, {"presence": presence}

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the linear classifier on the backbone's top.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights and the dropout masks.

        Returns:
          A head with the output `logits`, float32 [B, K].
        """
        options = self.options
        return ClassifierHead(taps, options.num_classes, options.dropout_rate, seed=seed)

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns the cross-entropy of the presence of all classes.

        Args:
          targets: `presence`, int32 [B, K].
          outputs: `logits`, float32 [B, K].

        Returns:
          `presence`, float32 [B] in nats, the sum over the classes that are not
          difficult.
        """
        terms = presence_cross_entropy(targets["presence"], outputs["logits"])
        return {"presence": tf.reduce_sum(terms, axis=-1)}

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns the mean average precision over single views.

        Args:
          fitted: not read; there is no baseline to fit.

        Returns:
          `mean_average_precision` in [0, 1]. The protocol averages several views.
        """
        del fitted
        return {"mean_average_precision": ViewMeanAveragePrecision(self.options.num_classes)}


class ViewMeanAveragePrecision(MeanAveragePrecision):
    """The mean average precision of single views."""

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `presence`, int32 [B, K], and `logits`, float32 [B, K]."""
        super().update_state(targets["presence"], outputs["logits"])
