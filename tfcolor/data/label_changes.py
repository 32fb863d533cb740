"""Coarser or wrong labels for labelled images: merged classes, label noise."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.core.seeds import derive_seed
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.samples import hashed_order
from tfcolor.data.sources.base import Source


class RelabelledSource:
    """The images of another source with labels of their own.

    Args:
      source: the images.
      label_of: the class of the image at a position.
      class_names: the name of each class.
    """

    def __init__(
        self, source: Source, label_of: Callable[[int], int | None], class_names: Sequence[str]
    ) -> None:
        self._source, self._label_of = source, label_of
        self._class_names = tuple(class_names)

    @property
    def num_examples(self) -> int:
        """Returns the number of images."""
        return self._source.num_examples

    def name_of(self, index: int) -> str:
        """Returns what messages call an image."""
        return self._source.name_of(index)

    def read_bytes(self, index: int) -> bytes:
        """Returns the encoded image."""
        return self._source.read_bytes(index)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Returns the name of each class by label."""
        return self._class_names

    def label_of(self, index: int) -> int | None:
        """Returns the class of an image, or None if it has none."""
        return self._label_of(index)

    def select(self, positions: Sequence[int]) -> "RelabelledSource":
        """Returns some of the images with their labels, in the given order."""
        kept = list(positions)
        return RelabelledSource(
            self._source.select(kept), lambda index: self._label_of(kept[index]), self._class_names
        )


def add_label_noise(source: Source, share: float, seed: int) -> Source:
    """Gives some images a random class, once and for all.

    The class is uniform among all, so one of K of them remains right.

    Args:
      source: images of one class each.
      share: the part of the images that is relabelled, in [0, 1].
      seed: fixes which, and their classes.

    Returns:
      All the images.

    Raises:
      UserError: if the images have no classes, or these no names.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and
      Self-Supervised Representation Learning. 2017 (E10 and E50 of table 3.5).
    """
    _check_classes(source, "label noise")
    chosen = hashed_order(source, f"label noise {seed}/")[: round(share * source.num_examples)]
    generator = np.random.default_rng(derive_seed(seed, "label noise"))
    labels = generator.integers(len(source.class_names), size=len(chosen)).tolist()
    noisy = dict(zip(chosen, labels, strict=True))

    def label_of(index: int) -> int | None:
        return noisy[index] if index in noisy else source.label_of(index)

    return RelabelledSource(source, label_of, source.class_names)


def merge_classes(source: Source, buckets: Mapping[str, str]) -> Source:
    """Merges the classes of images into buckets, the new classes.

    Args:
      source: images of one class each.
      buckets: the bucket of each class by name.

    Returns:
      All the images; the classes are all buckets in the order of their names.

    Raises:
      UserError: if a class has no bucket, if the images have no classes, or if
        these have no names.
    """
    _check_classes(source, "label buckets")
    missing = [name for name in source.class_names if name not in buckets]
    if missing:
        count = f"{len(missing)} of {len(source.class_names)} classes"
        raise UserError(f"{count} have no label bucket, the first: {', '.join(missing[:3])}")
    names = sorted(set(buckets.values()))
    numbers = [names.index(buckets[name]) for name in source.class_names]

    def label_of(index: int) -> int | None:
        label = source.label_of(index)
        return None if label is None else numbers[label]

    return RelabelledSource(source, label_of, names)


def _check_classes(source: Source, purpose: str) -> None:
    """Raises UserError unless the images have one class each, with a name."""
    if not source.class_names or not _has_label(source, 0):
        raise UserError(
            f"{purpose}: expected images of one class each, with names, as in a folder per class; "
            f"{source.name_of(0)} has none"
        )


def _has_label(source: Source, index: int) -> bool:
    """Tells whether an image has a class; one that cannot be read may have."""
    try:
        return source.label_of(index) is not None
    except UnreadableImageError:
        return True
