"""What residual networks share, in whichever order their units normalize and rectify."""

import dataclasses
from typing import ClassVar, Generic, TypeVar

import tensorflow as tf

from tfcolor.backbones.base import Backbone, BackboneOptions, Visitor
from tfcolor.core.options import option
from tfcolor.core.taps import Scalar, Tap, Window, compose_tap
from tfcolor.layers.batch_norm import TrainableBatchNorm

FIRST, FIRST_CHANNELS = "conv1", 64
FIRST_WINDOW, FIRST_POOL = Window(7, 2, 3), Window(3, 2)
EXPANSION = 4
"""A unit ends with so many times the channels inside of it."""


@dataclasses.dataclass(frozen=True)
class ResidualOptions(BackboneOptions):
    """Options of residual networks: their batch norm."""

    batch_norm_scale: bool = option(True, "a trainable factor per channel after each batch norm")
    batch_norm_center: bool = option(True, "a trainable shift per channel after each batch norm")
    batch_norm_ramp: bool = option(
        False, "moving statistics that begin with the first batch; else their decay is constant"
    )


@dataclasses.dataclass(frozen=True)
class ResidualUnit:
    """A bottleneck unit: 1x1, 3x3 and 1x1 convolutions beside a shortcut.

    Args:
      name: of its output, if that is tapped.
      width: channels of its first two convolutions.
      channels: outputs.
      stride: of the unit.
      projects: whether the shortcut is a convolution.
    """

    name: str
    width: int
    channels: int
    stride: int
    projects: bool


Unit = TypeVar("Unit", bound=ResidualUnit)


class ResidualBackbone(Backbone, Generic[Unit]):
    """A convolution, a pooling and a row of units, some of whose outputs are tapped.

    The top is the map of the last unit; the canonical mode averages it over all
    positions. The input is not tapped.

    Args:
      options: width, normalization, taps and alignment.
      input_channels: 1 for gray, 3 for RGB.
      name: of the network.

    Attributes:
      units: of the network, in order.
    """

    canonical_size = 224
    halving: ClassVar[Window]
    """How a unit with a stride reads the map below."""
    options: ResidualOptions
    units: tuple[Unit, ...]
    _tap_channels: dict[str, int]

    def __init__(self, options: ResidualOptions, input_channels: int, name: str) -> None:
        super().__init__(input_channels, name, options.input_mean)
        self.options = options

    @property
    def tap_channels(self) -> dict[str, int]:
        """Channels of each tap by name, from the first to the last layer."""
        return dict(self._tap_channels)

    def taps(self, height: Scalar, width: Scalar) -> dict[str, Tap]:
        """Returns the geometry of each map of the convolutional mode.

        Args:
          height: rows of the image, an int or a scalar int32 tensor.
          width: columns of the image, likewise.

        Returns:
          Taps by name, from the first to the last layer. Those of one stride
          share their offset.
        """
        sizes, alignment = (height, width), self.options.tap_alignment
        first = compose_tap(FIRST, self._tap_channels[FIRST], [FIRST_WINDOW], sizes, alignment)
        taps, windows = {FIRST: first}, [FIRST_WINDOW, FIRST_POOL]
        geometry = compose_tap("", 0, windows, sizes, alignment)
        for unit in self.units:
            if unit.stride > 1:
                windows.append(self.halving)
                geometry = compose_tap("", 0, windows, sizes, alignment)
            if unit.name in self._tap_channels:
                taps[unit.name] = dataclasses.replace(
                    geometry, name=unit.name, channels=unit.channels
                )
        return taps

    def activations(
        self,
        inputs: tf.Tensor,
        seeds: tf.Tensor | None,
        training: bool,
        convolutional: bool,
        visitor: Visitor,
    ) -> dict[str, tf.Tensor]:
        """Computes the named activations of prepared images.

        Args:
          inputs: float [B, H, W, C] of the compute dtype.
          seeds: not read: nothing is dropped.
          training: whether batch statistics are on.
          convolutional: as for `call`.
          visitor: called with each named activation as soon as it is made.

        Returns:
          As for `call`.
        """
        del seeds
        current = visitor(FIRST, self._apply_first(inputs, training))
        activations = {FIRST: current}
        current = tf.nn.max_pool2d(current, FIRST_POOL.kernel, FIRST_POOL.stride, "SAME")
        for unit in self.units:
            current = self._apply_unit(unit, current, training)
            if unit.name in self._tap_channels:
                current = activations[unit.name] = visitor(unit.name, current)
        top = current if convolutional else tf.reduce_mean(current, [1, 2])
        return {**activations, "top": top}

    def _apply_first(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        """Applies what comes before the pooling."""
        raise NotImplementedError

    def _apply_unit(self, unit: Unit, current: tf.Tensor, training: bool) -> tf.Tensor:
        """Applies a unit."""
        raise NotImplementedError

    def _build_norm(self, name: str, channels: int) -> None:
        """Creates a batch norm, if the network has any."""
        options = self.options
        if not options.use_batch_norm:
            return
        self.batch_norms[name] = TrainableBatchNorm(
            options.batch_norm_statistics,
            options.synchronize_batch_norm,
            options.batch_norm_ramp,
            use_scale=options.batch_norm_scale,
            use_center=options.batch_norm_center,
            name=f"{name}_batch_norm",
        )
        self.batch_norms[name].build([None, channels])

    def _normalize(self, name: str, current: tf.Tensor, training: bool) -> tf.Tensor:
        """Applies a batch norm, if there is one of this name."""
        if name in self.batch_norms:
            current = self.batch_norms[name](current, training=training)
        return current

    def _convolve_centered(self, name: str, current: tf.Tensor, window: Window) -> tf.Tensor:
        """Convolves around every second cell; SAME would not at even sizes."""
        around = [int(window.padding)] * 2
        current = tf.pad(current, [[0, 0], around, around, [0, 0]])
        return self.convolutions[name](current, padding="VALID")
