"""How well the pixels of photographs are classified."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tfcolor.core.options import option
from tfcolor.data.reading import ExampleReader
from tfcolor.data.scene_labels import label_map_annotation
from tfcolor.evaluation.base import NetworkProtocol
from tfcolor.evaluation.dense_prediction import DensePredictor
from tfcolor.evaluation.examples import LabelledImages
from tfcolor.evaluation.label_map_figures import (
    ShownLabels,
    draw_class_bars,
    draw_confusion,
    draw_label_map_sheet,
)
from tfcolor.evaluation.label_map_scores import LabelMapScores
from tfcolor.evaluation.reports import Reports, ranked_blocks
from tfcolor.evaluation.subjects import TrainedNetwork, named_classes

Showing = Callable[[int], ShownLabels]
"""Predicts the photograph of a row of the table again."""


@dataclasses.dataclass(frozen=True)
class SegmentationEvaluationOptions:
    """How predicted label maps are compared with the true ones."""

    num_images: int = option(0, "measure only the first so many images; 0 for all", minimum=0)
    size: int = option(
        0,
        "least side of the black canvas around each image, pixels; 0 takes the crops' of training",
        minimum=0,
    )
    grid_stride: int = option(
        4, "pixels between two predictions, which are interpolated", minimum=1, maximum=64
    )


class SegmentationProtocol(NetworkProtocol[SegmentationEvaluationOptions]):
    """Predicts every pixel of whole photographs at their own scale.

    Several networks are an ensemble: the mean of their probabilities decides.

    Args:
      options: which photographs, and how densely.

    References:
      Larsson, Maire, Shakhnarovich. Colorization as a Proxy Task for Visual
      Understanding. CVPR 2017, section 4; Everingham et al. The PASCAL Visual
      Object Classes Challenge. IJCV 2010, section 4.3 (VOC 2012 segmentation).
    """

    name = "voc_segmentation"
    task = "segmentation"
    takes_several = True
    Options = SegmentationEvaluationOptions

    def evaluate(
        self,
        networks: Sequence[TrainedNetwork],
        reader: ExampleReader,
        reports: Reports | None = None,
    ) -> dict[str, Any]:
        """Measures one network, or several together.

        Args:
          networks: of the task segmentation, for the same classes.
          reader: photographs with label maps.
          reports: files to write besides; None for no file.

        Returns:
          `num_images`, `num_unreadable`, `num_pixels` (void left out),
          `mean_iou` with its 95 % interval over images `mean_iou_interval`,
          `pixel_accuracy`, `mean_class_accuracy` (over classes that occur) and
          `iou_by_class`, None for a class neither true nor predicted anywhere.

        Raises:
          UsageError: if the canvas does not fit the networks.
          UserError: if there are no label maps or other classes, or nothing can
            be read.
        """
        reports = reports or Reports()
        reports.check()
        options = self._options
        names = named_classes(networks, reader.class_names)
        annotation = label_map_annotation(reader, names)
        predictors = [DensePredictor(one, options.size, options.grid_stride) for one in networks]
        scores = LabelMapScores(names)
        images = LabelledImages(reader, annotation, num_images=options.num_images)
        positions = []
        for example in images:
            scores.add(example.name, example.truth, predict_labels(predictors, example.image))
            positions.append(example.position)

        def show(index: int) -> ShownLabels:
            row, image = scores.rows[index], reader.read(positions[index])[0]
            caption = f"{Path(row['image']).stem[:32]}, mean IoU {100 * row['mean_iou']:.1f} %"
            truth = annotation.read(positions[index])
            return ShownLabels(caption, image, truth, predict_labels(predictors, image))

        figures = {**scores.figures(), "num_unreadable": images.num_unreadable}
        reports.write(scores.rows, _draw(scores, figures["iou_by_class"], show))
        return figures


def predict_labels(predictors: Sequence[DensePredictor], image: np.ndarray) -> np.ndarray:
    """Predicts the class of every pixel by the mean probabilities of all networks.

    Args:
      predictors: at least one, for the same classes.
      image: uint8 [H, W, 3].

    Returns:
      int64 [H, W] in [0, K).
    """
    total = tf.add_n([tf.nn.softmax(one.logits(image)) for one in predictors])
    return tf.argmax(total, axis=-1).numpy()


def _draw(
    scores: LabelMapScores, iou_by_class: Mapping[str, float | None], show: Showing
) -> Iterator[tuple[str, Figure]]:
    """Yields the sheet of label maps, the scores by class and the confusion."""
    names = list(iou_by_class)
    known = [index for index, row in enumerate(scores.rows) if row["mean_iou"] is not None]
    blocks = ranked_blocks([scores.rows[index]["mean_iou"] for index in known])
    rows = [
        shown._replace(caption=f"{title}: {shown.caption}")
        for title, places in blocks.items()
        for shown in (show(known[place]) for place in places)
    ]
    if rows:
        values = [np.nan if value is None else value for value in iou_by_class.values()]
        yield "label_maps", draw_label_map_sheet(rows, names)
        yield "iou_by_class", draw_class_bars(names, values, "IoU")
    yield "confusion", draw_confusion(scores.confusion, names)
