"""TensorBoard records of a run."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

# TensorBoard spreads every value over 30 float64: all of VGG's fc6 at once
# would take 25 GB.
MAX_HISTOGRAM_VALUES = 100_000


class Events:
    """Writes scalars, pictures, weight histograms and hyperparameters.

    Curves that belong in one chart have one tag in several folders: a held-out
    loss in `eval` and the best constant's in `eval_constant`.

    Args:
      folder: `RUN/events`.
      is_active: false on workers other than the chief, which write nothing.
    """

    def __init__(self, folder: Path, *, is_active: bool) -> None:
        self._folder, self._is_active = folder, is_active
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def write(self, curve: str, values: Mapping[str, Any], step: int) -> None:
        """Writes scalars, and pictures for values that are arrays.

        Args:
          curve: folder of the record: "train", "eval", "eval_constant", ....
          values: floats, or uint8 [H, W, 3] pictures, by tag.
          step: number of updates made.
        """
        if not self._is_active:
            return
        with self._writer(curve).as_default(step=step):
            for tag, value in values.items():
                if isinstance(value, np.ndarray) and value.ndim == 3:
                    tf.summary.image(tag, value[None])
                else:
                    tf.summary.scalar(tag, value)

    def write_weights(self, networks: Mapping[str, tf.keras.Model], step: int) -> None:
        """Writes a histogram of every trainable variable, named by its layer.

        Args:
          networks: by the name that precedes its layers', empty for none. What
            several have in common is written once, without a name.
          step: number of updates made.
        """
        if not self._is_active:
            return
        with self._writer("train").as_default(step=step):
            for tag, variable in _tagged_weights(networks).items():
                tf.summary.histogram(tag, _sample(variable))

    def write_flags(self, flags: Mapping[str, str]) -> None:
        """Writes the resolved flags as hyperparameters of this run."""
        if self._is_active:
            with self._writer("train").as_default():
                hparams.hparams(dict(flags))

    def flush(self) -> None:
        """Writes out what is buffered."""
        for writer in self._writers.values():
            writer.flush()

    def _writer(self, curve: str) -> tf.summary.SummaryWriter:
        """Returns the writer of one folder, made on first use."""
        if curve not in self._writers:
            self._writers[curve] = tf.summary.create_file_writer(str(self._folder / curve))
        return self._writers[curve]


def _sample(values: tf.Tensor) -> tf.Tensor:
    """Returns evenly spread values, float [N], at most `MAX_HISTOGRAM_VALUES`."""
    flat = tf.reshape(values, [-1])
    return flat[:: -(-flat.shape[0] // MAX_HISTOGRAM_VALUES)]


def _tagged_weights(networks: Mapping[str, tf.keras.Model]) -> dict[str, tf.Variable]:
    """Returns the trainable variables by layer and role, and by network where it is its own."""
    owners = Counter(id(one) for each in networks.values() for one in each.trainable_variables)
    tagged: dict[str, tf.Variable] = {}
    for name, network in networks.items():
        leaves = [one for one in network.submodules if not one.submodules]
        for layer in (one for one in leaves if isinstance(one, tf.keras.layers.Layer)):
            for variable in layer.trainable_variables:
                prefix = f"{name}/" if name and owners[id(variable)] == 1 else ""
                tagged[f"{prefix}{layer.name}/{variable.name.split(':')[0]}"] = variable
    return tagged
