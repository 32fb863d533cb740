"""What every base network is: named activations with declared geometry."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from tfcolor.core.options import option
from tfcolor.core.taps import ALIGNMENTS, Scalar, Tap, map_size
from tfcolor.layers.batch_norm import ParameterFreeBatchNorm
from tfcolor.layers.convolution import Convolution
from tfcolor.layers.dropout import StatelessDropout

INPUT_MEAN = 114.451 / 255
"""Subtracted from every channel of our own networks' input; nothing else is done to it."""

BEFORE = "_before"
"""Follows a convolution's name in that of a batch norm before it, among `batch_norms`."""

Visitor = Callable[[str, tf.Tensor], tf.Tensor]
"""Sees each named activation and returns the one to continue with."""


@dataclasses.dataclass(frozen=True)
class BackboneOptions:
    """Options of every base network."""

    width_multiplier: float = option(
        1.0, "factor on every layer's channels, rounded to a multiple of 4", minimum=1e-3
    )
    use_batch_norm: bool = option(True, "normalize before every nonlinearity")
    batch_norm_statistics: str = option(
        "batch", "statistics that normalize in training", choices=("batch", "moving")
    )
    synchronize_batch_norm: bool = option(False, "take batch statistics over all replicas together")
    tap_alignment: str = option(
        "centered",
        "where a tap's cells lie: the true receptive field centers, or offset 0 as published",
        choices=ALIGNMENTS,
    )
    input_mean: tuple[float, ...] = option(
        (INPUT_MEAN,), "subtracted from images in [0, 1]: one number, or one per channel"
    )


class Backbone(tf.keras.Model):
    """A base network that turns images into named feature maps.

    A subclass has the class attributes `Options` (its frozen options dataclass)
    and `canonical_size`, takes `(options, input_channels, seed)`, creates all
    its variables in the constructor and implements `taps`, `tap_channels` and
    `activations`.

    Args:
      input_channels: channels of the images, 1 for gray or 3 for RGB.
      name: name of the network.
      input_mean: subtracted from images in [0, 1], one number or one per
        channel. SAME padding pads what is left, so it is also the color that
        the network sees beyond the border.

    Attributes:
      convolutions: every convolution by name, in order.
      batch_norms: the batch norm of a convolution by the convolution's name; one
        that comes before it by that name and `BEFORE`.
      dropouts: the dropout that follows a layer by that layer's name.

    Raises:
      ValueError: if `input_channels` is not positive, or the means are neither
        one nor one per channel.
    """

    Options: type
    canonical_size: int
    has_raw_taps = False
    """Whether taps are neither normalized nor rectified, which is left to their readers."""

    def __init__(
        self, input_channels: int, name: str, input_mean: Sequence[float] = (INPUT_MEAN,)
    ) -> None:
        super().__init__(name=name, autocast=False)
        if input_channels < 1:
            raise ValueError(f"input_channels={input_channels}; expected at least 1")
        if len(input_mean) not in (1, input_channels):
            raise ValueError(f"input_mean={input_mean}; expected 1 or {input_channels} numbers")
        self.input_channels = input_channels
        self.input_mean = tuple(input_mean)
        self.convolutions: dict[str, Convolution] = {}
        self.batch_norms: dict[str, ParameterFreeBatchNorm] = {}
        self.dropouts: dict[str, StatelessDropout] = {}

    def taps(self, height: Scalar, width: Scalar) -> dict[str, Tap]:
        """Returns the geometry of each map of the convolutional mode.

        Args:
          height: rows of the image, an int or a scalar int32 tensor.
          width: columns of the image, likewise.

        Returns:
          Taps by name, from the input to the last layer. The map of a tap has
          the image's size divided by its stride and rounded up.
        """
        raise NotImplementedError

    def canonical_taps(self) -> dict[str, Tap]:
        """Returns what a head reads that is built for the canonical mode.

        Returns:
          The taps at the canonical size by name and, as the last one, the
          collapsed "top": one cell of `top_features` that is the whole image.
        """
        size = self.canonical_size
        top = Tap("top", size, (size - 1) / 2, self.top_features)
        return {**self.taps(size, size), top.name: top}

    @property
    def top_features(self) -> int:
        """Features of the canonical mode's top, [B, D]."""
        return list(self.tap_channels.values())[-1]

    @property
    def tap_channels(self) -> dict[str, int]:
        """Channels of each tap by name, from the input to the last layer."""
        raise NotImplementedError

    def prepare(self, images: tf.Tensor) -> tf.Tensor:
        """Returns what the first layer reads.

        Args:
          images: float32 [B, H, W, input_channels] in [0, 1].

        Returns:
          float32 [B, H, W, C], about 0: the images minus `input_mean`.
        """
        return images - tf.constant(self.input_mean)

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
          inputs: float [B, H, W, C] of the compute dtype, what `prepare` gives.
          seeds: int64 [B, 2], one stateless seed per example, or None.
          training: whether dropout and batch statistics are on.
          convolutional: as for `call`.
          visitor: called with each named activation as soon as it is made.

        Returns:
          As for `call`.
        """
        raise NotImplementedError

    def call(
        self,
        images: tf.Tensor,
        seeds: tf.Tensor | None = None,
        training: bool = False,
        convolutional: bool = True,
        visitor: Visitor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Computes every named activation.

        Args:
          images: float32 [B, H, W, input_channels] in [0, 1].
          seeds: int64 [B, 2], one stateless seed per example; needed only where
            training drops features.
          training: whether dropout and batch statistics are on.
          convolutional: True keeps a map at every layer, for any input size.
            False takes images of the canonical size and collapses the fully
            connected layers, or the top of a network without them, to [B, D].
          visitor: called with the name and [B, h, w, C] map of each activation
            as soon as it is made; the network continues with what it returns.

        Returns:
          Activations of the compute dtype by tap name, after the nonlinearity
          (and dropout), each [B, h, w, C] or [B, D]; and the last one as "top".
          Where the canonical mode ends with a nonlinearity, or max pools after
          it, `UNRECTIFIED_TOP` is what its rectification would make the top.

        Raises:
          ValueError: if a map has other channels than its tap declares.
        """
        if not convolutional:
            images = self._with_static_size(images)
        inputs = tf.cast(self.prepare(images), self.compute_dtype)
        visitor = visitor or _continue_with
        activations = self.activations(inputs, seeds, training, convolutional, visitor)
        self._check_channels(activations)
        return activations

    def _with_static_size(self, images: tf.Tensor) -> tf.Tensor:
        """Takes images of unknown size to be of the canonical one, and checks it."""
        sizes = [self.canonical_size if tf.is_tensor(size) else size for size in map_size(images)]
        return tf.ensure_shape(images, [None, *sizes, self.input_channels])

    def _check_channels(self, activations: Mapping[str, tf.Tensor]) -> None:
        """Raises ValueError where an activation differs from its declaration."""
        for name, channels in self.tap_channels.items():
            if name in activations and activations[name].shape[-1] != channels:
                raise ValueError(
                    f"{self.name}: tap {name!r} declares {channels} channels, "
                    f"its map has {activations[name].shape[-1]}"
                )


def scale_channels(channels: int, multiplier: float) -> int:
    """Scales a layer's channels to a multiple of 4, at least 4.

    Example:
      >>> scale_channels(96, 0.1)
      8
    """
    return max(4, 4 * round(channels * multiplier / 4))


def _continue_with(name: str, activation: tf.Tensor) -> tf.Tensor:
    """Returns the activation: the visitor where there is none."""
    return activation
