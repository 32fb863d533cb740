"""Images with the boxes of the objects they show."""

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

import numpy as np

from tfcolor.data.images import UnreadableImageError
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.data.sources.label_maps import upright_size


class ObjectBoxes(NamedTuple):
    """The objects of an image.

    Attributes:
      boxes: float32 [G, 4], (y1, x1, y2, x2) in pixels, the centers of the first
        and of the last pixel inside; (0, 0) is the center of the top-left pixel.
      labels: int32 [G] in [0, K).
      is_difficult: bool [G].
    """

    boxes: np.ndarray
    labels: np.ndarray
    is_difficult: np.ndarray


class BoxSource(FileSource):
    """Images with the box of each object they show.

    Args:
      paths: the images.
      objects: those of each image; boxes may reach out of the image.
      class_names: the name of each class by label.

    Raises:
      ValueError: if there are not as many annotations as images.
    """

    def __init__(
        self,
        paths: Iterable[str | os.PathLike[str]],
        objects: Iterable[ObjectBoxes],
        class_names: Iterable[str],
    ) -> None:
        super().__init__(paths, class_names=class_names)
        # By path, and so of use to selections and joined sources too.
        self._sizes: dict[str, tuple[int, int]] = {}
        self._objects = list(objects)
        if len(self._objects) != self.num_examples:
            raise ValueError(
                f"{len(self._objects)} annotations: expected one for each of the "
                f"{self.num_examples} images"
            )

    @property
    def max_objects(self) -> int:
        """Returns how many objects the image with the most of them has."""
        return max(len(one.labels) for one in self._objects)

    @property
    def shown_labels(self) -> frozenset[int]:
        """Returns the labels of all objects, difficult ones too."""
        return frozenset(int(label) for one in self._objects for label in one.labels)

    def select(self, positions: Sequence[int]) -> Self:
        """Returns some of the images with their boxes, in the given order."""
        chosen = super().select(positions)
        chosen._objects = [self._objects[position] for position in positions]
        return chosen

    def join(self, others: Sequence[Self]) -> Self:
        """Returns these images and then those of others with the same classes."""
        joined = super().join(others)
        joined._objects = [one for part in (self, *others) for one in part._objects]
        return joined

    def objects_of(self, index: int) -> ObjectBoxes:
        """Returns the objects of one image.

        What reaches out of the image is cut off, as many annotations are a pixel
        or two too large.

        Args:
          index: position of the image.

        Returns:
          Its objects in the order of the annotation, each with at least a pixel of
          the image.

        Raises:
          UnreadableImageError: if the header of the image cannot be read, or a box
            lies outside of the image as a whole.
        """
        path = self._paths[index]
        width, height = self._sizes.get(path) or self._sizes.setdefault(path, upright_size(path))
        boxes, labels, is_difficult = self._objects[index]
        last = np.array([height - 1, width - 1] * 2, np.float32)
        clipped = np.clip(boxes, 0, last)
        # Half a pixel beyond the last center there is still image.
        outside = (boxes[:, 2:] <= -0.5) | (boxes[:, :2] >= last[:2] + 0.5)
        if np.any(outside):
            y1, x1, y2, x2 = boxes[np.flatnonzero(outside.any(axis=1))[0]] + 1
            corners = f"xmin={x1:g}, ymin={y1:g}, xmax={x2:g}, ymax={y2:g}"
            reason = f"{width}x{height} pixels, and a box outside of them: {corners}"
            raise UnreadableImageError(path, reason)
        return ObjectBoxes(clipped, labels.copy(), is_difficult.copy())
