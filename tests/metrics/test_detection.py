import inspect
import math

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.metrics.detection import (
    AREAS,
    DetectionAveragePrecision,
    FoundBoxes,
    TrueBoxes,
    detection_average_precision,
    match_detections,
)


def _measure(flags, positives, area):
    scores = np.linspace(1, 0, len(flags))
    return float(detection_average_precision(flags, scores, positives, area=area))


# Spec of the pretext tasks, golden 13.
@pytest.mark.parametrize(
    ("flags", "positives", "eleven_point", "all_points"),
    [
        ([1, 0, 1, 0, 1], 3, 0.763636, 0.755556),
        ([1, 1, 1], 10, 4 / 11, 0.3),
        ([1, 1, 0, 1, 0, 0, 1], 5, 0.694805, 0.664286),
        ([0, 0], 2, 0.0, 0.0),
        ([], 2, 0.0, 0.0),
    ],
)
def test_golden_values(flags, positives, eleven_point, all_points):
    assert _measure(flags, positives, "eleven_point") == pytest.approx(eleven_point, abs=1e-6)
    assert _measure(flags, positives, "all_points") == pytest.approx(all_points, abs=1e-6)


def test_ignored_detections_change_nothing_and_no_object_is_no_number():
    for area in AREAS:
        assert _measure([-1, 1, -1, 0, 1], 3, area) == _measure([1, 0, 1], 3, area)
        assert math.isnan(_measure([0, -1], 0, area))
    with pytest.raises(ValueError, match="area 'box': expected one of eleven_point, all_points"):
        _measure([1], 1, "box")


def _single(boxes, labels=None, extra=None, dtype=np.float64):
    labels = np.zeros(len(boxes), int) if labels is None else np.array(labels)
    extra = np.zeros(len(boxes), dtype) if extra is None else np.array(extra, dtype)
    return np.array([boxes], np.float64).reshape(1, -1, 4), labels[None], extra[None]


def _match(truth, found, threshold=0.5):
    return match_detections(TrueBoxes(*truth), FoundBoxes(*found), threshold).numpy()[0].tolist()


def test_a_threshold_that_is_reached_is_enough():
    truth = _single([[1, 1, 10, 10]], dtype=bool)
    # Golden 13: exactly one half of the pixels, both ends included.
    assert _match(truth, _single([[1, 1, 5, 10]])) == [1]
    assert _match(truth, _single([[1, 1, 5, 10]]), 0.5 + 1e-12) == [0]
    assert _match(truth, _single([[6, 6, 15, 15]]), 25 / 175) == [1]
    assert _match(truth, _single([[6, 6, 15, 15]]), 25 / 175 + 1e-12) == [0]


def test_the_first_by_score_finds_an_object_and_others_are_wrong():
    truth = _single([[0, 0, 9, 9], [20, 20, 29, 29]], dtype=bool)
    boxes = [[0, 0, 9, 9], [0, 0, 9, 8], [20, 20, 29, 29], [0, 0, 8, 9]]
    assert _match(truth, _single(boxes, extra=[0.2, 0.9, 0.1, 0.9])) == [0, 1, 1, 0]


def test_a_detection_belongs_to_the_object_it_overlaps_most_even_if_taken():
    # The second detection overlaps both, the first object more; VOC calls it wrong.
    truth = _single([[0, 0, 9, 9], [0, 4, 9, 13]], dtype=bool)
    found = _single([[0, 0, 9, 9], [0, 1, 9, 10]], extra=[0.9, 0.8])
    assert _match(truth, found, 0.4) == [1, 0]


def test_difficult_objects_and_other_classes():
    truth = _single([[0, 0, 9, 9], [20, 20, 29, 29]], [0, 1], [True, False], dtype=bool)
    boxes = [[0, 0, 9, 9], [0, 0, 9, 9], [20, 20, 29, 29], [20, 20, 29, 29], [0, 0, 9, 9]]
    assert _match(truth, _single(boxes, [0, 0, 0, 1, -1], [5, 4, 3, 2, 1])) == [-1, -1, 0, 1, -1]
    assert _match(_single([], dtype=bool), _single(boxes[:2])) == [0, 0]
    assert _match(truth, _single([])) == []


# What follows was written from the rules alone: one class and image after the other.


def _overlap(one, other):
    rows = min(one[2], other[2]) - max(one[0], other[0]) + 1
    columns = min(one[3], other[3]) - max(one[1], other[1]) + 1
    if rows <= 0 or columns <= 0:
        return 0.0
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (one, other)]
    return rows * columns / (sum(areas) - rows * columns)


def _reference(scenes, label, threshold, area):
    detections, positives, taken = [], 0, set()
    for number, (truth, found) in enumerate(scenes):
        positives += sum(kind == label and not hard for _, kind, hard in truth)
        detections += [(score, number, box) for box, kind, score in found if kind == label]
    outcomes = []
    for _, number, box in sorted(detections, key=lambda one: -one[0]):
        best, place = -1.0, None
        for index, (true_box, kind, _) in enumerate(scenes[number][0]):
            if kind == label and _overlap(box, true_box) > best:
                best, place = _overlap(box, true_box), index
        if best >= threshold and scenes[number][0][place][2]:
            continue
        outcomes.append(best >= threshold and (number, place) not in taken)
        if outcomes[-1]:
            taken.add((number, place))
    if not positives:
        return None
    points = [(sum(outcomes[: k + 1]), k + 1) for k in range(len(outcomes))]
    if area == "eleven_point":
        tops = [[h / k for h, k in points if 10 * h >= t * positives] for t in range(11)]
        return sum(max(top, default=0) for top in tops) / 11
    found = range(1, sum(outcomes) + 1)
    return sum(max(h / k for h, k in points if h >= n) for n in found) / positives


