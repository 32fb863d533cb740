"""What tasks on images share: where these come from, and what is seen of them."""

from collections.abc import Mapping
from typing import Any, ClassVar

import tensorflow as tf

from tfcolor.color.spaces import rgb_to_lightness
from tfcolor.data.reading import ExampleReader
from tfcolor.tasks.base import HELDOUT_SPLIT, TRAIN_SPLIT


class ImageTask:
    """A task on images, gray or in color.

    Args:
      options: of the task; their `input`, "gray" or "color", is what the network
        sees, gray where they have none.
      readers: where each split's images come from; "train" and, if anything is
        to be measured on unseen images, "heldout".
      color_input: feeds the gray image copied to three channels, for a
        backbone that is shared with tasks on color images.
    """

    Options: ClassVar[type]

    def __init__(
        self,
        options: Any,
        readers: Mapping[str, ExampleReader],
        *,
        color_input: bool = False,
    ) -> None:
        self.options = options
        self._sees_color = getattr(options, "input", "gray") == "color"
        self.input_channels = 3 if color_input or self._sees_color else 1
        self.splits = tuple(split for split in (TRAIN_SPLIT, HELDOUT_SPLIT) if split in readers)
        self._readers = dict(readers)

    def as_input(self, view: tf.Tensor) -> tf.Tensor:
        """Returns what the network sees of a view.

        Args:
          view: float32 [..., 3] in [0, 1], in color.

        Returns:
          float32 [..., 1 or 3], its lightness or itself.
        """
        if self._sees_color:
            return view
        return tf.repeat(rgb_to_lightness(view), self.input_channels, axis=-1)
