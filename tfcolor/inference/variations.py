"""Coloring a photograph as a user wishes: variations, transfer, hints."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from tfcolor.color.decoding import DecodingOptions
from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options, option
from tfcolor.data.images import Photograph
from tfcolor.inference.hint_field import HintOptions
from tfcolor.inference.hints import Hints, hinted_histograms, require_spreading
from tfcolor.inference.histogram_transfer import ReferenceMatch, energy_bias, require_histograms
from tfcolor.inference.loading import GrayToColor
from tfcolor.inference.painting import Painter
from tfcolor.inference.photographs import (
    BlendOptions,
    ColoredPhotograph,
    gray_batch,
    lay_colors,
)


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
      blend: how the colors are laid over the photograph.
    """

    decodings: tuple[DecodingOptions, ...] = (DecodingOptions(),)
    targets: Mapping[str, np.ndarray] | None = None
    target_weight: float = 10.0
    reference_rgb: np.ndarray | None = None
    hints: Hints | None = None
    hint_options: HintOptions = dataclasses.field(default_factory=HintOptions)
    blend: BlendOptions = dataclasses.field(default_factory=BlendOptions)

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


@dataclasses.dataclass(frozen=True, eq=False)
class PredictedColors:
    """What a network predicts for one photograph, before it is decoded.

    Args:
      painter: decodes it and lays it over the photograph.
      predictions: float32 [1, h, w, K] by name.
      bias: float32 [K] by name, towards wished histograms, or None.
    """

    painter: Painter
    predictions: Mapping[str, tf.Tensor]
    bias: Mapping[str, tf.Tensor] | None = None


def predict_colors(
    colorizer: GrayToColor, photograph: Photograph, wishes: Wishes
) -> PredictedColors:
    """Lets a network look at a photograph, once.

    Hints come first, then the bias towards the target histograms.

    Args:
      colorizer: a network or a SavedModel.
      photograph: gray or color; only its lightness is used.
      wishes: what is asked for.

    Returns:
      What to decode.

    Raises:
      UserError: if the hints do not fit the photograph.
    """
    painter = colorizer.painter
    if wishes.hints is None:
        predictions = colorizer.histograms(see(painter, photograph))
    else:
        height, width = photograph.pixels.shape[:2]
        wishes.hints.check(photograph.name, (height, width))
        require_spreading(painter.space)
        gray = tf.constant(gray_batch(photograph))
        predictions = hinted_histograms(colorizer, gray, wishes.hints, wishes.hint_options)
    return favor_targets(PredictedColors(painter, predictions), wishes)


def see(painter: Painter, photograph: Photograph) -> tf.Tensor:
    """Returns a photograph as a network sees it.

    Args:
      painter: of the network; knows its limits of size.
      photograph: gray or color; only its lightness is used.

    Returns:
      float32 [1, h, w, 1] in [0, 1].
    """
    return _compile_shrink(painter)(tf.constant(gray_batch(photograph)))


@functools.lru_cache(maxsize=16)
def _compile_shrink(painter: Painter) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a graph of `Painter.shrink` for one photograph of any size."""
    # Besides its time, every eager operation leaves some bytes behind, for ever.
    signature = [tf.TensorSpec([1, None, None, 1], tf.float32)]
    return tf.function(painter.shrink, autograph=False, input_signature=signature)


def favor_targets(predicted: PredictedColors, wishes: Wishes) -> PredictedColors:
    """Adds the bias towards the wished histograms, if there are any.

    Args:
      predicted: of one photograph.
      wishes: what is asked for.

    Returns:
      What to decode.
    """
    if wishes.targets is None:
        return predicted
    found = energy_bias(predicted.predictions, wishes.targets, wishes.target_weight)
    bias = {name: tf.constant(value, tf.float32) for name, value in found.items()}
    return dataclasses.replace(predicted, bias=bias)


def paint_variations(
    predicted: PredictedColors, photograph: Photograph, wishes: Wishes
) -> Iterator[ColoredPhotograph]:
    """Decodes what a network predicted as often as wished, and lays it over the photograph.

    The colors of the reference come last. They are matched at the size that the
    network saw, so that they do not depend on the photograph's.

    Args:
      predicted: for this photograph.
      photograph: gray or color; only its lightness is used.
      wishes: what is asked for.

    Yields:
      One result for each of `wishes.decodings`, of the photograph's lightness.
    """
    painter = predicted.painter
    size = tf.constant(photograph.pixels.shape[:2])
    for decoding in wishes.decodings:
        decode = _compile_decode(painter, dataclasses.replace(decoding, seed=0))
        maps = decode(predicted.predictions, predicted.bias, size, tf.constant([decoding.seed]))
        change = None
        if wishes.reference_rgb is not None:
            seen = tf.image.resize(gray_batch(photograph), maps.shape[1:3], antialias=True)
            small = painter.paint_rows(seen, maps, maps.shape[1], 0)["rgb"]
            change = ReferenceMatch(seen[0], small[0], wishes.reference_rgb)
        yield lay_colors(painter, photograph, maps, wishes.blend, change)


@functools.lru_cache(maxsize=16)
def _compile_decode(painter: Painter, decoding: DecodingOptions) -> Callable[..., tf.Tensor]:
    """Returns a graph from (predictions, bias, size of the photograph, seeds) to maps of color."""

    @tf.function(autograph=False, reduce_retracing=True)
    def decode(
        predictions: Mapping[str, tf.Tensor],
        bias: Mapping[str, tf.Tensor] | None,
        size: tf.Tensor,
        seeds: tf.Tensor,
    ) -> tf.Tensor:
        posteriors = painter.space.posteriors(predictions, decoding, bias)
        return painter.decode(posteriors, decoding, size, seeds)

    return decode


def color_variations(
    colorizer: GrayToColor, photograph: Photograph, wishes: Wishes
) -> Iterator[ColoredPhotograph]:
    """Colors one photograph at its own size as often as wished.

    Args:
      colorizer: a network or a SavedModel; it looks at the photograph once.
      photograph: gray or color; only its lightness is used.
      wishes: what is asked for.

    Yields:
      One result for each of `wishes.decodings`, of the photograph's lightness.

    Raises:
      UserError: if the hints do not fit the photograph.
    """
    predicted = predict_colors(colorizer, photograph, wishes)
    yield from paint_variations(predicted, photograph, wishes)


def color_photograph(colorizer: GrayToColor, photograph: Photograph) -> ColoredPhotograph:
    """Colors one photograph at its own size, as the colorizer decodes.

    Args:
      colorizer: a network or a SavedModel.
      photograph: gray or color; only its lightness is used.

    Returns:
      The colors, whose mean over the channels is the photograph's lightness to
      within 1/6 of a step.
    """
    (colored,) = color_variations(colorizer, photograph, Wishes((colorizer.decoding,)))
    return colored
