"""Photographs with the boxes of their objects: annotations and views for the pipeline."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfcolor.core.boxes import pixels_to_edges
from tfcolor.core.errors import UserError
from tfcolor.data.labels import matching_labels
from tfcolor.data.pipeline import Annotation
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.boxes import BoxSource
from tfcolor.data.sources.joined import check_common_classes
from tfcolor.data.transforms import scaled_window

NO_OBJECT = -1
"""The label of rows that are no object."""

CANVAS_STEP = 32
"""Sides of views are multiples of it, in pixels, so that padding adds whole cells to maps."""

ROW_LENGTH = 6
"""Numbers of an object in an annotation: box, label, difficulty."""


class Scene(NamedTuple):
    """A view of a photograph, and the objects in it.

    Attributes:
      image: float32 [H, W, 3] in [0, 1], 0 outside of the photograph; H and W are
        multiples of `CANVAS_STEP`.
      size: int32 [2], (height, width) of the photograph, which lies at the top left.
      boxes: float32 [G, 4], edges in pixels of the view.
      labels: int32 [G] in [0, K), or `NO_OBJECT`.
      is_difficult: bool [G].
    """

    image: tf.Tensor
    size: tf.Tensor
    boxes: tf.Tensor
    labels: tf.Tensor
    is_difficult: tf.Tensor


def box_source(reader: ExampleReader) -> BoxSource:
    """Returns the source of images with boxes.

    Args:
      reader: the images.

    Returns:
      Their source.

    Raises:
      UserError: if they have no boxes, or are joined and have different classes.
    """
    if not isinstance(reader.source, BoxSource):
        check_common_classes(reader.source, BoxSource)
        raise UserError(
            f"{reader.name_of(0)} has no boxes: name images as voc_detection:FOLDER[:SPLIT], with "
            "the annotations of PASCAL VOC"
        )
    return reader.source


def box_annotation(reader: ExampleReader, class_names: Sequence[str] = ()) -> Annotation:
    """Returns what gives the pipeline the objects that each image shows.

    Args:
      reader: images with boxes, as of "voc_detection:FOLDER".
      class_names: the names that the labels are to follow, those of the training
        images; empty for the reader's own.

    Returns:
      float32 [G, 6]: (y1, x1, y2, x2), the first and last pixels, counted from 0;
      the label; 1 for a difficult object, else 0.

    Raises:
      UserError: if the images are of another kind, or show a class that is not in
        `class_names`, or are joined and have different classes.
    """
    source = box_source(reader)
    numbers = matching_labels(source.class_names, class_names, source.shown_labels)
    # Labels that are not shown may keep a wrong number: they are not looked up.
    new_labels = np.array(
        [numbers.get(label, label) for label in range(len(source.class_names))], np.float32
    )

    def read(position: int) -> np.ndarray:
        boxes, labels, is_difficult = source.objects_of(position)
        columns = [boxes, new_labels[labels][:, np.newaxis], is_difficult[:, np.newaxis]]
        return np.concatenate(columns, axis=1, dtype=np.float32)

    return Annotation(read, tf.float32, (None, ROW_LENGTH))


def box_scene(
    image: tf.Tensor, objects: tf.Tensor, side: tf.Tensor, longest: int, is_mirrored: tf.Tensor
) -> Scene:
    """Rescales a photograph and its boxes and puts it into the corner of a canvas.

    The canvas is no larger than the photograph needs.

    Args:
      image: uint8 [H, W, 3].
      objects: float32 [G, 6], as of `box_annotation`.
      side: int32 [], length of the shorter side in pixels; less where the longer
        side would pass `longest`.
      longest: what the longer side must not pass, in pixels.
      is_mirrored: bool [], whether left and right are exchanged first.

    Returns:
      The view, and all objects.
    """
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    scaled = detection_size(tf.shape(image)[:2], side, longest)
    boxes = pixels_to_edges(objects[:, :4])
    top, left, bottom, right = tf.unstack(boxes, axis=1)
    mirrored = tf.stack([top, size[1] - right, bottom, size[1] - left], axis=1)
    boxes = tf.where(is_mirrored, mirrored, boxes)
    image = tf.where(is_mirrored, image[:, ::-1], image)
    scale = tf.cast(scaled, tf.float32) / size
    canvas = tuple(tf.unstack(-(-scaled // CANVAS_STEP) * CANVAS_STEP))
    return Scene(
        image=scaled_window(image, scaled, tf.zeros([2], tf.int32), canvas, antialias=True),
        size=scaled,
        boxes=boxes * tf.concat([scale, scale], axis=0),
        labels=tf.cast(objects[:, 4], tf.int32),
        is_difficult=objects[:, 5] > 0,
    )


def detection_size(size: tf.Tensor, side: tf.Tensor, longest: int) -> tf.Tensor:
    """Returns the size of a photograph after its shorter side became `side`, or less.

    Args:
      size: int32 [2], (height, width) in pixels.
      side: int32 [], wanted length of the shorter side in pixels.
      longest: what the longer side must not pass, in pixels.

    Returns:
      int32 [2], (height, width) in pixels, at least 1.

    Example:
      >>> detection_size(tf.constant([100, 200]), tf.constant(60), 1000).numpy()
      array([ 60, 120], dtype=int32)
      >>> detection_size(tf.constant([100, 200]), tf.constant(60), 90).numpy()
      array([45, 90], dtype=int32)
    """
    sides = tf.cast(size, tf.float32)
    factor = tf.minimum(
        tf.cast(side, tf.float32) / tf.reduce_min(sides), longest / tf.reduce_max(sides)
    )
    return tf.clip_by_value(tf.cast(tf.round(factor * sides), tf.int32), 1, longest)


def padded_objects(scene: Scene, count: int) -> Scene:
    """Returns a scene with a fixed number of objects.

    Args:
      scene: with G objects.
      count: how many rows there are to be; further objects are left out.

    Returns:
      The scene with `count` rows; those added have the label `NO_OBJECT` and a box
      without area.
    """
    missing = tf.maximum(count - tf.shape(scene.labels)[0], 0)
    boxes = tf.pad(scene.boxes, [[0, missing], [0, 0]])[:count]
    labels = tf.pad(scene.labels, [[0, missing]], constant_values=NO_OBJECT)[:count]
    is_difficult = tf.pad(scene.is_difficult, [[0, missing]])[:count]
    return scene._replace(
        boxes=tf.ensure_shape(boxes, [count, 4]),
        labels=tf.ensure_shape(labels, [count]),
        is_difficult=tf.ensure_shape(is_difficult, [count]),
    )
