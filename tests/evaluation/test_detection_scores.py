import numpy as np
import pytest

from tfcolor.data.sources.boxes import ObjectBoxes
from tfcolor.evaluation.box_prediction import Detections
from tfcolor.evaluation.detection_scores import DetectionScores, pad_found, pad_truth

NAMES = ("cat", "dog", "emu")


def _truth(*rows):
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    labels = np.array([row[1] for row in rows], np.int32)
    return ObjectBoxes(boxes, labels, np.array([len(row) > 2 for row in rows], bool))


def _found(*rows):
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    labels = np.array([row[1] for row in rows], np.int32)
    return Detections(boxes, labels, np.array([row[2] for row in rows], np.float32))


A, B, C = [0, 0, 9, 9], [20, 20, 39, 29], [5, 30, 14, 49]
HALF = [0, 0, 9, 4]
SIZE = (40, 60)


@pytest.fixture
def scores():
    """Two cats and a difficult dog; one cat is found exactly, one by half, one twice."""
    scores = DetectionScores(NAMES)
    scores.add("a", SIZE, _truth((A, 0), (B, 1, "hard")), _found((A, 0, 0.9), (B, 1, 0.8)))
    scores.add("b", SIZE, _truth((A, 0)), _found((HALF, 0, 0.7), (A, 0, 0.6), (C, 1, 0.5)))
    scores.add("c", SIZE, _truth((C, 1)), _found())
    return scores


def test_figures_follow_from_the_flags(scores):
    figures = scores.figures()
    # Cats: right, right, wrong of two. Dogs: wrong of one.
    assert figures["ap_by_class_50"] == {"cat": 1.0, "dog": 0.0, "emu": None}
    assert figures["mean_average_precision_50"] == 0.5
    # Three quarters: right, wrong, right. Recall 0 to 0.5 at 1, beyond at 2 / 3.
    assert figures["ap_by_class_75"]["cat"] == pytest.approx((6 + 5 * 2 / 3) / 11)
    assert figures["ap_by_class_75_all_points"]["cat"] == pytest.approx((1 + 2 / 3) / 2)
    assert (figures["num_images"], figures["num_detections"]) == (3, 5)
    assert (figures["num_objects"], figures["num_difficult"]) == (3, 1)


def test_rows_say_how_an_image_went(scores):
    assert [row["average_precision_50"] for row in scores.rows] == [1.0, 1.0, 0.0]
    assert [row["num_right"] for row in scores.rows] == [1, 1, 0]
    assert [row["num_wrong"] for row in scores.rows] == [0, 2, 0]
    assert [row["num_difficult"] for row in scores.rows] == [1, 0, 0]
    assert scores.rows[1]["best_score"] == pytest.approx(0.7)
    assert scores.rows[2]["best_score"] == 0
    empty = DetectionScores(NAMES)
    empty.add("d", SIZE, _truth((A, 0, "hard")), _found((A, 0, 0.5)))
    assert empty.rows[0]["average_precision_50"] is None
    assert empty.figures()["mean_average_precision_50"] == 0


def test_boxes_that_do_not_see_the_image_are_measured_too():
    scores = DetectionScores(NAMES)
    # In sides of the image (0, 0) to (1, 1), (0, 0) to (1, 0.9) and (0, 0) to (0.5, 0.5).
    scores.add("a", (10, 10), _truth(([0, 0, 9, 9], 0)), _found())
    scores.add("b", (20, 40), _truth(([0, 0, 19, 35], 0)), _found())
    scores.add("c", (40, 10), _truth(([0, 0, 19, 4], 0)), _found())
    figures = scores.figures()
    # Equal scores keep the order of the images: right, right, wrong of three.
    assert figures["whole_image_mean_average_precision_50_all_points"] == pytest.approx(2 / 3)
    # The mean is (0, 0) to (5 / 6, 0.8): two thirds, three quarters and three eighths.
    assert figures["mean_box_mean_average_precision_50_all_points"] == pytest.approx(2 / 3)
    assert figures["mean_box_mean_average_precision_75_all_points"] == pytest.approx(0)


def test_curves_end_at_the_recall(scores):
    curves = scores.curves()
    np.testing.assert_allclose(curves["cat"], [[0.5, 1, 1], [1, 1, 2 / 3]])
    np.testing.assert_allclose(curves["dog"], [[0], [0]])
    assert len(curves["emu"][0]) == 0


def test_padding_has_no_label():
    truth = pad_truth([_truth(), _truth((A, 2), (B, 1, "hard"))])
    np.testing.assert_array_equal(truth.labels, [[-1, -1], [2, 1]])
    np.testing.assert_array_equal(truth.is_difficult, [[False, False], [False, True]])
    np.testing.assert_array_equal(truth.boxes[0], np.zeros([2, 4]))
    found = pad_found([_found((A, 0, 0.5)), _found()])
    np.testing.assert_array_equal(found.labels, [[0], [-1]])
    np.testing.assert_array_equal(found.scores, np.array([[0.5], [0]], np.float32))
