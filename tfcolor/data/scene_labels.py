"""Which classes an image shows, and where, as annotations for the pipeline."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.labels import NUM_CHECKED, matching_labels
from tfcolor.data.pipeline import Annotation
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.joined import check_common_classes
from tfcolor.data.sources.label_maps import LabelMapSource
from tfcolor.data.sources.voc import ABSENT, PresenceSource


def presence_annotation(reader: ExampleReader, class_names: Sequence[str] = ()) -> Annotation:
    """Returns what gives the pipeline the classes that each image shows.

    Args:
      reader: images with the classes of their objects, as of "voc:FOLDER".
      class_names: the K names that the result is to follow, those of the
        training images; empty for the reader's own. Held-out images show none
        of those that they do not name, and may name others if they show none.

    Returns:
      int32 [K], 1 for present, 0 for absent and -1 for difficult objects only.

    Raises:
      UserError: if the images are of another kind, or show a class that is not
        in `class_names`, or are joined and have different classes.
    """
    source = reader.source
    if not isinstance(source, PresenceSource):
        check_common_classes(source, PresenceSource)
        raise UserError(
            f"it is not known which classes of objects {_called(reader)} shows: name images as "
            "voc:FOLDER[:SPLIT], with the annotations of PASCAL VOC"
        )
    shown = sorted(source.shown_labels)
    numbers = matching_labels(source.class_names, class_names, shown)
    num_classes = len(class_names) or len(source.class_names)
    columns = [numbers.get(label, label) for label in shown]

    def read(position: int) -> np.ndarray:
        presence = np.full(num_classes, ABSENT, np.int32)
        presence[columns] = source.presence_of(position)[shown]
        return presence

    return Annotation(read, tf.int32, (num_classes,))


def label_map_annotation(reader: ExampleReader, class_names: Sequence[str] = ()) -> Annotation:
    """Returns what gives the pipeline the class of each pixel.

    Args:
      reader: images with label maps, as of "camvid:FOLDER".
      class_names: the K names that the labels are to follow, those of the
        training images; empty for the reader's own.

    Returns:
      uint8 [H, W], in [0, K) or 255 for void.

    Raises:
      UserError: if the images are of another kind or have a class that is not in
        `class_names`, or are joined and have different classes, or if a label map
        cannot be used. The last is raised here for some that are spread evenly,
        and for the others when they are read.
    """
    source = reader.source
    if not isinstance(source, LabelMapSource):
        check_common_classes(source, LabelMapSource)
        raise UserError(
            f"{_called(reader)} has no label map: name images as camvid:FOLDER[:SPLIT] or "
            "voc_segmentation:FOLDER[:SPLIT]"
        )
    new_labels = np.arange(256, dtype=np.uint8)
    for label, number in matching_labels(source.class_names, class_names).items():
        new_labels[label] = number

    def read(position: int) -> np.ndarray:
        return new_labels[source.label_map_of(position)]

    for position in range(0, reader.num_examples, -(-reader.num_examples // NUM_CHECKED)):
        try:
            source.label_map_of(position)
        except UnreadableImageError:
            continue
    return Annotation(read, tf.uint8, (None, None))


def _called(reader: ExampleReader) -> str:
    """Returns what a message calls images of which one is enough to tell."""
    return reader.name_of(0)
