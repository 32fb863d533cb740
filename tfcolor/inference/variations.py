"""Coloring a photograph as a user wishes: variations, transfer, hints."""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf

from tfcolor.color.decoding import DecodingOptions
from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options, option
from tfcolor.data.images import Photograph
from tfcolor.inference.hint_field import HintOptions
from tfcolor.inference.hints import Hints, hinted_histograms, require_spreading
from tfcolor.inference.histogram_transfer import energy_bias, match_reference, require_histograms
from tfcolor.inference.loading import GrayToColor
from tfcolor.inference.photographs import ColoredPhotograph, assemble, gray_batch


@dataclasses.dataclass(frozen=True)
class SampleOptions:
    """How many colorizations of one photograph, and in what they differ."""

    num_samples: int = option(1, "colorizations of each photograph", minimum=1)
    samples_by: str = option(
        "seed",
        "what they differ in: the seed with which colors are drawn, starting at --decoding_seed"
        " (--decoding_sampling=none becomes once), or the color that is favored by"
        " --decoding_bias_strength, evenly spaced from --decoding_bias_angle",
        choices=("seed", "bias"),
    )

    def __post_init__(self) -> None:
        """Raises UsageError if a value is not accepted."""
        check_options(self)


@dataclasses.dataclass(frozen=True, eq=False)
class Wishes:
    """What is asked for besides the colors that a network finds most likely.

    Args:
      decodings: from histograms to color, once for each variation.
      targets: float [K] by name, histograms to come close to; None for as
        predicted.
      target_weight: of the distance from these.
      reference_rgb: float32 [I, J, 3] in [0, 1], whose colors the result takes
        by quantiles; None for its own.
      hints: colors of pixels.
      hint_options: how far hints spread.
    """

    decodings: tuple[DecodingOptions, ...] = (DecodingOptions(),)
    targets: Mapping[str, np.ndarray] | None = None
    target_weight: float = 10.0
    reference_rgb: np.ndarray | None = None
    hints: Hints | None = None
    hint_options: HintOptions = dataclasses.field(default_factory=HintOptions)

    def check(self, colorizer: GrayToColor) -> None:
        """Makes sure that a colorizer can do all this.

        Args:
          colorizer: a network or a SavedModel.

        Raises:
          UserError: if it lacks the histograms for hints.
          UsageError: if it lacks the histograms for the rest.
        """
        if self.hints is not None:
            require_spreading(colorizer.painter.space)
        if self.targets is not None:
            require_histograms(colorizer.painter.space)
        if len(self.decodings) > 1 and not colorizer.painter.space.histograms:
            raise UsageError(
                f"--num_samples={len(self.decodings)}: the network predicts"
                f" {colorizer.painter.space.name}, one color without alternatives"
            )


def vary_decoding(decoding: DecodingOptions, samples: SampleOptions) -> tuple[DecodingOptions, ...]:
    """Returns the decoding of each variation.

    Args:
      decoding: what they share.
      samples: how many, and in what they differ.

    Returns:
      `samples.num_samples` of them; `decoding` itself if that is one.

    Raises:
      UsageError: if they would be the same for want of a bias.

    Example:
      >>> three = SampleOptions(num_samples=3)
      >>> [varied.seed for varied in vary_decoding(DecodingOptions(seed=7), three)]
      [7, 8, 9]
    """
    number = samples.num_samples
    if number == 1:
        return (decoding,)
    if samples.samples_by == "seed":
        sampling = "once" if decoding.sampling == "none" else decoding.sampling
        return tuple(
            dataclasses.replace(decoding, sampling=sampling, seed=decoding.seed + index)
            for index in range(number)
        )
    if decoding.bias_strength == 0:
        raise UsageError(
            "--samples_by=bias without a bias: give --decoding_bias_strength, for instance 1"
        )
    return tuple(
        dataclasses.replace(decoding, bias_angle=decoding.bias_angle + index / number)
        for index in range(number)
    )


def color_variations(
    colorizer: GrayToColor, photograph: Photograph, wishes: Wishes
) -> Iterator[ColoredPhotograph]:
    """Colors one photograph at its own size as often as wished.

    The network looks at it once. Hints come first, then the bias towards the
    target histograms, then decoding, then the colors of the reference.

    Args:
      colorizer: a network or a SavedModel.
      photograph: gray or color; only its lightness is used.
      wishes: what is asked for.

    Yields:
      One result for each of `wishes.decodings`, of the photograph's lightness.

    Raises:
      UserError: if the hints do not fit the photograph.
    """
    gray = tf.constant(gray_batch(photograph))
    painter = colorizer.painter
    if wishes.hints is None:
        predictions = colorizer.histograms(painter.shrink(gray))
    else:
        height, width = photograph.pixels.shape[:2]
        wishes.hints.check(photograph.name, (height, width))
        require_spreading(painter.space)
        predictions = hinted_histograms(colorizer, gray, wishes.hints, wishes.hint_options)
    bias = None
    if wishes.targets is not None:
        bias = energy_bias(predictions, wishes.targets, wishes.target_weight)
    for decoding in wishes.decodings:
        outputs = painter.paint(gray, predictions, decoding, bias=bias)
        if wishes.reference_rgb is not None:
            moved = match_reference(gray[0], outputs["rgb"][0], wishes.reference_rgb)
            outputs = {**outputs, "rgb": moved[None]}
        yield assemble(photograph, gray, outputs)
