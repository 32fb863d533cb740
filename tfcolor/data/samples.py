"""Which images a small sample holds, by a hash of their names or by position."""

import hashlib
import os
import re
from collections.abc import Sequence

import numpy as np

from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.sources.base import Source


def hashed_order(source: Source, purpose: str = "") -> list[int]:
    """Returns the positions of a source, ordered by a hash of each image's name.

    A new file moves no other, and neither does another spelling of the folder
    that all lie in.

    Args:
      source: the images.
      purpose: what the order is for; each purpose has its own.

    Returns:
      All positions, each once.
    """
    names = [source.name_of(position) for position in range(source.num_examples)]
    common = "" if len(set(map(os.path.isabs, names))) > 1 else os.path.commonpath(names)

    def rank(position: int) -> bytes:
        name = names[position].removeprefix(common)
        return hashlib.sha256(f"{purpose}{name}".encode()).digest()

    return sorted(range(len(names)), key=rank)


def select_range(source: Source, image_range: str) -> Source:
    """Keeps a range of the images.

    Args:
      source: the images.
      image_range: "FIRST:END", from the one at FIRST, counted from 0, to the one
        before END.

    Returns:
      These images in the order of the source.

    Raises:
      UsageError: if the range is none or not within the images.
    """
    found = re.fullmatch(r"(\d+):(\d+)", image_range)
    bounds = range(int(found[1]), int(found[2])) if found else range(0)
    if not bounds or bounds.stop > source.num_examples:
        raise UsageError(
            f"--image_range={image_range}: expected FIRST:END with FIRST < END, as 0:100 for the "
            f"first 100 images; there are {source.num_examples}"
        )
    return source.select(bounds)


def sample_images(source: Source, num_images: int, seed: int) -> Source:
    """Returns a random sample of a source; a larger one holds the smaller.

    Args:
      source: the images.
      num_images: how many to keep.
      seed: gives the sample; another seed gives another.

    Returns:
      The chosen images in the order of the source.

    Raises:
      UserError: if there are fewer.
    """
    if num_images > source.num_examples:
        raise UserError(f"{num_images} images were asked for; there are {source.num_examples}")
    return source.select(sorted(hashed_order(source, f"sample {seed}/")[:num_images]))


def sample_classes(source: Source, images_per_class: int, seed: int) -> Source:
    """Returns a random sample with equally many images of each class.

    A sample with more images per class holds the smaller one. Classes are read
    until all are complete, or to the end if it is not known how many there are.

    Args:
      source: images of one class each.
      images_per_class: how many of each class to keep.
      seed: gives the sample; another seed gives another.

    Returns:
      The chosen images in the order of the source.

    Raises:
      UserError: if a class has fewer images, or an image no class.
    """
    members: dict[int, list[int]] = {label: [] for label in range(len(source.class_names))}
    num_open = len(members)
    for position in hashed_order(source, f"sample {seed}/"):
        label = _label_of(source, position)
        if label is None:
            continue
        chosen = members.setdefault(label, [])
        if len(chosen) < images_per_class:
            chosen.append(position)
            num_open -= len(chosen) == images_per_class
        if num_open == 0 and source.class_names:
            break
    _check_counts(members, source.class_names, images_per_class)
    return source.select(sorted(position for chosen in members.values() for position in chosen))


def sample_classes_by_position(source: Source, images_per_class: int, seed: int) -> Source:
    """Returns the sample of `draw_per_class`, in its order.

    Args:
      source: images of one class each; those that cannot be read are not drawn.
      images_per_class: how many of each class to keep.
      seed: gives the sample.

    Returns:
      The chosen images, shuffled.

    Raises:
      UserError: if a class has fewer images, or an image no class.
    """
    found = [_label_of(source, position) for position in range(source.num_examples)]
    labels = np.array([-1 if label is None else label for label in found])
    return source.select(
        draw_per_class(labels, images_per_class, seed, source.class_names).tolist()
    )


def draw_per_class(
    labels: np.ndarray, images_per_class: int, seed: int, class_names: Sequence[str] = ()
) -> np.ndarray:
    """Returns equally many positions of each class, as chapter 1's experiments drew them.

    The positions of each class are shuffled in turn, the first ones kept, and
    all these shuffled once more. What is kept of a class is part of what a
    larger sample keeps.

    Args:
      labels: int [N], the class of each image; negative for none.
      images_per_class: how many of each class to keep.
      seed: of all shuffles.
      class_names: the name of each class; classes with a name need images.

    Returns:
      int64 [M], positions in [0, N).

    Raises:
      UserError: if a class has fewer images.

    Example:
      >>> draw_per_class(np.array([0, 1, 0, 1, 1]), 1, seed=0)
      array([2, 4])
    """
    generator = np.random.RandomState(seed)
    members: dict[int, list[int]] = {}
    for label in range(max(int(labels.max()) + 1, len(class_names))):
        positions = np.flatnonzero(labels == label)
        generator.shuffle(positions)
        members[label] = positions[:images_per_class].tolist()
    _check_counts(members, class_names, images_per_class)
    drawn = np.array([position for chosen in members.values() for position in chosen], np.int64)
    generator.shuffle(drawn)
    return drawn


def _label_of(source: Source, position: int) -> int | None:
    """Returns the class of an image, None if it cannot be read."""
    try:
        label = source.label_of(position)
    except UnreadableImageError:
        return None
    if label is None:
        raise UserError(
            f"equally many images of each class were asked for, but {source.name_of(position)} "
            "does not have just one class"
        )
    return label


def _check_counts(
    members: dict[int, list[int]], class_names: Sequence[str], images_per_class: int
) -> None:
    """Raises UserError if a class has too few images."""
    for label, chosen in members.items():
        if len(chosen) < images_per_class:
            name = class_names[label] if label < len(class_names) else str(label)
            raise UserError(
                f"{images_per_class} images per class were asked for; the class {name} has "
                f"{len(chosen)}"
            )
