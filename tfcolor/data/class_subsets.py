"""Several tasks made of one labelled data set: each of some of its classes."""

import re

import numpy as np

from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.label_changes import RelabelledSource
from tfcolor.data.labels import matching_labels
from tfcolor.data.sources.base import Source

SEED = 1443
"""Of the published orders of classes."""


def subset_classes(rule: str, num_classes: int) -> list[int]:
    """Returns the classes of one task.

    Args:
      rule: "disjoint:TASK:COUNT" for the classes TASK * COUNT and following of one
        shuffled order, "independent:TASK:COUNT" for the first ones of the task's own
        order; tasks count from 0.
      num_classes: how many classes there are to choose from.

    Returns:
      COUNT different labels; the position of each is its label in the task.

    Raises:
      UsageError: if the rule is none, or there are too few classes.
      UserError: if there are no classes.

    Example:
      >>> subset_classes("disjoint:0:25", 100)[:4]
      [91, 22, 7, 75]
    """
    found = re.fullmatch(r"(disjoint|independent):(\d+):(\d+)", rule)
    if not num_classes:
        raise UserError(f"--class_subset={rule}: the images have no classes with names")
    if not found:
        raise UsageError(
            f"--class_subset={rule}: expected disjoint:TASK:COUNT or independent:TASK:COUNT, "
            "as disjoint:0:25 for the first task of 25 classes"
        )
    is_disjoint, task, count = found[1] == "disjoint", int(found[2]), int(found[3])
    first = task * count if is_disjoint else 0
    if count < 2 or first + count > num_classes:
        raise UsageError(
            f"--class_subset={rule}: expected at least 2 classes, and classes {first} to "
            f"{first + count - 1} of the order to be among {num_classes}"
        )
    order = np.arange(num_classes)
    np.random.RandomState(SEED if is_disjoint else SEED + task).shuffle(order)
    labels: list[int] = order[first : first + count].tolist()
    return labels


def select_classes(source: Source, labels: list[int], class_names: tuple[str, ...]) -> Source:
    """Keeps the images of some classes, with the classes numbered anew.

    Args:
      source: images of one class each; those that cannot be read are dropped.
      labels: the classes to keep, in the order of their new labels.
      class_names: the names of all classes by label.

    Returns:
      The kept images in the order of the source.

    Raises:
      UserError: if an image has no class, or a class that is not among
        `class_names`, or if no image is left.
    """
    matching = matching_labels(source.class_names, class_names)
    positions, new_labels = [], []
    for position in range(source.num_examples):
        label = _label_of(source, position)
        label = matching.get(label, label)
        if label in labels:
            positions.append(position)
            new_labels.append(labels.index(label))
    if not positions:
        raise UserError(f"none of the {source.num_examples} images is of one of the chosen classes")
    names = [class_names[label] for label in labels]
    return RelabelledSource(source.select(positions), new_labels.__getitem__, names)


def _label_of(source: Source, position: int) -> int:
    """Returns the class of an image, -1 if it cannot be read."""
    try:
        label = source.label_of(position)
    except UnreadableImageError:
        return -1
    if label is None:
        raise UserError(
            f"--class_subset: expected images of one class each; {source.name_of(position)} "
            "has none"
        )
    return label