def _scenes(seed, num_images=9):
    """Random objects, and detections some of which are moved objects, with equal scores."""
    random = np.random.default_rng(seed)

    def box():
        low = random.integers(0, 30, 2)
        return [*low, *(low + random.integers(0, 15, 2))]

    scenes = []
    for _ in range(num_images):
        truth = [
            (box(), int(random.integers(3)), bool(random.random() < 0.3))
            for _ in range(random.integers(0, 5))
        ]
        found = [(box(), int(random.integers(3))) for _ in range(random.integers(0, 4))]
        for true_box, label, _ in truth * 2:
            moved = np.array(true_box) + random.integers(-1, 3, 4)
            moved[2:] = np.maximum(moved[2:], moved[:2])
            found.append((moved.tolist(), label))
        scenes.append((truth, [(*one, round(random.random(), 1)) for one in found]))
    return scenes


def _padded(rows, kinds):
    """Turns lists of (box, label, extra) into arrays of equal length, padding in the middle."""
    length = max(map(len, rows), default=0) + 2
    boxes, labels = np.zeros([len(rows), length, 4], np.float32), np.full([len(rows), length], -1)
    extra = np.zeros([len(rows), length], kinds)
    for number, row in enumerate(rows):
        for place, (box, label, value) in enumerate(row):
            place += 2 * (place > 1)
            boxes[number, place], labels[number, place], extra[number, place] = box, label, value
    return boxes, labels.astype(np.int32), extra


def _fill(metric, scenes, size=4):
    for start in range(0, len(scenes), size):
        part = scenes[start : start + size]
        truth = TrueBoxes(*_padded([row for row, _ in part], bool))
        metric.update_state(truth, FoundBoxes(*_padded([row for _, row in part], np.float32)))
    return metric


@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize("threshold", [0.5, 0.75])
def test_agrees_with_brute_force(area, threshold):
    for seed in range(6):
        scenes = _scenes(seed)
        # Scores of one digit are equal often: single images keep their order.
        metric = _fill(DetectionAveragePrecision(4, threshold, area), scenes, size=1)
        expected = [_reference(scenes, label, threshold, area) for label in range(4)]
        assert expected[3] is None
        values = metric.per_class().numpy()
        np.testing.assert_allclose(values[:3], expected[:3], atol=1e-9)
        assert np.isnan(values[3])
        np.testing.assert_allclose(metric.result(), np.mean(expected[:3]))
        assert 0 < np.mean(expected[:3]) < 1


def test_batches_and_merging_equal_seeing_all_at_once():
    scenes = _scenes(11)
    whole = _fill(DetectionAveragePrecision(3), scenes, size=1).per_class()
    np.testing.assert_allclose(_fill(DetectionAveragePrecision(3), scenes).per_class(), whole)
    parts = [_fill(DetectionAveragePrecision(3), scenes[k : k + 3]) for k in (0, 3, 6)]
    parts[0].merge_state(parts[1:])
    np.testing.assert_allclose(parts[0].per_class(), whole)


def test_updates_and_reads_in_a_graph():
    scenes = _scenes(12)
    metric = DetectionAveragePrecision(3)

    @tf.function
    def update(truth, found):
        metric.update_state(truth, found)

    truth = TrueBoxes(*map(tf.constant, _padded([row for row, _ in scenes], bool)))
    update(truth, FoundBoxes(*map(tf.constant, _padded([row for _, row in scenes], np.float32))))
    eager = _fill(DetectionAveragePrecision(3), scenes).result()
    np.testing.assert_allclose(tf.function(metric.result)(), eager)
    metric.reset_state()
    assert metric.result() == 0


def test_arguments_are_checked_and_serialized():
    with pytest.raises(ValueError, match="num_classes 0: expected at least 1"):
        DetectionAveragePrecision(0)
    with pytest.raises(ValueError, match=r"threshold 1\.5: expected more than 0 and at most 1"):
        DetectionAveragePrecision(2, 1.5)
    with pytest.raises(ValueError, match="area 'box'"):
        DetectionAveragePrecision(2, area="box")
    with pytest.raises(tf.errors.InvalidArgumentError, match="scores of detections"):
        found = FoundBoxes(*_single([[0, 0, 1, 1]], extra=[math.nan]))
        DetectionAveragePrecision(1).update_state(TrueBoxes(*_single([], dtype=bool)), found)
    config = DetectionAveragePrecision(3, 0.75, "all_points", name="ap").get_config()
    assert set(inspect.signature(DetectionAveragePrecision).parameters) <= set(config)
    assert DetectionAveragePrecision.from_config(config).get_config() == config
