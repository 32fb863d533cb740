"""The loss that a colorization network must beat to have learned anything."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfcolor.color.outputs.base import Output
from tfcolor.metrics.histograms import ConstantHistogramDivergence
from tfcolor.metrics.regression import ConstantSquaredError


class ConstantLoss(tf.keras.metrics.Metric):
    """The loss of the best outputs that are the same at every pixel.

    The best on its own targets, until `take_constants` gives it others.

    Args:
      outputs: what is predicted.
      name: what the metric is called.
    """

    def __init__(self, outputs: Sequence[Output], name: str = "constant_loss") -> None:
        super().__init__(name=name)
        self.outputs = tuple(outputs)
        self._parts = {
            output.name: (
                ConstantHistogramDivergence(output.size, name=output.name)
                if output.is_histogram
                else ConstantSquaredError(output.size, name=output.name)
            )
            for output in self.outputs
        }
        self._constants: dict[str, tf.Tensor] | None = None

    def take_constants(self, fitted: "ConstantLoss") -> None:
        """Measures the best constants of another metric instead of its own.

        Args:
          fitted: has seen the targets of the training split.
        """
        self._constants = {name: part.best_constant() for name, part in fitted._parts.items()}

    def update_state(
        self, targets: Mapping[str, tf.Tensor], outputs: Mapping[str, tf.Tensor]
    ) -> None:
        """Adds targets.

        Args:
          targets: `NAME` float32 [B, L, K] and `NAME_weight` float32 [B, L].
          outputs: ignored.
        """
        del outputs
        for name, metric in self._parts.items():
            metric.update_state(targets[name], targets[f"{name}_weight"])

    def result(self) -> tf.Tensor:
        """Returns the loss so far, float []."""
        if self._constants is None:
            return tf.add_n([part.result() for part in self._parts.values()])
        return tf.add_n([part.loss_of(self._constants[name]) for name, part in self._parts.items()])

    def reset_state(self) -> None:
        """Forgets everything seen."""
        for metric in self._parts.values():
            metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"outputs": [dataclasses.asdict(one) for one in self.outputs], "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "ConstantLoss":
        """Builds the metric that `get_config` describes."""
        return cls([Output(**one) for one in config["outputs"]], config["name"])
