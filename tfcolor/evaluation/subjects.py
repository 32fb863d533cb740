"""What the protocols measure: colorizers, or the trained networks of runs."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfcolor.color.spaces import rgb_to_lightness
from tfcolor.core.errors import UserError
from tfcolor.models.network import Network

COLORIZER, NETWORKS = "colorizer", "networks"
"""The kinds of subject, of which each protocol names one."""


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """The network of a run, and how it was trained.

    Args:
      network: backbone and head with their weights.
      options: of the task; its `input`, where there is one, says whether the
        network sees color.
      origin: where the network comes from: run, task, backbone and step.
      class_names: the classes of the task by label; empty where it has none, or
        where the training images are out of reach.
    """

    network: Network
    options: Any
    origin: Mapping[str, Any]
    class_names: tuple[str, ...] = ()

    @property
    def run(self) -> str:
        """Returns what messages call the network: its run's folder."""
        return str(self.origin["run"])

    def inputs(self, rgb: tf.Tensor) -> tf.Tensor:
        """Turns photographs into what the network sees.

        Args:
          rgb: float32 [B, H, W, 3] in [0, 1].

        Returns:
          float32 [B, H, W, 1 or 3] in [0, 1], gray unless the task is on color.
        """
        if getattr(self.options, "input", "gray") == "color":
            return rgb
        return tf.repeat(rgb_to_lightness(rgb), self.network.backbone.input_channels, axis=-1)

    @functools.cached_property
    def outputs(self) -> Callable[[tf.Tensor], Mapping[str, tf.Tensor]]:
        """Returns the network's outputs for images, without dropout, as one graph.

        It takes float32 [B, H, W, 1 or 3] in [0, 1], as `inputs` gives them.
        """
        spec = tf.TensorSpec([None, None, None, self.network.backbone.input_channels], tf.float32)
        return tf.function(
            lambda images: self.network({"image": images}), input_signature=[spec], autograph=False
        )


def shared_classes(networks: Sequence[TrainedNetwork]) -> tuple[int, tuple[str, ...]]:
    """Returns what several networks tell apart.

    Args:
      networks: of one task with `num_classes` among its options.

    Returns:
      The number of classes, and their names by label where they are known.

    Raises:
      UserError: if two networks do not tell the same classes apart.
    """
    first = networks[0]
    names = next((one.class_names for one in networks if one.class_names), ())
    for other in networks:
        count, wanted = other.options.num_classes, first.options.num_classes
        if count != wanted or other.class_names not in ((), names):
            raise UserError(
                f"{other.run} tells other classes apart than {first.run} ({count} and {wanted}): "
                "an ensemble is of networks for the same classes"
            )
    return first.options.num_classes, names


def named_classes(
    networks: Sequence[TrainedNetwork], image_classes: Sequence[str]
) -> tuple[str, ...]:
    """Returns the names under which networks are measured on images.

    Args:
      networks: of one task with `num_classes` among its options.
      image_classes: the classes of the images by label; empty if they have no
        names.

    Returns:
      One name per label: the networks' where they are known, else those of the
      images, else the labels as text.

    Raises:
      UserError: if the networks tell different classes apart, or if only the
        images have names and these are not as many.
    """
    count, names = shared_classes(networks)
    if names:
        return names
    if len(image_classes) not in (0, count):
        raise UserError(
            f"--images has {len(image_classes)} classes: {networks[0].run} tells {count} apart"
        )
    return tuple(image_classes) or tuple(map(str, range(count)))
