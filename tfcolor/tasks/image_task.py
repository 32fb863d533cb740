"""What tasks on images share: where these come from, and what is seen of them."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from tfcolor.color.spaces import rgb_to_lightness
from tfcolor.data.reading import ExampleReader
from tfcolor.tasks.base import HELDOUT_SPLIT, TRAIN_SPLIT, Panel, Tensors


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
    trains_backbone: ClassVar[bool] = True
    """Whether gradients of its losses reach the backbone."""

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

    def label_name(self, label: int) -> str:
        """Returns what pictures call a label."""
        return str(label)

    def depict(self, inputs: Tensors, targets: Tensors, outputs: Tensors) -> list[list[Panel]]:
        """Returns the images, or patches, that the network sees of each example.

        Args:
          inputs: `image`, float32 [B, H, W, C] or [B, T, H, W, C] in [0, 1].
          targets: where there are labels, `label`, int32 [B] or [B, T].
          outputs: where there are labels, `logits`, float32 [B, K] or [B, T, K].

        Returns:
          T panels for each example. A label is the caption of its patch, that of
          the whole example of its first one, with a wrong answer after it.
        """
        pixels = image_pixels(inputs["image"])
        pixels = pixels[:, np.newaxis] if pixels.ndim == 4 else pixels
        captions = np.full(pixels.shape[:2], "", dtype=object)
        if "label" in targets and "logits" in outputs:
            labels = np.asarray(targets["label"])
            answers = np.argmax(outputs["logits"], axis=-1)
            if labels.ndim == 1:
                labels, answers = labels[:, np.newaxis], answers[:, np.newaxis]
            for place, label in np.ndenumerate(labels):
                captions[place] = self._verdict(int(label), int(answers[place]))
        return [
            [Panel(*both) for both in zip(names, patches, strict=True)]
            for names, patches in zip(captions, pixels, strict=True)
        ]

    def _verdict(self, label: int, answer: int) -> str:
        """Returns a label, and the answer where it is another."""
        true = self.label_name(label)
        return true if answer == label else f"{true}, not {self.label_name(answer)}"


def image_pixels(images: tf.Tensor | np.ndarray) -> np.ndarray:
    """Returns images as they are shown.

    Args:
      images: float [..., H, W, 1 or 3] in [0, 1]; what lies outside is clipped.

    Returns:
      uint8 [..., H, W, 3].

    Example:
      >>> image_pixels(np.full([1, 1, 1], 0.2)).tolist()
      [[[51, 51, 51]]]
    """
    pixels = np.round(255 * np.clip(np.asarray(images), 0, 1)).astype(np.uint8)
    return np.broadcast_to(pixels, (*pixels.shape[:-1], 3))
