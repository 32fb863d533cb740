"""Moving statistics of batch norm that each of several tasks has for itself."""

import contextlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfcolor.layers.batch_norm import ParameterFreeBatchNorm, substituted_statistics


class TaskStatistics:
    """What batch norms of a shared backbone know about the images of one task.

    Tasks see images of different kinds: a mean over all of them would normalize
    none as training did. They share scales and shifts.

    Args:
      backbone: with all its variables made; the statistics begin as those of its
        layers.

    Attributes:
      state: what of it a checkpoint holds.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017
      (every worker sees one task's images).
    """

    def __init__(self, backbone: tf.keras.Model) -> None:
        self._layers = [
            one for one in backbone.submodules if isinstance(one, ParameterFreeBatchNorm)
        ]
        self._own = [tuple(_beside(one) for one in _variables_of(layer)) for layer in self._layers]
        self.state = tf.train.Checkpoint(layers=[list(own) for own in self._own])

    def used(self) -> contextlib.AbstractContextManager[None]:
        """Returns what lets the layers read and update these instead of their own."""
        return substituted_statistics(dict(zip(map(id, self._layers), self._own, strict=True)))

    def pairs(self) -> list[tuple[tf.Variable, tf.Variable]]:
        """Returns (variable of a layer, the task's own) for all of them."""
        return [
            pair
            for layer, own in zip(self._layers, self._own, strict=True)
            for pair in zip(_variables_of(layer), own, strict=True)
        ]

    def copy_from_layers(self) -> None:
        """Begins anew as the statistics of the layers."""
        for variable, own in self.pairs():
            own.assign(variable)

    def copy_to_layers(self) -> None:
        """Makes these the statistics of the layers, for a network of this task alone."""
        for variable, own in self.pairs():
            variable.assign(own)


def average_statistics(tasks: Sequence[TaskStatistics]) -> None:
    """Gives the layers the mean of the statistics of all tasks.

    For whoever takes over the backbone for another task.

    Args:
      tasks: all those of one backbone.
    """
    for pairs in zip(*(task.pairs() for task in tasks), strict=True):
        total = tf.add_n([tf.convert_to_tensor(own) for _, own in pairs])
        count = len(pairs)
        pairs[0][0].assign(total // count if total.dtype.is_integer else total / count)


def _variables_of(layer: ParameterFreeBatchNorm) -> tuple[tf.Variable, ...]:
    """Returns the statistics of a layer, frozen or not."""
    return layer.moving_mean, layer.moving_variance, layer.num_updates


def _beside(variable: Any) -> tf.Variable:
    """Returns another variable of the same kind and value."""
    return tf.Variable(
        variable.read_value(),
        trainable=False,
        name=f"task_{variable.name.split('/')[-1].split(':')[0]}",
        synchronization=variable.synchronization,
        aggregation=variable.aggregation,
    )
