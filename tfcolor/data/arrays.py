"""All images of a reader as one array, for what is fitted to all at once."""

from collections.abc import Sequence

import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.labels import known_label, matching_labels
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.array import ArraySource

NO_LABEL = -1
"""The label of an image without a class."""


def gather_images(
    reader: ExampleReader,
    num_images: int = 0,
    channels: int = 1,
    *,
    class_names: Sequence[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Reads images of one size into memory.

    Images that cannot be read are left out.

    Args:
      reader: the images.
      num_images: how many to read, from the first on; 0 for all.
      channels: 3 for color, or 1 for the mean of the colors.
      class_names: the names by label that the labels are to follow, where both
        sides have names; then every image must have a class. None takes labels
        as they are, if there are any.

    Returns:
      (images, labels): uint8 [N, H, W, channels] and int64 [N], where an image
      without a class has `NO_LABEL`.

    Raises:
      UserError: if there are fewer images, none can be read, one has another
        size than the first, or one has no class or an unknown one.
      ValueError: if `channels` is neither 1 nor 3.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels={channels}: expected 1 or 3")
    if num_images > reader.num_examples:
        raise UserError(f"{num_images} images were asked for; there are {reader.num_examples}")
    count = num_images or reader.num_examples
    if isinstance(reader.source, ArraySource):
        images = _with_channels(reader.source.images()[:count], channels)
        labels = reader.source.labels()[:count]
    else:
        images, labels = _read_each(reader, count, channels, class_names is not None)
    numbers = matching_labels(reader.class_names, class_names or ())
    if numbers:
        labels = np.array([numbers.get(int(label), int(label)) for label in labels], np.int64)
    return images, labels


def _read_each(
    reader: ExampleReader, count: int, channels: int, needs_labels: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Reads images one after the other."""
    images: list[np.ndarray] = []
    labels: list[int] = []
    for position in range(count):
        image, used = reader.read(position)
        if used != position:
            continue
        if images and image.shape[:2] != images[0].shape[:2]:
            (height, width), (first_height, first_width) = image.shape[:2], images[0].shape[:2]
            raise UserError(
                f"{reader.name_of(position)} is {width} x {height} pixels, the first image "
                f"{first_width} x {first_height}: expected images of one size"
            )
        images.append(_with_channels(image, channels))
        read_label = known_label if needs_labels else _label_of
        labels.append(read_label(reader, position))
    if not images:
        raise UserError(f"none of the first {count} images can be read")
    return np.stack(images), np.array(labels, np.int64)


def _label_of(reader: ExampleReader, position: int) -> int:
    """Returns the class of an image, `NO_LABEL` if it has none."""
    try:
        label = reader.label_of(position)
    except UnreadableImageError:
        return NO_LABEL
    return NO_LABEL if label is None else label


def _with_channels(images: np.ndarray, channels: int) -> np.ndarray:
    """Returns images, uint8 [..., H, W, 1 or 3], with so many channels."""
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    total = images.sum(axis=-1, keepdims=True, dtype=np.uint16)
    return ((2 * total + 3) // 6).astype(np.uint8)
