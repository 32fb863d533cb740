"""Which objects an image shows, and where: Faster R-CNN."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

from tfcolor.core.boxes import edges_to_pixels
from tfcolor.core.errors import UsageError
from tfcolor.core.lookup import lookup
from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import Annotation, Example
from tfcolor.data.reading import ExampleReader
from tfcolor.data.scene_boxes import box_annotation, box_scene, box_source, padded_objects
from tfcolor.heads.box_sampling import OBJECT, UNUSED
from tfcolor.heads.detection import DetectionHead, DetectionHeadOptions
from tfcolor.losses.detection import sampled_mean, smooth_absolute
from tfcolor.metrics.detection import DetectionAveragePrecision, FoundBoxes, TrueBoxes
from tfcolor.tasks.annotated import AnnotatedTask
from tfcolor.tasks.base import TRAIN_SPLIT, Panel, Tensors, count_examples
from tfcolor.tasks.image_task import image_pixels

STRIDE = 16
"""Of the map that is read by default, pixels."""

ANCHOR_CORNER, REGION_CORNER = 1 / 9, 1.0
TRUE_COLOR, FOUND_COLOR = (60, 200, 60), (230, 60, 30)
SHOWN_SCORE = 0.5


@dataclasses.dataclass(frozen=True)
class DetectionOptions(DetectionHeadOptions):
    """Which objects are looked for, on which map, at which scales."""

    num_classes: int = option(0, "number of classes; 0 takes those of --images", minimum=0)
    input: str = option("gray", "what the network sees", choices=("gray", "color"))
    tap: str = option("", "the map that is read; empty takes the last one of at most stride 16")
    scales: tuple[int, ...] = option(
        (480, 576, 688, 864, 1200),
        "lengths of the shorter side in training, drawn for each image, pixels",
        minimum=8,
    )
    max_side: int = option(2000, "longest length of the longer side in training, pixels", minimum=8)
    test_scale: int = option(600, "length of the shorter side when measured, pixels", minimum=8)
    test_max_side: int = option(
        1000, "longest length of the longer side when measured, pixels", minimum=8
    )
    use_mirror: bool = option(True, "mirror half of the images left to right")
    max_objects: int = option(
        0, "rows for the objects of an image; 0 is as many as any image has", minimum=0
    )

    def __post_init__(self) -> None:
        """Raises UsageError if a shorter side is above what limits the longer one."""
        pairs = (
            (max(self.scales, default=0), self.max_side),
            (self.test_scale, self.test_max_side),
        )
        for name, (side, longest) in zip(("max_side", "test_max_side"), pairs, strict=True):
            if not 0 < side <= longest:
                raise UsageError(
                    f"--detection_{name}={longest}: expected at least a shorter side of {side}"
                )
        if not self.anchor_sides or not self.anchor_ratios:
            raise UsageError("--detection_anchor_sides, --detection_anchor_ratios: expected one")

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "DetectionOptions":
        """Fills in the number of classes, and of objects per image.

        Args:
          readers: the images by split, with boxes.
          canonical_size: not read; images may have any size.

        Returns:
          Options without a 0 that stands for something else.

        Raises:
          UserError: if the images have no boxes.
          UsageError: if there are other classes than `num_classes`, or an image has
            more objects than `max_objects`.
        """
        del canonical_size
        known = len(box_source(readers[TRAIN_SPLIT]).class_names)
        if self.num_classes not in (0, known):
            raise UsageError(
                f"--detection_num_classes={self.num_classes}: --images has {known} classes"
            )
        most = max(box_source(reader).max_objects for reader in readers.values())
        if 0 < self.max_objects < most:
            raise UsageError(
                f"--detection_max_objects={self.max_objects}: an image has {most} objects"
            )
        return dataclasses.replace(
            self, num_classes=known, max_objects=self.max_objects or max(most, 1)
        )


class DetectionTask(AnnotatedTask):
    """Finds objects and their boxes.

    Images are rescaled at random and mirrored, and held-out ones at one scale, as
    they are measured. Each lies in the top left corner of a black canvas that is as
    large as the largest image of the batch needs, or of those that a process makes
    of it. Difficult objects are neither objects nor background.

    Args:
      options: classes, map and scales; completed if there are readers.
      readers: where each split's images come from, all with boxes.
      color_input: feeds the gray image copied to three channels, for a backbone
        that is shared with tasks on color images.

    References:
      Ren, He, Girshick, Sun. Faster R-CNN: Towards Real-Time Object Detection with
      Region Proposal Networks. NeurIPS 2015.
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 4 (scales).
    """

    name = "detection"
    convolutional = True
    has_equal_shapes = False
    score = "mean_average_precision_50"
    count_samples = staticmethod(count_examples)
    Options = DetectionOptions

    def annotate(self, reader: ExampleReader, class_names: tuple[str, ...]) -> Annotation:
        """Returns the objects of each image, float32 [G, 6].

        Args:
          reader: the images.
          class_names: the classes by label.

        Returns:
          Boxes, labels and difficulty, as `box_annotation` gives them.

        Raises:
          UserError: if the images have no boxes, or other classes.
        """
        return box_annotation(reader, class_names)

    def make_example(self, rgb: tf.Tensor, objects: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns the inputs and targets of one image at a random scale.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          objects: float32 [G, 6], boxes, labels and difficulty.
          seed: int64 [2], the example's own; fixes scale and mirroring.

        Returns:
          Inputs: `image` float32 [H, W, 1 or 3] in [0, 1], of sides that are
          multiples of `CANVAS_STEP`, `size` int32 [2], and the targets. Targets:
          `boxes` float32 [M, 4], edges in pixels of the view, `labels` int32 [M], -1
          for padding, and `is_difficult` bool [M].
        """
        options = self.options
        seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        place = tf.random.stateless_uniform(
            [], seeds[0], maxval=len(options.scales), dtype=tf.int32
        )
        is_mirrored = (tf.random.stateless_uniform([], seeds[1]) < 0.5) & options.use_mirror
        side = tf.gather(tf.constant(options.scales), place)
        return self._example(rgb, objects, side, options.max_side, is_mirrored)

    def make_heldout_example(self, rgb: tf.Tensor, objects: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns the inputs and targets of an image as it is measured.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          objects: float32 [G, 6], boxes, labels and difficulty.
          seed: not read.

        Returns:
          As `make_example`.
        """
        del seed
        options = self.options
        side, longest = tf.constant(options.test_scale), options.test_max_side
        return self._example(rgb, objects, side, longest, tf.constant(False))

    def _example(
        self,
        rgb: tf.Tensor,
        objects: tf.Tensor,
        side: tf.Tensor,
        longest: int,
        is_mirrored: tf.Tensor,
    ) -> Example:
        """Returns the inputs and targets of an image at some scale."""
        scene = box_scene(rgb, objects, side, longest, is_mirrored)
        scene = padded_objects(scene, self.options.max_objects or 1)
        targets = {
            "boxes": scene.boxes,
            "labels": scene.labels,
            "is_difficult": scene.is_difficult,
        }
        return {"image": self.as_input(scene.image), "size": scene.size, **targets}, targets

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns the detector on the chosen map.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights.

        Returns:
          A head with the outputs of `DetectionHead`.

        Raises:
          UsageError: if `--detection_tap` is none of the backbone's.
        """
        options = self.options
        fine = [name for name, tap in taps.items() if tap.stride <= STRIDE]
        tap = lookup(taps, options.tap or fine[-1], "tap")
        return DetectionHead(tap, options.num_classes, options, seed=seed)

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns the four terms, each a mean over the boxes drawn from an image.

        Args:
          targets: not read; what is drawn depends on the proposals.
          outputs: those of `DetectionHead` for a loss.

        Returns:
          `objectness` and `class` in nats, `anchor_box` and `region_box` without a
          unit, float32 [B] each.
        """
        del targets
        outcomes, labels = outputs["anchor_outcomes"], outputs["region_labels"]
        is_sampled, is_region = outcomes != UNUSED, labels >= 0
        objectness = tf.nn.sigmoid_cross_entropy_with_logits(
            labels=tf.cast(outcomes == OBJECT, tf.float32), logits=outputs["anchor_logits"]
        )
        classes = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.maximum(labels, 0), logits=outputs["region_logits"]
        )
        anchor_box, region_box = (
            smooth_absolute(outputs[f"{name}_targets"], outputs[f"{name}_offsets"], corner)
            for name, corner in (("anchor", ANCHOR_CORNER), ("region", REGION_CORNER))
        )
        is_object = is_region & (labels < self.options.num_classes)
        return {
            "objectness": sampled_mean(objectness, is_sampled, is_sampled),
            "anchor_box": sampled_mean(anchor_box, outcomes == OBJECT, is_sampled),
            "class": sampled_mean(classes, is_region, is_region),
            "region_box": sampled_mean(region_box, is_object, is_region),
        }

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns the mean average precision at two overlaps.

        Args:
          fitted: not read; there is no baseline to fit.

        Returns:
          `mean_average_precision_50` and `mean_average_precision_75` in [0, 1], over
          eleven recalls. The protocol measures in pixels of the photographs.
        """
        del fitted
        return {
            f"mean_average_precision_{percent}": ViewDetectionPrecision(
                self.options.num_classes, percent / 100
            )
            for percent in (50, 75)
        }

    def depict(self, inputs: Tensors, targets: Tensors, outputs: Tensors) -> list[list[Panel]]:
        """Returns each image with its true boxes, and with those found.

        Args:
          inputs: `image`, float32 [B, H, W, C].
          targets: `boxes` and `labels` of the objects.
          outputs: `found_boxes`, `found_labels` and `found_scores`.

        Returns:
          Two panels for each example. Found boxes have a score of at least 0.5; if
          there is none, the best one is shown.
        """
        panels = []
        for index, pixels in enumerate(image_pixels(inputs["image"])):
            is_object = np.asarray(targets["labels"][index]) >= 0
            true = np.asarray(targets["boxes"][index])[is_object]
            scores = np.asarray(outputs["found_scores"][index])
            is_found = np.asarray(outputs["found_labels"][index]) >= 0
            least = min(SHOWN_SCORE, scores.max(initial=0))
            found = np.asarray(outputs["found_boxes"][index])[is_found & (scores >= least)]
            best = f"found, best {scores.max(initial=0):.2f}"
            panels.append(
                [
                    Panel("true", paint_boxes(pixels, true, TRUE_COLOR)),
                    Panel(best, paint_boxes(pixels, found, FOUND_COLOR)),
                ]
            )
        return panels


class ViewDetectionPrecision(DetectionAveragePrecision):
    """The mean average precision of detections in views."""

    def update_state(self, targets: Any, outputs: Any) -> None:
        """Adds the objects and detections of float32 [B, M, 4] and [B, D, 4] boxes."""
        super().update_state(
            TrueBoxes(
                edges_to_pixels(targets["boxes"]), targets["labels"], targets["is_difficult"]
            ),
            FoundBoxes(
                edges_to_pixels(outputs["found_boxes"]),
                outputs["found_labels"],
                outputs["found_scores"],
            ),
        )


def paint_boxes(pixels: np.ndarray, boxes: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Draws boxes into a picture.

    Args:
      pixels: uint8 [H, W, 3].
      boxes: float [G, 4], edges.
      color: of the lines, 0 to 255.

    Returns:
      uint8 [H, W, 3], a copy.
    """
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    draw = ImageDraw.Draw(picture)
    width = max(1, max(picture.size) // 100)
    for y1, x1, y2, x2 in np.asarray(boxes, float):
        draw.rectangle([x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)], outline=color, width=width)
    return np.asarray(picture)
