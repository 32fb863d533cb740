"""How well the objects of photographs are found."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tfcolor.core.options import option
from tfcolor.data.reading import ExampleReader
from tfcolor.data.scene_boxes import box_annotation
from tfcolor.data.sources.boxes import ObjectBoxes
from tfcolor.evaluation.base import NetworkProtocol
from tfcolor.evaluation.box_prediction import BoxPredictor
from tfcolor.evaluation.class_figures import draw_precision_recall
from tfcolor.evaluation.detection_figures import ShownDetections, draw_detection_sheet
from tfcolor.evaluation.detection_scores import DetectionScores
from tfcolor.evaluation.examples import LabelledImages
from tfcolor.evaluation.label_map_figures import draw_class_bars
from tfcolor.evaluation.reports import Reports, ranked_blocks
from tfcolor.evaluation.subjects import TrainedNetwork, named_classes

Showing = Callable[[int], ShownDetections]
"""Detects in the photograph of a row of the table again."""


@dataclasses.dataclass(frozen=True)
class DetectionEvaluationOptions:
    """How detections are compared with true boxes."""

    num_images: int = option(0, "measure only the first so many images; 0 for all", minimum=0)
    scale: int = option(
        0, "length of the shorter side, pixels; 0 takes that of training", minimum=0
    )
    max_side: int = option(
        0, "longest length of the longer side, pixels; 0 takes that of training", minimum=0
    )
    shown_score: float = option(
        0.5, "least score of the boxes that pictures show", minimum=0, maximum=1
    )


class DetectionProtocol(NetworkProtocol[DetectionEvaluationOptions]):
    """Finds objects in whole photographs and takes the mean average precision.

    Detections are ranked over all photographs, each class by itself, after
    non-maximum suppression, and compared at overlaps of 0.5 and 0.75 in pixels of
    the photographs. Difficult objects count neither way, and second detections of
    an object are wrong.

    Args:
      options: which photographs, and at which scale.

    References:
      Everingham et al. The PASCAL Visual Object Classes Challenge. IJCV 2010,
      section 4.4 (VOC 2007 detection); Doersch, Zisserman. Multi-task
      Self-Supervised Visual Learning. ICCV 2017, section 4.
    """

    name = "voc_detection"
    task = "detection"
    Options = DetectionEvaluationOptions

    def evaluate(
        self,
        networks: Sequence[TrainedNetwork],
        reader: ExampleReader,
        reports: Reports | None = None,
    ) -> dict[str, Any]:
        """Measures a network.

        Args:
          networks: one, of the task detection.
          reader: photographs with boxes.
          reports: files to write besides; None for no file.

        Returns:
          `num_unreadable` and what `DetectionScores.figures` gives.

        Raises:
          UserError: if the images have no boxes, or other classes, or nothing can
            be read.
        """
        reports = reports or Reports()
        reports.check()
        options = self._options
        names = named_classes(networks, reader.class_names)
        annotation = box_annotation(reader, names)
        predictor = BoxPredictor(networks[0], options.scale, options.max_side)
        scores = DetectionScores(names)
        images = LabelledImages(reader, annotation, num_images=options.num_images)
        positions = []
        for example in images:
            found = predictor.find(example.image)
            height, width = example.image.shape[:2]
            scores.add(example.name, (height, width), _objects(example.truth), found)
            positions.append(example.position)

        def show(index: int) -> ShownDetections:
            row, image = scores.rows[index], reader.read(positions[index])[0]
            truth = _objects(annotation.read(positions[index]))
            caption = f"{Path(row['image']).stem[:32]}, {_verdict(row)}"
            return ShownDetections(caption, image, truth, predictor.find(image))

        figures = {"num_unreadable": images.num_unreadable, **scores.figures()}
        reports.write(scores.rows, _draw(scores, figures, show, options.shown_score))
        return figures


def _objects(rows: np.ndarray) -> ObjectBoxes:
    """Returns the objects in float32 [G, 6] of `box_annotation`."""
    return ObjectBoxes(rows[:, :4], rows[:, 4].astype(np.int32), rows[:, 5] > 0)


def _verdict(row: Mapping[str, Any]) -> str:
    """Returns how well the objects of a photograph are found, in a few words."""
    found = f"{row['num_right']} of {row['num_objects']} found"
    value = row["average_precision_50"]
    return found if value is None else f"{found}, AP {100 * value:.1f} %"


def _draw(
    scores: DetectionScores, figures: Mapping[str, Any], show: Showing, min_score: float
) -> Iterator[tuple[str, Figure]]:
    """Yields the sheet of photographs, the curves and the scores by class."""
    precisions = figures["ap_by_class_50"]
    rows = scores.rows
    known = [index for index, row in enumerate(rows) if row["average_precision_50"] is not None]
    # Of photographs with the same precision, the surer one is the better one.
    ranks = [
        rows[index]["average_precision_50"] + 1e-3 * rows[index]["best_score"] for index in known
    ]
    shown = [
        one._replace(caption=f"{title}: {one.caption}")
        for title, places in ranked_blocks(ranks).items()
        for one in (show(known[place]) for place in places)
    ]
    if shown:
        yield "detections", draw_detection_sheet(shown, list(precisions), min_score)
        values = [np.nan if value is None else value for value in precisions.values()]
        yield "ap_by_class", draw_class_bars(list(precisions), values, "average precision")
    yield "precision_recall", draw_precision_recall(scores.curves(), precisions)
