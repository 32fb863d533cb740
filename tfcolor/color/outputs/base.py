"""What a colorization network predicts, apart from how it is trained."""

import abc
import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfcolor.color.binning import windowed_histogram
from tfcolor.color.decoding import DecodingOptions, draw_levels, reshape_posterior


@dataclasses.dataclass(frozen=True)
class Output:
    """One tensor that the network predicts for every location.

    Args:
      name: "hue"; the head calls its output `hue_logits`.
      size: bins of a histogram, or number of coordinates.
      is_histogram: whether it is a distribution over bins rather than values.
    """

    name: str
    size: int
    is_histogram: bool = True


@dataclasses.dataclass(frozen=True)
class TargetOptions:
    """How targets are made of a photograph's colors.

    Args:
      window: side of the window whose histogram is the target, odd, in pixels.
      hue_weight: weight of the hue histogram, times chroma.
      chroma_weighting: whether the chroma histogram of dark and of light pixels
        weighs less.
      class_weights: weight of every bin of the 313-bin space; None for equal.
    """

    window: int = 7
    hue_weight: float = 5.0
    chroma_weighting: bool = False
    class_weights: tuple[float, ...] | None = None


class OutputSpace(abc.ABC):
    """The coordinates in which colors are predicted.

    Args:
      name: its key in `OUTPUT_SPACES`.
      outputs: what the network predicts.
      num_bins: bins of each histogram, or of each of its axes.
      temperature: its own sharpening of the histograms before decoding.
      decodes_on_grid: whether colors rather than histograms are enlarged from
        the network's grid to the pixels.
    """

    def __init__(
        self,
        name: str,
        outputs: tuple[Output, ...],
        num_bins: int,
        temperature: float = 1.0,
        decodes_on_grid: bool = False,
    ) -> None:
        self.name = name
        self.outputs = outputs
        self.num_bins = num_bins
        self.temperature = temperature
        self.decodes_on_grid = decodes_on_grid

    @property
    def histograms(self) -> dict[str, int]:
        """Bins of every predicted histogram by name; empty for a regression."""
        return {output.name: output.size for output in self.outputs if output.is_histogram}

    @abc.abstractmethod
    def labels(self, rgb: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the true bins of every histogram.

        Args:
          rgb: float [..., 3], RGB in [0, 1].

        Returns:
          int32 [...] by name, in [0, K - 1].
        """

    def label_weights(self, rgb: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns which pixels have a true bin at all.

        Args:
          rgb: float [..., 3], RGB in [0, 1].

        Returns:
          float [...] by name, 1 or 0: a gray pixel has no hue.
        """
        return {name: tf.ones_like(rgb[..., 0]) for name in self.histograms}

    def target_weights(self, rgb: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns how much each pixel counts in a photograph's histogram of colors.

        Args:
          rgb: float [..., 3], RGB in [0, 1].

        Returns:
          float [...] by name, not negative.
        """
        return self.label_weights(rgb)

    def make_targets(
        self, rgb: tf.Tensor, locations: tf.Tensor, options: TargetOptions
    ) -> dict[str, tf.Tensor]:
        """Returns what the network should predict at sparse locations.

        Args:
          rgb: float32 [H, W, 3], RGB in [0, 1].
          locations: float32 [L, 2], whole pixels as (row, column).
          options: how targets are made.

        Returns:
          For every output `NAME`, float32 [L, K], and `NAME_weight`, float32
          [L], the weight of the location in the loss.
        """
        targets = {}
        for name, labels in self.labels(rgb).items():
            size = self.histograms[name]
            targets[name] = windowed_histogram(labels, locations, size, options.window)
            targets[f"{name}_weight"] = tf.ones_like(locations[:, 0])
        return targets

    def posteriors(
        self,
        predictions: Mapping[str, tf.Tensor],
        options: DecodingOptions,
        bias: Mapping[str, np.ndarray] | None = None,
        temperatures: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Returns the histograms with biases added and sharpened.

        Args:
          predictions: float32 [..., K] by name, as the network gave them.
          options: strength and angle of a bias towards a color, temperature.
          bias: float [K] by name, added to the log-probabilities besides.
          temperatures: float32 [B], one per image, 0 for that of `options`;
            None takes this for all.

        Returns:
          float32 [..., K] by name; values of a regression are left as they are.
        """
        temperature = options.temperature or self.temperature
        if temperatures is not None:
            temperature = tf.where(temperatures > 0, temperatures, temperature)
        turned = self.rotated_bias(options.bias_angle, options.bias_strength)
        results = dict(predictions)
        for name in self.histograms:
            total = turned.get(name, 0.0) + (bias or {}).get(name, 0.0)
            results[name] = reshape_posterior(predictions[name], total, temperature)
        return results

    @abc.abstractmethod
    def decode(
        self,
        predictions: Mapping[str, tf.Tensor],
        options: DecodingOptions,
        seeds: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the coordinates of one color per pixel, and how unsure it is.

        Args:
          predictions: float32 [B, H, W, K] by name.
          options: which statistics to use.
          seeds: int32 [B], one per image, where `options.sampling` draws; None
            takes `options.seed` for all.

        Returns:
          (coordinates, uncertainty): float32 [B, H, W, C], which may be resized,
          and float32 [B, H, W] in [0, 1].
        """

    @abc.abstractmethod
    def to_difference(self, coordinates: tf.Tensor, gray: tf.Tensor) -> tf.Tensor:
        """Returns the colors' differences from gray.

        Args:
          coordinates: float32 [..., C], from `decode`.
          gray: float32 [..., 1], lightness in [0, 1].

        Returns:
          float32 [..., 3], RGB minus gray, with mean 0.
        """

    @abc.abstractmethod
    def rotated_bias(self, angle: float, strength: float) -> dict[str, np.ndarray]:
        """Returns the biases of all log-probabilities towards one color.

        Args:
          angle: which color, in turns around the hue circle or the ab plane.
          strength: the largest bias, in nats.

        Returns:
          float32 [K] by name of histogram; those that do not depend on the
          angle are left out.
        """

    def _levels(
        self, probs: tf.Tensor, options: DecodingOptions, seeds: tf.Tensor | None, index: int
    ) -> tf.Tensor:
        """Draws the levels at which histogram `index`, [B, H, W, K], is inverted."""
        shape = tf.shape(probs)
        if seeds is None:
            seeds = tf.fill(shape[:1], options.seed)
        return draw_levels(shape[1:3], options.sampling, seeds, index)
