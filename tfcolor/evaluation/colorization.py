"""How well photographs are colored, against their true colors."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfcolor.color.binning import BinGrid
from tfcolor.color.spaces import rgb_to_hue_chroma
from tfcolor.core.options import option
from tfcolor.core.progress import track
from tfcolor.core.taps import map_size
from tfcolor.data.reading import ExampleReader
from tfcolor.inference.colorizer import shrink, upsample_histograms
from tfcolor.inference.loading import GrayToColor
from tfcolor.metrics.histograms import HistogramNll
from tfcolor.metrics.image_quality import (
    AlphaBetaRmse,
    Colorfulness,
    PeakSignalToNoise,
    StructuralSimilarity,
)

SECOND_EPS = 0.05


@dataclasses.dataclass(frozen=True)
class ColorizationEvaluationOptions:
    """How colorings are compared with the true colors."""

    eps: float = option(1e-4, "guard against dark pixels in alpha-beta RMSE", minimum=1e-12)
    num_images: int = option(0, "evaluate only the first so many images; 0 for all", minimum=0)


class ColorizationProtocol:
    """Colors the lightness of photographs and compares with their colors.

    Args:
      options: guard and number of images.
    """

    name = "colorization"
    Options = ColorizationEvaluationOptions

    def __init__(self, options: ColorizationEvaluationOptions) -> None:
        self._options = options

    def evaluate(self, colorizer: GrayToColor | None, reader: ExampleReader) -> dict[str, Any]:
        """Measures a colorizer, or the gray baseline.

        Args:
          colorizer: what to measure; None leaves the photographs gray.
          reader: photographs in color.

        Returns:
          `num_images`, `psnr_db` (per image in RGB, arithmetic mean),
          `rmse_alphabeta` (over all pixels of all images) with its guard
          `rmse_alphabeta_eps`, `rmse_alphabeta_eps_0.05`, `ssim`,
          `colorfulness`, and `nll` with its summands `nll_chroma` and `nll_hue`
          in nats per pixel, None for the baseline.

        References:
          Deshpande et al. ICCV 2015 (alpha-beta RMSE); Hasler and Suesstrunk
          2003 (colorfulness).
        """
        quality = _quality_metrics(self._options.eps)
        likelihood = {"chroma": HistogramNll(), "hue": HistogramNll()}
        count = 0
        wanted = min(self._options.num_images or reader.num_examples, reader.num_examples)
        for position in track(range(wanted), "evaluating", wanted, "images"):
            image, used = reader.read(position)
            if used != position:  # unreadable, and the next one stands in for it
                continue
            rgb = tf.constant(image[None], tf.float32) / 255.0
            gray = tf.reduce_mean(rgb, axis=-1, keepdims=True)
            predicted = tf.repeat(gray, 3, axis=-1)
            if colorizer is not None:
                predicted = colorizer.colorize(gray)["rgb"]
                self._add_likelihood(colorizer, gray, rgb, likelihood)
            for metric in quality.values():
                metric.update_state(rgb, predicted)
            count += 1
        figures = {name: float(metric.result()) for name, metric in quality.items()}
        return {
            "num_images": count,
            **figures,
            "rmse_alphabeta_eps": self._options.eps,
            **_likelihood_figures(likelihood if colorizer is not None else {}),
        }

    def _add_likelihood(
        self,
        colorizer: GrayToColor,
        gray: tf.Tensor,
        rgb: tf.Tensor,
        likelihood: Mapping[str, HistogramNll],
    ) -> None:
        """Adds one photograph, at the size at which the network saw it.

        Gray pixels have no hue: they count in the chroma term alone.
        """
        small = shrink(gray, colorizer.size)
        truth = shrink(rgb, colorizer.size)
        probs = upsample_histograms(colorizer.histograms(small), colorizer.grid, map_size(small))
        hue, chroma = rgb_to_hue_chroma(truth)
        weights = {"chroma": tf.ones_like(chroma), "hue": tf.cast(chroma > 1 / 255, tf.float32)}
        for name, values in (("chroma", chroma), ("hue", hue)):
            labels = BinGrid.uniform(int(probs[name].shape[-1])).labels(values)
            log_probs = tf.math.log(tf.maximum(probs[name], np.finfo(np.float32).tiny))
            likelihood[name].update_state(labels, log_probs, weights[name])


def _quality_metrics(eps: float) -> dict[str, tf.keras.metrics.Metric]:
    """Returns fresh metrics by the name of their figure."""
    return {
        "psnr_db": PeakSignalToNoise(),
        "rmse_alphabeta": AlphaBetaRmse(eps),
        f"rmse_alphabeta_eps_{SECOND_EPS}": AlphaBetaRmse(SECOND_EPS),
        "ssim": StructuralSimilarity(),
        "colorfulness": Colorfulness(),
    }


def _likelihood_figures(likelihood: Mapping[str, HistogramNll]) -> dict[str, float | None]:
    """Returns the log-likelihood figures, None where there are no histograms."""
    if not likelihood:
        return {"nll": None, "nll_chroma": None, "nll_hue": None}
    parts = {f"nll_{name}": float(metric.result()) for name, metric in likelihood.items()}
    return {"nll": sum(parts.values()), **parts}
