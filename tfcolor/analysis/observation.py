"""Photographs as networks look at them, and the activations they cause."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfcolor.backbones.base import Backbone
from tfcolor.color.lightness import quantize_rgb
from tfcolor.core.options import option
from tfcolor.core.progress import track
from tfcolor.core.taps import Tap
from tfcolor.data.reading import ExampleReader
from tfcolor.inference.painting import SizeOptions, network_size

Observer = Callable[[tf.Tensor], Mapping[str, tf.Tensor]]
"""Takes float32 [B, H, W, 3] in [0, 1], returns float32 [B, h, w, C] by tap."""


@dataclasses.dataclass(frozen=True, eq=False)
class ObservedNetwork:
    """A trained base network, and what it takes.

    Args:
      name: what figures and messages call it.
      backbone: with its weights.
      inputs: turns photographs, float32 [B, H, W, 3] in [0, 1], into what the
        backbone takes: their lightness, or themselves.
    """

    name: str
    backbone: Backbone
    inputs: Callable[[tf.Tensor], tf.Tensor]

    @property
    def taps(self) -> dict[str, Tap]:
        """Returns every tap by name; offsets are those at the canonical size."""
        size = self.backbone.canonical_size
        return dict(self.backbone.taps(size, size))

    @property
    def layers(self) -> dict[str, Tap]:
        """Returns the taps that something was learned for: all but the image itself."""
        learned = self.backbone.convolutions
        return {name: tap for name, tap in self.taps.items() if tap.stride > 1 or name in learned}

    def geometry(self, name: str, size: tuple[int, int]) -> Tap:
        """Returns where the receptive fields of a map are centered.

        A network whose taps are at offset 0, as published weights want them read,
        looks elsewhere: its cells are taken to be centered on their pixels.

        Args:
          name: of the tap.
          size: height and width of the view in pixels.

        Returns:
          The tap at this size.
        """
        tap = self.backbone.taps(*size)[name]
        if self.backbone.options.tap_alignment == "centered":
            return tap
        return dataclasses.replace(tap, offset=(tap.stride - 1) / 2)

    def observe(self, names: Sequence[str]) -> Observer:
        """Returns a graph from photographs to activations, as after training.

        Args:
          names: the taps wanted; no other map outlives its use.

        Returns:
          A function of float32 [B, H, W, 3] in [0, 1] that gives float32
          [B, h, w, C] by name.
        """

        def activations(rgb: tf.Tensor) -> dict[str, tf.Tensor]:
            maps = self.backbone(self.inputs(rgb), training=False, convolutional=True)
            return {name: tf.cast(maps[name], tf.float32) for name in names}

        spec = tf.TensorSpec([None, None, None, 3], tf.float32)
        return tf.function(activations, input_signature=[spec], autograph=False)


@dataclasses.dataclass(frozen=True)
class PhotographOptions:
    """Which photographs are looked at."""

    num_images: int = option(0, "look at only the first so many images; 0 for all", minimum=0)


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """A photograph at the size at which networks look at it.

    Args:
      position: where the reader has it.
      name: what messages call it.
      full_size: height and width of the photograph itself, in pixels.
      rgb: float32 [1, H, W, 3], its colors in [0, 1].
    """

    position: int
    name: str
    full_size: tuple[int, int]
    rgb: tf.Tensor

    @property
    def size(self) -> tuple[int, int]:
        """Returns the height and width of the view in pixels."""
        return int(self.rgb.shape[1]), int(self.rgb.shape[2])

    @property
    def pixels(self) -> np.ndarray:
        """Returns the colors as uint8 [H, W, 3]."""
        return quantize_rgb(self.rgb[0]).numpy()

    def to_full_size(self, center: tuple[float, float]) -> tuple[float, float]:
        """Maps a (row, column) of the view to that of the photograph, in its pixels."""
        row, column = (
            (place + 0.5) * full / size - 0.5
            for place, full, size in zip(center, self.full_size, self.size, strict=True)
        )
        return row, column


class Views:
    """The photographs of a reader one by one, without those that cannot be read.

    Args:
      reader: photographs in color.
      options: how many of them.
      size: limits of what networks look at.
    """

    def __init__(
        self, reader: ExampleReader, options: PhotographOptions, size: SizeOptions
    ) -> None:
        self._reader, self._size = reader, size
        self._count = min(options.num_images or reader.num_examples, reader.num_examples)

    def __iter__(self) -> Iterator[View]:
        """Yields every view in order, and shows how far it is."""
        for position in track(range(self._count), "analyzing", self._count, "images"):
            view = self.read(position)
            if view.position == position:  # else it stands in for one that is not readable
                yield view

    def read(self, position: int) -> View:
        """Returns one view.

        Args:
          position: where the reader has the photograph.

        Returns:
          The view of the photograph, or of the next one that can be read.

        Raises:
          UserError: if none can be read.
        """
        image, used = self._reader.read(position)
        rgb = tf.constant(image[None], tf.float32) / 255.0
        full_size = (image.shape[0], image.shape[1])
        size = network_size(tf.constant(full_size), self._size)
        if tuple(size.numpy()) != full_size:
            rgb = tf.clip_by_value(tf.image.resize(rgb, size, antialias=True), 0.0, 1.0)
        return View(used, self._reader.name_of(used), full_size, rgb)
