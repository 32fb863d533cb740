"""The classes of labelled images, as annotations for the pipeline."""

from collections.abc import Collection, Sequence

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.pipeline import Annotation
from tfcolor.data.reading import ExampleReader

NUM_CHECKED = 100
"""Labels looked at before training, which would otherwise find errors late."""


def label_annotation(
    reader: ExampleReader, num_classes: int, class_names: Sequence[str] = ()
) -> Annotation:
    """Returns what gives the pipeline the class of each image.

    Classes are matched by name where both sides have names, so that held-out
    images may lack some of the classes; else labels are taken as they are.

    Args:
      reader: images of which all have a class.
      num_classes: K, how many classes there are.
      class_names: the names by label that the result is to follow; those of the
        training images.

    Returns:
      Labels, int32 [] in [0, K).

    Raises:
      UserError: if an image has no class, an unknown one, or one outside of
        [0, K). Raised here for some images that are spread evenly, and for the
        others when they are read.
    """
    numbers = matching_labels(reader.class_names, class_names)

    def read(position: int) -> np.ndarray:
        label = known_label(reader, position)
        label = numbers.get(label, label)
        if 0 <= label < num_classes:
            return np.array(label, np.int32)
        expected = f"expected 0 to {num_classes - 1}"
        raise UserError(f"{reader.name_of(position)} has the label {label}: {expected}")

    for position in range(0, reader.num_examples, -(-reader.num_examples // NUM_CHECKED)):
        try:
            read(position)
        except UnreadableImageError:
            continue
    return Annotation(read, tf.int32)


def known_label(reader: ExampleReader, position: int) -> int:
    """Returns the class of an image that must have one.

    Args:
      reader: the images.
      position: in [0, num_examples).

    Returns:
      Its label.

    Raises:
      UserError: if it has none.
      UnreadableImageError: if it cannot be read.
    """
    label = reader.label_of(position)
    if label is None:
        raise UserError(
            f"{reader.name_of(position)} has no class: give one sub-folder per class and no "
            "image beside them, a list with a tab and the class after each path, TFRecord "
            "shards with image/class/label, or a tfds data set with labels"
        )
    return label


def matching_labels(
    names: Sequence[str], wanted: Sequence[str], shown: Collection[int] | None = None
) -> dict[int, int]:
    """Returns how the classes of held-out images are numbered in training.

    Args:
      names: classes of the held-out images by label; empty if not known.
      wanted: classes of the training images by label, likewise.
      shown: the labels that occur in the held-out images; None if all may.

    Returns:
      The label in `wanted` of each label in `names`, without those that are
      neither shown nor wanted; empty if all agree.

    Raises:
      UserError: if one of `names` is shown and not `wanted`.

    Example:
      >>> matching_labels(["sea", "hill"], ["cave", "hill", "sea"])
      {0: 2, 1: 1}
      >>> matching_labels(["sea", "moon"], ["cave", "hill", "sea"], shown=[0])
      {0: 2}
    """
    if not names or not wanted or tuple(names) == tuple(wanted):
        return {}
    number_of = {name: number for number, name in enumerate(wanted)}
    unknown = [
        name
        for label, name in enumerate(names)
        if name not in number_of and (shown is None or label in shown)
    ]
    if unknown:
        raise UserError(
            f"{len(unknown)} classes of the held-out images are not learned, the first: "
            f"{', '.join(unknown[:3])}; "
            f"known are {', '.join(wanted[:3])}{', ...' if len(wanted) > 3 else ''}"
        )
    return {label: number_of[name] for label, name in enumerate(names) if name in number_of}
