"""Painting what is hidden of an image: context encoders."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.masks import center_hole, random_blocks, random_region
from tfcolor.data.pipeline import Example
from tfcolor.data.reading import ExampleReader
from tfcolor.data.transforms import random_view
from tfcolor.heads.context_encoder import ORIGINAL, ContextEncoderHead
from tfcolor.heads.generator import SMALLEST_SIDE, cut_middle
from tfcolor.losses.adversarial import discriminator_loss, judgement_loss
from tfcolor.losses.masked_error import masked_squared_error
from tfcolor.metrics.judgement import JudgementAccuracy
from tfcolor.metrics.painting import ConstantColorError, ExplainedError, HiddenError
from tfcolor.tasks.base import Panel, Tensors
from tfcolor.tasks.canonical_view import SquareViewOptions, canonical_side
from tfcolor.tasks.image_task import image_pixels
from tfcolor.tasks.pretext import PretextOptions, PretextTask

ADVERSARIAL_SCALE = 4.0
"""Of squared errors of values in [-1, 1], to which the published weight belongs."""


@dataclasses.dataclass(frozen=True)
class InpaintingOptions(PretextOptions, SquareViewOptions):
    """What is hidden, and what paints it."""

    readout: str = option(
        "top",
        "what it is painted from: the backbone's canonical top, for views of its canonical size,"
        " or its last map, for views of any size",
        choices=("top", "map"),
    )
    mask: str = option(
        "center",
        "what is hidden: the middle, of which half the image's side is painted, or random blocks"
        " or a random region, and all is painted",
        choices=("center", "blocks", "region"),
    )
    overlap: int = option(
        4, "visible pixels along each border of the painted middle (mask=center)", minimum=0
    )
    overlap_weight: float = option(
        10.0, "weight of the errors of these pixels (mask=center)", minimum=0
    )
    fill: tuple[float, ...] = option(
        (123 / 255, 117 / 255, 104 / 255),
        "color of the hole, RGB; the published program has red and blue the other way round",
        minimum=0,
        maximum=1,
    )
    channels: int = option(
        64, "of the maps next to the image, in generator and discriminator", minimum=1
    )
    reconstruction_weight: float = option(
        1.0,
        "weight w of the squared error; the adversarial loss has 1 - w: 0.999 as published, and"
        " for 1 there is no discriminator",
        minimum=0,
        maximum=1,
    )
    discriminator_rate: float = option(
        1.0,
        "learning rate of the discriminator, relative to that of the generator, by any optimizer;"
        " 0.1 as published",
        minimum=1e-3,
    )

    def __post_init__(self) -> None:
        """Raises UsageError if the color of the hole is none."""
        if len(self.fill) != 3:
            raise UsageError(f"--inpainting_fill: expected 3 numbers, not {len(self.fill)}")

    @property
    def is_adversarial(self) -> bool:
        """Whether there is a discriminator."""
        return self.reconstruction_weight < 1

    @property
    def painted_side(self) -> int:
        """Side of the painted square in pixels; the crop size must be known."""
        return self.crop_size // 2 if self.mask == "center" else self.crop_size

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "InpaintingOptions":
        """Fills in the size of the view.

        Args:
          readers: not read.
          canonical_size: side of the images that the backbone takes, pixels.

        Returns:
          Options without a crop size of 0.

        Raises:
          UsageError: if the backbone's top is of views of another size, or the
            view is too small for its hole or too large for the photographs.
        """
        del readers
        size = self.crop_size or canonical_size
        if self.readout == "top":
            size = canonical_side(self.crop_size, canonical_size, "inpainting_crop_size")
        options = self.with_size(size)
        least = max(2 * SMALLEST_SIDE, 2 * self.overlap + 1 if self.mask == "center" else 0)
        if options.painted_side < least:
            raise UsageError(
                f"--inpainting_crop_size={size}: {options.painted_side} pixels are painted,"
                f" expected at least {least}"
            )
        return options


class InpaintingTask(PretextTask):
    """Paints the hidden pixels of random views from the visible ones.

    Every pixel under the hole is replaced by one color before the network sees
    the view, and the hole depends on the seed alone.

    With an adversarial loss the discriminator is part of the head, and every
    step updates it together with the generator, each by its own loss. The sum of
    the losses says little then: watch the score.

    Args:
      options: views, holes and losses; completed if there are readers.
      readers: where each split's images come from.
      color_input: feeds the gray image copied to three channels, for a
        backbone that is shared with tasks on color images.

    References:
      Pathak et al. Context Encoders: Feature Learning by Inpainting. CVPR 2016.
    """

    name = "inpainting"
    Options = InpaintingOptions
    score = "explained"

    def __init__(
        self,
        options: InpaintingOptions,
        readers: Mapping[str, ExampleReader],
        *,
        color_input: bool = False,
    ) -> None:
        super().__init__(options, readers, color_input=color_input)
        self.convolutional = options.readout == "map"

    def make_example(self, rgb: tf.Tensor, seed: tf.Tensor) -> Example:
        """Returns a view with a hole, and what is painted of it.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          seed: int64 [2], the example's own; fixes view and hole.

        Returns:
          Inputs: `image`, float32 [S, S, C] in [0, 1], with the hole; and for the
          discriminator `original`, the target. Targets, of the square of T
          pixels that is painted: `image`, float32 [T, T, C] in [0, 1]; `hidden`,
          float32 [T, T, 1], 1 under the hole, else 0; `weight`, float32
          [T, T, 1], what errors count; and `color`, float32 [C], the mean of all
          visible pixels of the view.
        """
        options = self.options
        view_seed, hole_seed = (
            tf.random.experimental.stateless_fold_in(seed, number) for number in (1, 2)
        )
        view = random_view(rgb, view_seed, options.training_view)
        hole = self._draw_hole(hole_seed)
        image = self.as_input(tf.where(hole > 0, tf.constant(options.fill), view))
        original = self.as_input(view)
        visible = tf.reduce_sum((1 - hole) * original, axis=[0, 1]) / tf.reduce_sum(1 - hole)
        painted, hidden = self._painted_part(original), self._painted_part(hole)
        visible_weight = options.overlap_weight if options.mask == "center" else 0.0
        targets = {
            "image": painted,
            "hidden": hidden,
            "weight": hidden + visible_weight * (1 - hidden),
            "color": visible,
        }
        return {"image": image} | ({ORIGINAL: painted} if options.is_adversarial else {}), targets

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns what paints, and what judges it.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights.

        Returns:
          A head with the outputs of `ContextEncoderHead`.

        Raises:
          UsageError: if no doublings make an image of the backbone's map.
        """
        options = self.options
        return ContextEncoderHead(
            taps,
            self.input_channels,
            options.channels,
            (options.crop_size, options.painted_side),
            reads_map=self.convolutional,
            discriminator_rate=options.discriminator_rate if options.is_adversarial else 0.0,
            seed=seed,
        )

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns the error of what is painted, and what is thought of it.

        Args:
          targets: those of `make_example`, with a leading axis B.
          outputs: those of `ContextEncoderHead`.

        Returns:
          float32 [B] each: `reconstruction`, the mean of the weighted squared
          errors, times w; and with a discriminator, for which they are of values in
          [-1, 1] as published, `adversarial`, times 1 - w, and `discriminator`, which
          trains nothing else.
        """
        options, weight = self.options, self.options.reconstruction_weight
        error = masked_squared_error(targets["image"], outputs["painted"], targets["weight"])
        if options.is_adversarial:
            error *= ADVERSARIAL_SCALE
        losses = {"reconstruction": weight * error}
        if options.is_adversarial:
            opinion = judgement_loss(outputs["fixed_fake_logits"], is_real=True)
            mistakes = discriminator_loss(outputs["real_logits"], outputs["fake_logits"])
            losses |= {"adversarial": (1 - weight) * opinion, "discriminator": mistakes}
        return losses

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns how well the hidden pixels are painted.

        Args:
          fitted: of the training split; its best color is measured as a baseline.

        Returns:
          `hidden_error`, the mean squared error under the hole; `explained`, the
          share of it that is gone compared with the mean color of the visible
          pixels, 0 for that color and at most 1; without a discriminator
          `constant_loss`, the loss of one color for all; with it
          `discriminator_accuracy` in [0, 1].
        """
        metrics = {"hidden_error": HiddenError(), "explained": ExplainedError()}
        if self.options.is_adversarial:
            return {**metrics, "discriminator_accuracy": JudgementAccuracy()}
        constant = None if fitted is None else fitted["constant_loss"].best_constant()
        return {**metrics, "constant_loss": ConstantColorError(self.input_channels, constant)}

    def depict(self, inputs: Tensors, targets: Tensors, outputs: Tensors) -> list[list[Panel]]:
        """Returns each view with its hole, as it was, and with the hole painted.

        Args:
          inputs: `image`, float32 [B, S, S, C] in [0, 1].
          targets: `image`, float32 [B, T, T, C], and `hidden`, float32
            [B, T, T, 1].
          outputs: `painted`, float32 [B, T, T, C].

        Returns:
          Three panels for each example.
        """
        images, hidden = inputs["image"].numpy(), targets["hidden"].numpy()
        first = (images.shape[1] - hidden.shape[1]) // 2
        inside = slice(first, first + hidden.shape[1])
        pictures = {"input": images}
        for caption, filling in (("target", targets["image"]), ("answer", outputs["painted"])):
            pictures[caption] = images.copy()
            square = pictures[caption][:, inside, inside]
            square[...] = np.where(hidden > 0, filling, square)
        pixels = {caption: image_pixels(some) for caption, some in pictures.items()}
        return [
            [Panel(caption, some[row]) for caption, some in pixels.items()]
            for row in range(len(images))
        ]

    def _draw_hole(self, seed: tf.Tensor) -> tf.Tensor:
        """Returns float32 [S, S, 1], 1 where the view is hidden."""
        options, side = self.options, self.options.crop_size
        if options.mask == "blocks":
            return random_blocks(seed, side)
        if options.mask == "region":
            return random_region(seed, side)
        painted, before = options.painted_side, (side - options.painted_side) // 2
        margins = [before, side - painted - before]
        return tf.pad(center_hole(painted, options.overlap), [margins, margins, [0, 0]])

    def _painted_part(self, image: tf.Tensor) -> tf.Tensor:
        """Returns the square of float32 [S, S, C] that is painted, [T, T, C]."""
        return cut_middle(image[tf.newaxis], self.options.painted_side)[0]
