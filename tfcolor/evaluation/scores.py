"""The scores of colored photographs, one by one and all together."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfcolor.core.taps import map_size
from tfcolor.inference.painting import Painter
from tfcolor.metrics.calibration import ExpectedCalibrationError
from tfcolor.metrics.error_distribution import ErrorDistribution
from tfcolor.metrics.histograms import HistogramNll
from tfcolor.metrics.image_quality import (
    AlphaBetaRmse,
    Colorfulness,
    PeakSignalToNoise,
    StructuralSimilarity,
)
from tfcolor.metrics.intervals import bootstrap_interval

SECOND_EPS = 0.05

Row = dict[str, Any]
"""The scores of one photograph by name, after its `image`, `height`, `width`."""

_ONE_IMAGE = tf.TensorSpec([1, None, None, 3], tf.float32)


class ColorScores:
    """Compares colored photographs with their true colors.

    Args:
      eps: guard against dark pixels in alpha-beta errors.
      painter: of the colorizer, whose histograms are scored too; None for the
        gray baseline.

    Attributes:
      is_baseline: whether the photographs are left gray.
      rows: the scores of every photograph so far.
      errors: of the pixels of all photographs.
      gray_errors: the same if all had been left gray.
      calibration: of each histogram, by name.
    """

    def __init__(self, eps: float, painter: Painter | None) -> None:
        self._eps, self._painter = eps, painter
        self.is_baseline = painter is None
        histograms = () if painter is None else tuple(painter.space.histograms)
        self.rows: list[Row] = []
        self.errors, self.gray_errors = ErrorDistribution(eps), ErrorDistribution(eps)
        self.calibration = {name: ExpectedCalibrationError() for name in histograms}
        # Each twice: for the photograph at hand, and for all.
        self._quality, self._total_quality = _quality_metrics(eps), _quality_metrics(eps)
        self._likelihood = {name: HistogramNll() for name in histograms}
        self._total_likelihood = {name: HistogramNll() for name in histograms}
        self._gray_psnr = PeakSignalToNoise()

    def add(
        self,
        name: str,
        rgb: tf.Tensor,
        colored: tf.Tensor,
        predictions: dict[str, tf.Tensor] | None = None,
    ) -> None:
        """Adds one photograph.

        Args:
          name: of its file.
          rgb: float32 [1, H, W, 3], the true colors in [0, 1].
          colored: float32 [1, H, W, 3], the predicted colors in [0, 1].
          predictions: float32 [1, h, w, K] by name, the histograms of
            `painter.shrink(gray)`; None for the baseline.
        """
        current = {**self._quality, "psnr_db_gray": self._gray_psnr}
        for metric in (*current.values(), *self._likelihood.values()):
            metric.reset_state()
        self._compare(rgb, colored)
        if predictions is not None and self._painter is not None:
            self._add_likelihood(self._painter, rgb, predictions)
        for total, metric in _pairs(self._total_quality, self._quality):
            total.merge_state([metric])
        for total, metric in _pairs(self._total_likelihood, self._likelihood):
            total.merge_state([metric])
        height, width = rgb.shape[1:3]
        self.rows.append(
            {
                "image": name,
                "height": height,
                "width": width,
                **{key: float(metric.result()) for key, metric in current.items()},
                **_likelihood_figures(self._likelihood),
            }
        )

    def figures(self) -> dict[str, Any]:
        """Returns the scores of all photographs together, by name."""
        quality = {name: float(metric.result()) for name, metric in self._total_quality.items()}
        decibels = np.array([row["psnr_db"] for row in self.rows])
        return {
            "num_images": len(self.rows),
            **quality,
            "psnr_db_interval": list(bootstrap_interval(decibels)),
            "psnr_db_geometric": float(np.exp(np.log(decibels).mean())),
            "rmse_alphabeta_eps": self._eps,
            "median_error_alphabeta": float(self.errors.result()),
            **_likelihood_figures(self._total_likelihood),
            **{
                f"calibration_error_{name}": float(metric.result())
                for name, metric in self.calibration.items()
            },
        }

    @tf.function(input_signature=[_ONE_IMAGE, _ONE_IMAGE], autograph=False)
    def _compare(self, rgb: tf.Tensor, colored: tf.Tensor) -> None:
        """Scores colors; one graph for photographs of all sizes."""
        gray = tf.repeat(tf.reduce_mean(rgb, axis=-1, keepdims=True), 3, axis=-1)
        for metric in (*self._quality.values(), self.errors):
            metric.update_state(rgb, colored)
        for metric in (self._gray_psnr, self.gray_errors):
            metric.update_state(rgb, gray)

    def _add_likelihood(
        self, painter: Painter, rgb: tf.Tensor, predictions: dict[str, tf.Tensor]
    ) -> None:
        """Scores histograms, at the size at which the network saw the photograph.

        Gray pixels have no hue: they count in the chroma term alone.
        """
        truth = painter.shrink(rgb)
        labels, weights = painter.space.labels(truth), painter.space.label_weights(truth)
        for name, metric in self._likelihood.items():
            probs = painter.enlarge({name: predictions[name]}, map_size(truth))[name]
            log_probs = tf.math.log(tf.maximum(probs, np.finfo(np.float32).tiny))
            metric.update_state(labels[name], log_probs, weights[name])
            self.calibration[name].update_state(labels[name], probs, weights[name])


def _quality_metrics(eps: float) -> dict[str, tf.keras.metrics.Metric]:
    """Returns fresh metrics by the name of their figure."""
    return {
        "psnr_db": PeakSignalToNoise(),
        "rmse_alphabeta": AlphaBetaRmse(eps),
        f"rmse_alphabeta_eps_{SECOND_EPS}": AlphaBetaRmse(SECOND_EPS),
        "ssim": StructuralSimilarity(),
        "colorfulness": Colorfulness(),
    }


def _pairs(
    totals: dict[str, tf.keras.metrics.Metric], parts: dict[str, tf.keras.metrics.Metric]
) -> list[tuple[tf.keras.metrics.Metric, tf.keras.metrics.Metric]]:
    """Returns the metrics of the same name."""
    return [(total, parts[name]) for name, total in totals.items()]


def _likelihood_figures(likelihood: dict[str, HistogramNll]) -> dict[str, float | None]:
    """Returns the log-likelihood figures, None where there are no histograms."""
    if not likelihood:
        return {"nll": None}
    parts = {f"nll_{name}": float(metric.result()) for name, metric in likelihood.items()}
    return {"nll": sum(parts.values()), **parts}
