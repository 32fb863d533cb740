import numpy as np

from tfcolor.data.sources.boxes import ObjectBoxes
from tfcolor.evaluation.box_prediction import Detections
from tfcolor.evaluation.detection_figures import (
    SHOWN_DETECTIONS,
    ShownDetections,
    draw_detection_sheet,
)


def _shown(num_found):
    boxes = np.array([[1, 2, 6, 9], [0, 0, 3, 3]], np.float32)
    truth = ObjectBoxes(boxes, np.array([0, 1], np.int32), np.array([False, True]))
    scores = np.linspace(0.4, 0.9, num_found, dtype=np.float32)
    labels = np.ones(num_found, np.int32)
    found = Detections(np.tile(boxes[:1], [num_found, 1]), labels, scores)
    return ShownDetections("best: a, 1 of 1 found", np.zeros([10, 14, 3], np.uint8), truth, found)


def test_a_sheet_shows_true_boxes_and_the_best_found_ones():
    figure = draw_detection_sheet([_shown(12), _shown(1), _shown(0)], ("cat", "dog"), 0.5)
    counts = [len(axes.patches) for axes in figure.axes]
    # Two true ones each; the best is shown though its score is small.
    assert counts == [2 + SHOWN_DETECTIONS, 3, 2]
    assert figure.axes[0].texts[0].get_text() == "dog 0.90"
    assert figure.axes[1].texts[0].get_text() == "dog 0.40"
    first = figure.axes[0].patches[0]
    # From the first to the last pixel, both inside: 6 rows and 8 columns.
    assert first.get_xy() == (1.5, 0.5)
    assert (first.get_width(), first.get_height()) == (8, 6)


def test_cells_without_a_photograph_are_empty():
    figure = draw_detection_sheet([_shown(1)] * 4, ("cat", "dog"), 0.5)
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 1, 1, 0, 0]
