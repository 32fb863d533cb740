"""How well photographs are colored, against their true colors."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import tensorflow as tf

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.spaces import rgb_to_lightness
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option
from tfcolor.core.progress import track
from tfcolor.data.reading import ExampleReader
from tfcolor.evaluation.color_pictures import color_figures
from tfcolor.evaluation.reports import Reports
from tfcolor.evaluation.scores import ColorScores
from tfcolor.evaluation.subjects import COLORIZER
from tfcolor.evaluation.subsets import SUBSETS, select_images
from tfcolor.evaluation.tables import draw_statistics
from tfcolor.inference.histogram_transfer import (
    ReferenceMatch,
    energy_bias,
    require_histograms,
    target_histograms,
)
from tfcolor.inference.loading import GrayToColor

TRANSFERS = ("none", "quantile", "energy")


@dataclasses.dataclass(frozen=True)
class ColorizationEvaluationOptions:
    """How colorings are compared with the true colors."""

    eps: float = option(1e-4, "guard against dark pixels in alpha-beta RMSE", minimum=1e-12)
    num_images: int = option(0, "evaluate only the first so many images; 0 for all", minimum=0)
    subset: str = option(
        "all",
        "which of --images to measure on, chosen again by a publication's rules: cval1k and"
        " ctest10k from ImageNet's validation set, sun_a and sun_6 from a folder per category",
        choices=tuple(SUBSETS),
    )
    subset_seed: int = option(0, "chooses the subset", minimum=0)
    histogram: str = option(
        "none",
        "tells the colorizer each photograph's true distribution of colors, to which it moves"
        " its own by quantiles or by energy",
        choices=TRANSFERS,
    )
    transfer_weight: float = option(
        10.0, "weight of the true distribution in the transfer by energy", minimum=0
    )


class ColorizationProtocol:
    """Colors the lightness of photographs and compares with their colors.

    Args:
      options: which photographs, and how they are compared.
      decoding: from histograms to color; None leaves it to the colorizer, as
        an export has its own.
    """

    name = "colorization"
    subject = COLORIZER
    Options = ColorizationEvaluationOptions

    def __init__(
        self, options: ColorizationEvaluationOptions, decoding: DecodingOptions | None = None
    ) -> None:
        self._options = options
        self._decoding = decoding

    def evaluate(
        self,
        colorizer: GrayToColor | None,
        reader: ExampleReader,
        reports: Reports | None = None,
    ) -> dict[str, Any]:
        """Measures a colorizer, or the gray baseline.

        Args:
          colorizer: what to measure; None leaves the photographs gray.
          reader: photographs in color.
          reports: files to write besides; None for no file.

        Returns:
          `num_images`, `psnr_db` (per image in RGB, arithmetic mean) with its
          95 % interval `psnr_db_interval`, `psnr_db_geometric`,
          `rmse_alphabeta` (over all pixels of all images) with its guard
          `rmse_alphabeta_eps`, `rmse_alphabeta_eps_0.05`,
          `median_error_alphabeta`, `ssim`, `colorfulness`, and `nll` with its
          summands (`nll_hue`) in nats per pixel, None where there are no
          histograms; the `calibration_error_hue` of each histogram. For several
          draws of images all this is over their union, and `over_draws` has the
          mean and standard deviation of what each draw gives. The histograms
          are measured as predicted, before any transfer.

        Raises:
          UsageError: if options do not fit each other or the colorizer.
          UserError: if the images do not fit the subset, or none can be read.

        References:
          Deshpande et al. ICCV 2015 (alpha-beta RMSE); Hasler and Suesstrunk
          2003 (colorfulness); Guo et al. ICML 2017 (calibration).
        """
        self._check(colorizer)
        reports = reports or Reports()
        reports.check()
        options = self._options
        draws = select_images(SUBSETS[options.subset], reader, options.subset_seed)
        positions = list(dict.fromkeys(itertools.chain.from_iterable(draws)))
        positions = positions[: options.num_images or None]
        scores = ColorScores(options.eps, None if colorizer is None else colorizer.painter)
        scored = []
        for position in track(positions, "evaluating", len(positions), "images"):
            if self._score(colorizer, reader, position, scores):
                scored.append(position)
        if not scored:
            raise UserError(f"none of the {len(positions)} images chosen could be read")
        figures = scores.figures()
        if len(draws) > 1:
            rows = dict(zip(scored, scores.rows, strict=True))
            chosen = [[rows[position] for position in draw if position in rows] for draw in draws]
            figures["over_draws"] = draw_statistics(chosen)

        def show(index: int) -> tuple[tf.Tensor, tf.Tensor]:
            rgb = _unit(reader.read(scored[index])[0])
            return rgb, self._color(colorizer, rgb)[0]

        reports.write(scores.rows, color_figures(scores, show))
        return figures

    def _score(
        self,
        colorizer: GrayToColor | None,
        reader: ExampleReader,
        position: int,
        scores: ColorScores,
    ) -> bool:
        """Adds one photograph to the scores; returns False if it cannot be read."""
        image, used = reader.read(position)
        if used != position:  # the next readable one stands in for it
            return False
        rgb = _unit(image)
        scores.add(reader.name_of(position), rgb, *self._color(colorizer, rgb))
        return True

    def _check(self, colorizer: GrayToColor | None) -> None:
        """Raises UsageError where options do not fit each other or the colorizer."""
        options = self._options
        if options.num_images and SUBSETS[options.subset].num_draws:
            raise UsageError(
                f"--colorization_num_images={options.num_images}: expected 0 with"
                f" --colorization_subset={options.subset}, which needs all its images"
            )
        if options.histogram != "none" and colorizer is None:
            raise UsageError(
                f"--colorization_histogram={options.histogram}: expected none for the baseline,"
                " which has no colors to move"
            )
        if options.histogram == "energy" and colorizer is not None:
            require_histograms(colorizer.painter.space)

    def _color(
        self, colorizer: GrayToColor | None, rgb: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor] | None]:
        """Colors the lightness of a photograph.

        Args:
          colorizer: what to measure; None leaves it gray.
          rgb: float32 [1, H, W, 3], its true colors.

        Returns:
          (colored, predictions): float32 [1, H, W, 3], and the histograms that
          the network gave, float32 [1, h, w, K] by name; None without a network.
        """
        gray, predictions = rgb_to_lightness(rgb), None
        colored = tf.repeat(gray, 3, axis=-1)
        if colorizer is not None:
            predictions = colorizer.histograms(colorizer.painter.shrink(gray))
            colored = self._paint(colorizer, gray, predictions, rgb)
        if self._options.histogram == "quantile":
            match = ReferenceMatch(gray[0], colored[0], rgb[0])
            colored = match(gray[0], colored[0])[None]
        return colored, predictions

    def _paint(
        self,
        colorizer: GrayToColor,
        gray: tf.Tensor,
        predictions: dict[str, tf.Tensor],
        rgb: tf.Tensor,
    ) -> tf.Tensor:
        """Returns the colors of predicted histograms, float32 [1, H, W, 3]."""
        painter, bias = colorizer.painter, None
        if self._options.histogram == "energy":
            targets = target_histograms(painter, rgb)
            bias = energy_bias(predictions, targets, self._options.transfer_weight)
        elif self._decoding is None:
            return colorizer.colorize(gray)["rgb"]
        decoding = self._decoding or colorizer.decoding
        return painter.paint(gray, predictions, decoding, bias=bias)["rgb"]


def _unit(image: np.ndarray) -> tf.Tensor:
    """Returns uint8 [H, W, 3] as float32 [1, H, W, 3] in [0, 1]."""
    return tf.constant(image[None], tf.float32) / 255.0
