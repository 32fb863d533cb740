"""How well the depth of the pixels of photographs is predicted."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tfcolor.core.options import option
from tfcolor.core.taps import map_size
from tfcolor.data.depth_views import based_size
from tfcolor.data.reading import ExampleReader
from tfcolor.data.scene_depths import depth_annotation
from tfcolor.evaluation.base import NetworkProtocol
from tfcolor.evaluation.depth_errors import ErrorsByDepth
from tfcolor.evaluation.depth_figures import ShownDepth, draw_depth_errors, draw_depth_sheet
from tfcolor.evaluation.depth_scores import DepthScores
from tfcolor.evaluation.examples import LabelledImages
from tfcolor.evaluation.mean_depth import MeanDepthMap
from tfcolor.evaluation.reports import Reports, ranked_blocks
from tfcolor.evaluation.subjects import TrainedNetwork
from tfcolor.metrics.depth import MIN_DEPTH

Showing = Callable[[int], ShownDepth]
"""Predicts the image of a row of the table again."""


@dataclasses.dataclass(frozen=True)
class DepthEvaluationOptions:
    """Which images predicted depth is measured on."""

    num_images: int = option(0, "measure only the first so many images; 0 for all", minimum=0)


class DepthProtocol(NetworkProtocol[DepthEvaluationOptions]):
    """Predicts the depth of every pixel of whole images.

    Several networks are an ensemble: the mean of their predictions counts. Beside
    it two predictions are measured that do not look at the image: the mean depth
    of the images that the first network learned from, for all pixels; and at
    each place the mean of the other images that are measured.

    Args:
      options: which images.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 5 and appendix A.
      Eigen, Puhrsch, Fergus. Depth Map Prediction from a Single Image using a
      Multi-Scale Deep Network. NIPS 2014, section 4.
    """

    name = "depth"
    task = "depth"
    takes_several = True
    Options = DepthEvaluationOptions

    def evaluate(
        self,
        networks: Sequence[TrainedNetwork],
        reader: ExampleReader,
        reports: Reports | None = None,
    ) -> dict[str, Any]:
        """Measures one network, or several together.

        Args:
          networks: of the task depth.
          reader: photographs with depth.
          reports: files to write besides; None for no file.

        Returns:
          `num_images`, `num_unreadable`, `num_pixels` (unknown depth left out);
          over all these pixels `delta_1`, `delta_2` and `delta_3` (shares with a
          ratio below 1.25, 1.25^2 and 1.25^3), `mae` and `rmse` in meters, `mre`
          and `log10`; `intervals`, of each its 95 % interval over images;
          `mean_depth` in meters, and `mean_predictor`, its measures;
          `mean_map_predictor`, the measures of the mean at each place.

        Raises:
          UserError: if the images have no depth, or none can be read.
        """
        reports = reports or Reports()
        reports.check()
        annotation = depth_annotation(reader)
        predictors = [DepthPredictor(one) for one in networks]
        mean_depth = networks[0].options.mean_depth
        scores, constants, means = DepthScores(), DepthScores(), MeanDepthMap(mean_depth)
        by_depth = ErrorsByDepth(("network", "mean depth"))
        images = LabelledImages(reader, annotation, num_images=self._options.num_images)
        positions = []
        for example in images:
            predicted = predict_depth(predictors, example.image, example.truth.shape)
            constant = np.full(example.truth.shape, mean_depth)
            scores.add(example.name, example.truth, predicted)
            constants.add(example.name, example.truth, constant)
            means.add(example.truth)
            by_depth.add(example.truth, (predicted, constant))
            positions.append(example.position)

        def show(index: int) -> ShownDepth:
            row, image = scores.rows[index], reader.read(positions[index])[0]
            truth = annotation.read(positions[index])
            caption = f"{Path(row['image']).stem[:32]}, {100 * row['delta_1']:.1f} % below 1.25"
            return ShownDepth(caption, image, truth, predict_depth(predictors, image, truth.shape))

        reports.write(scores.rows, _draw(scores, by_depth, show))
        return {
            "num_images": len(scores.rows),
            "num_unreadable": images.num_unreadable,
            "num_pixels": scores.num_pixels,
            **scores.figures(),
            "intervals": scores.intervals(),
            "mean_depth": mean_depth,
            "mean_predictor": constants.figures(),
            "mean_map_predictor": _measure_means(means, map(annotation.read, positions)),
        }


class DepthPredictor:
    """Predicts the depth of every pixel of an image.

    The image is seen at the scale of the training, without its random factors.

    Args:
      trained: a network of the task depth.
    """

    def __init__(self, trained: TrainedNetwork) -> None:
        self._trained = trained
        specs = [tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([2], tf.int32)]
        self._graph = tf.function(self._pixels, input_signature=specs, autograph=False)

    def depth(self, image: np.ndarray, size: Sequence[int]) -> np.ndarray:
        """Predicts the depth of an image.

        Args:
          image: uint8 [H, W, 3].
          size: (h, w), of the result.

        Returns:
          float32 [h, w], meters, at least `MIN_DEPTH`.
        """
        return self._graph(tf.constant(image), tf.constant(size)).numpy()

    def _pixels(self, image: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        """Predicts float32 [h, w] for uint8 [H, W, 3] and int32 [2]."""
        trained = self._trained
        rgb = tf.cast(image, tf.float32)[tf.newaxis] / 255.0
        rgb = tf.image.resize(rgb, based_size(image, trained.options.side), antialias=True)
        inputs = trained.inputs(tf.clip_by_value(rgb, 0.0, 1.0))
        seen, network = map_size(inputs), trained.network
        taps = network.backbone.taps(*seen)
        depth = network.head.dense(network.read(inputs), taps, seen)
        resized = tf.image.resize(depth[..., tf.newaxis], size)[0, ..., 0]
        return tf.maximum(resized, MIN_DEPTH)


def predict_depth(
    predictors: Sequence[DepthPredictor], image: np.ndarray, size: Sequence[int]
) -> np.ndarray:
    """Predicts depth by the mean of all networks.

    Args:
      predictors: at least one.
      image: uint8 [H, W, 3].
      size: (h, w), of the result.

    Returns:
      float32 [h, w], meters.
    """
    return np.mean([one.depth(image, size) for one in predictors], axis=0)


def _measure_means(means: MeanDepthMap, truths: Iterable[np.ndarray]) -> dict[str, float]:
    """Returns the measures of the mean of the other images, for float [H, W] each."""
    scores = DepthScores()
    for truth in truths:
        scores.add("", truth, means.predict(truth))
    return scores.figures()


def _draw(
    scores: DepthScores, by_depth: ErrorsByDepth, show: Showing
) -> Iterator[tuple[str, Figure]]:
    """Yields the sheet of depth maps and the errors by depth."""
    known = [index for index, row in enumerate(scores.rows) if row["num_pixels"]]
    blocks = ranked_blocks([scores.rows[index]["delta_1"] for index in known])
    rows = [
        shown._replace(caption=f"{title}: {shown.caption}")
        for title, places in blocks.items()
        for shown in (show(known[place]) for place in places)
    ]
    if rows:
        yield "depth_maps", draw_depth_sheet(rows)
        yield "errors_by_depth", draw_depth_errors(*by_depth.curves())
