"""Semantic segmentation learned at sparse locations of images with label maps."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.lookup import lookup
from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import Annotation, Example
from tfcolor.data.reading import ExampleReader
from tfcolor.data.scene_labels import label_map_annotation
from tfcolor.data.scene_views import random_scene_crop
from tfcolor.data.sources.label_maps import VOID_LABEL
from tfcolor.data.transforms import random_locations
from tfcolor.heads.histogram import HistogramHead
from tfcolor.metrics.segmentation import MeanIntersectionOverUnion
from tfcolor.tasks.annotated import AnnotatedTask
from tfcolor.tasks.base import TRAIN_SPLIT, Tensors

OUTPUT = "class"


@dataclasses.dataclass(frozen=True)
class SegmentationOptions:
    """What the segmentation task tells apart, where and in which crops."""

    num_classes: int = option(0, "number of classes; 0 takes those of --images", minimum=0)
    input: str = option("gray", "what the network sees", choices=("gray", "color"))
    crop_size: int = option(448, "side of the square crop at original scale, pixels", minimum=8)
    num_locations: int = option(128, "sampled locations per image", minimum=1)
    edge: int = option(32, "locations keep this distance from the crop's border, pixels", minimum=0)
    hidden_units: int = option(1024, "units of the layer behind the hypercolumn", minimum=1)
    dropout_rate: float = option(0.5, "dropout on that layer", minimum=0, maximum=0.99)
    taps: tuple[str, ...] = option((), "hypercolumn taps by name; empty takes all of the backbone")

    def __post_init__(self) -> None:
        """Raises UsageError if the edges leave no location."""
        if 2 * self.edge >= self.crop_size:
            raise UsageError(
                f"--segmentation_edge={self.edge}: expected less than half of "
                f"--segmentation_crop_size={self.crop_size}"
            )

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "SegmentationOptions":
        """Fills in the number of classes.

        Args:
          readers: the images by split, with label maps.
          canonical_size: not read; crops may have any size.

        Returns:
          Options without a 0 that stands for something else.

        Raises:
          UserError: if the images have no label maps.
          UsageError: if there are more classes than `num_classes`.
        """
        del canonical_size
        reader = readers[TRAIN_SPLIT]
        label_map_annotation(reader)
        known = len(reader.class_names)
        if self.num_classes not in (0, known):
            raise UsageError(
                f"--segmentation_num_classes={self.num_classes}: --images has {known} classes"
            )
        return dataclasses.replace(self, num_classes=known)


class SegmentationTask(AnnotatedTask):
    """Predicts the class of sampled pixels from hypercolumns.

    Args:
      options: classes, crops and locations; completed if there are readers.
      readers: where each split's images come from, all with label maps.
      color_input: feeds the gray image copied to three channels, for a
        backbone that is shared with tasks on color images.

    References:
      Larsson. Dissertation, sections 2.3.7, 3.3.2 and 3.4.1.
    """

    name = "segmentation"
    convolutional = True
    score = "mean_iou"
    Options = SegmentationOptions

    def annotate(self, reader: ExampleReader, class_names: tuple[str, ...]) -> Annotation:
        """Returns the label map of each image, uint8 [H, W].

        Args:
          reader: the images.
          class_names: the classes by label.

        Returns:
          The label maps, in the labels of `class_names`; 255 is void.

        Raises:
          UserError: if the images have no label maps, or other classes.
        """
        return label_map_annotation(reader, class_names)

    def make_example(self, rgb: tf.Tensor, label_map: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns the inputs and targets of one random crop.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          label_map: uint8 [H, W], the class of each pixel, or 255 for void.
          seed: int64 [2], the example's own; fixes crop and locations.

        Returns:
          Inputs: `image` float32 [S, S, 1 or 3] in [0, 1] and `locations` float32
          [L, 2]. Targets: `label` int32 [L] in [0, K), or 255 for void.
        """
        options, fold = self.options, tf.random.experimental.stateless_fold_in
        crop, labels = random_scene_crop(rgb, label_map, fold(seed, 1), options.crop_size)
        locations = random_locations(
            fold(seed, 2), options.num_locations, options.crop_size, options.edge
        )
        label = tf.gather_nd(labels, tf.cast(locations, tf.int32))
        inputs = {"image": self.as_input(crop), "locations": locations}
        return inputs, {"label": tf.cast(label, tf.int32)}

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the classifier of hypercolumns on the chosen taps.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights and the dropout masks.

        Returns:
          A head with the output `class_logits`, float32 [B, L, K].

        Raises:
          UsageError: if `--segmentation_taps` names a tap the backbone lacks.
        """
        options = self.options
        names = options.taps or tuple(taps)
        return HistogramHead(
            {name: lookup(taps, name, "tap") for name in names},
            {OUTPUT: options.num_classes},
            hidden_units=options.hidden_units,
            dropout_rate=options.dropout_rate,
            seed=seed,
        )

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns the cross-entropy of the true classes.

        Args:
          targets: `label`, int32 [B, L].
          outputs: `class_logits`, float32 [B, L, K].

        Returns:
          `cross_entropy`, float32 [B] in nats, the sum over the locations that
          are not void.
        """
        is_known = _is_known(targets)
        cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.where(is_known, targets["label"], 0), logits=outputs[f"{OUTPUT}_logits"]
        )
        known = tf.where(is_known, cross_entropy, 0.0)
        return {"cross_entropy": tf.reduce_sum(known, axis=-1)}

    def count_samples(self, targets: Tensors) -> tf.Tensor:
        """Returns the number of locations that are not void, float32 [B]."""
        return tf.reduce_sum(tf.cast(_is_known(targets), tf.float32), axis=-1)

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns the mean IoU over the sampled locations.

        Args:
          fitted: not read; there is no baseline to fit.

        Returns:
          `mean_iou` in [0, 1]. The protocol measures whole images instead.
        """
        del fitted
        return {"mean_iou": LocationMeanIou(self.options.num_classes)}


class LocationMeanIou(MeanIntersectionOverUnion):
    """The mean IoU over sampled locations."""

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `label`, int32 [B, L], and `class_logits`, float32 [B, L, K]."""
        super().update_state(targets["label"], tf.argmax(outputs[f"{OUTPUT}_logits"], axis=-1))


def _is_known(targets: Tensors) -> tf.Tensor:
    """Returns which locations have a class, bool [B, L]."""
    return targets["label"] != VOID_LABEL
