import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.boxes import box_overlaps, decode_boxes
from tfcolor.core.taps import Tap
from tfcolor.heads.detection import DetectionHead, DetectionHeadOptions
from tfcolor.heads.region_proposal import build_anchors

TAP = Tap("map", 8, 3.5, 6)
OPTIONS = DetectionHeadOptions(
    anchor_sides=(12, 24),
    anchor_ratios=(1.0,),
    proposal_units=8,
    num_train_proposals=30,
    num_proposals=12,
    anchor_samples=20,
    region_samples=10,
    region_size=2,
    hidden_units=8,
    max_detections=7,
    min_score=0.0,
)
SIZE = (40, 56)


@pytest.fixture(scope="module", params=["dense", "residual"])
def head(request):
    options = dataclasses.replace(OPTIONS, head=request.param, residual_width=2)
    return DetectionHead(TAP, 3, options, seed=2)


@pytest.fixture(scope="module")
def features():
    random = np.random.default_rng(0)
    return {"map": random.normal(size=(2, 5, 7, 6)).astype(np.float32)}


@pytest.fixture(scope="module")
def inputs():
    boxes = np.zeros([2, 3, 4], np.float32)
    boxes[0, :2] = [[4, 6, 18, 20], [10, 20, 36, 44]]
    boxes[1, 0] = [0, 0, 20, 24]
    return {
        "image": tf.zeros([2, *SIZE, 3]),
        "size": tf.constant([[40, 56], [20, 24]]),
        "boxes": tf.constant(boxes),
        "labels": tf.constant([[2, 0, -1], [1, -1, -1]]),
        "is_difficult": tf.zeros([2, 3], tf.bool),
        "seed": tf.constant([[3, 0], [3, 1]], tf.int64),
    }


def _call(head, features, inputs, training=False):
    return {
        name: value.numpy()
        for name, value in head(features, inputs, {"map": TAP}, training=training).items()
    }


def test_what_is_learned_of_anchors_are_their_own_objects(head, features, inputs):
    outputs = _call(head, features, inputs, training=True)
    anchors = build_anchors(TAP, 5, 7, OPTIONS.anchor_sides, OPTIONS.anchor_ratios)
    outcomes = outputs["anchor_outcomes"]
    assert np.all(np.sum(outcomes >= 0, axis=1) <= OPTIONS.anchor_samples)
    decoded = decode_boxes(outputs["anchor_targets"], anchors)
    for number in range(2):
        overlaps = box_overlaps(anchors, inputs["boxes"][number]).numpy()
        objects = np.flatnonzero(outcomes[number] == 1)
        assert len(objects)
        best = inputs["boxes"][number].numpy()[overlaps.argmax(axis=1)]
        np.testing.assert_allclose(decoded[number].numpy()[objects], best[objects], atol=1e-3)
        assert np.all(overlaps.max(axis=1)[outcomes[number] == 0] < 0.3)


def test_nothing_is_learned_of_padding(head, features, inputs):
    outputs = _call(head, features, inputs, training=True)
    anchors = build_anchors(TAP, 5, 7, OPTIONS.anchor_sides, OPTIONS.anchor_ratios).numpy()
    centers = (anchors[:, :2] + anchors[:, 2:]) / 2
    is_outside = np.any(centers >= [20, 24], axis=1)
    assert np.all(outputs["anchor_outcomes"][1][is_outside] == -1)
    assert np.any(outputs["anchor_outcomes"][1][~is_outside] >= 0)


def test_true_boxes_are_among_the_regions(features, inputs):
    # So few candidates that all objects among them are drawn.
    options = dataclasses.replace(OPTIONS, num_train_proposals=2, region_samples=50)
    outputs = _call(DetectionHead(TAP, 3, options, seed=2), features, inputs, training=True)
    labels, targets = outputs["region_labels"], outputs["region_targets"]
    for number, expected in enumerate(({2, 0}, {1})):
        is_exact = np.all(np.abs(targets[number]) < 1e-4, axis=-1)
        is_object = (labels[number] >= 0) & (labels[number] < 3)
        assert set(labels[number][is_exact & is_object]) == expected
    assert labels.shape == (2, 5)
    assert np.all(np.isfinite(targets))


def test_objects_are_at_most_a_quarter_of_the_regions(head, features, inputs):
    outputs = _call(head, features, inputs, training=True)
    labels = outputs["region_labels"]
    assert labels.shape == (2, OPTIONS.region_samples)
    num_objects = np.sum((labels >= 0) & (labels < 3), axis=1)
    assert np.all((num_objects > 0) & (num_objects <= OPTIONS.region_samples // 4))


def test_detections_need_no_truth_and_do_not_see_it(head, features, inputs):
    with_truth = _call(head, features, inputs)
    without = _call(head, features, {name: inputs[name] for name in ("image", "size")})
    assert set(without) == {"found_boxes", "found_scores", "found_labels"}
    for name, value in without.items():
        np.testing.assert_array_equal(value, with_truth[name])
    boxes = without["found_boxes"]
    assert boxes.shape == (2, OPTIONS.max_detections, 4)
    assert np.all(boxes >= 0)
    assert np.all(boxes[1] <= [20, 24, 20, 24])
    assert boxes[0, :, 2:].max() > 24
    assert set(_call(head, features, inputs, training=True)).isdisjoint(without)


def test_images_without_padding_need_no_size(head, features, inputs):
    whole = {"image": inputs["image"], "size": tf.constant([SIZE, SIZE])}
    expected = _call(head, features, whole)
    outputs = _call(head, features, {"image": inputs["image"]})
    for name, value in outputs.items():
        np.testing.assert_array_equal(value, expected[name])


def test_images_of_unknown_size_give_the_same_in_a_graph(head, features, inputs):
    shape = tf.TensorSpec([None, None, None, 6])
    image = tf.TensorSpec([None, None, None, 3])
    graph = tf.function(
        lambda one, other: head({"map": one}, {"image": other}, {"map": TAP}),
        input_signature=[shape, image],
        autograph=False,
    )
    outputs = graph(features["map"], inputs["image"])
    expected = _call(head, features, {"image": inputs["image"]})
    for name, value in outputs.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-4)


def test_an_image_without_objects_is_background(head, features, inputs):
    nothing = {**inputs, "labels": tf.fill([2, 3], -1), "boxes": tf.zeros([2, 3, 4])}
    outputs = _call(head, features, nothing, training=True)
    assert set(np.unique(outputs["anchor_outcomes"])) == {-1, 0}
    assert set(np.unique(outputs["region_labels"])) <= {-1, 3}
    for value in outputs.values():
        assert np.all(np.isfinite(value))


def test_difficult_objects_are_neither(head, features, inputs):
    hard = {**inputs, "is_difficult": tf.ones([2, 3], tf.bool)}
    # All candidates are drawn, the boxes of the objects themselves among them.
    options = dataclasses.replace(head._options, region_samples=10_000)
    outputs, known = (
        _call(DetectionHead(TAP, 3, options, seed=1), features, one, training=True)
        for one in (hard, inputs)
    )
    assert not np.any(outputs["anchor_outcomes"] == 1)
    labels = known["region_labels"]
    is_real = np.isin(labels, [0, 1, 2])
    assert np.sum(is_real) >= np.sum(inputs["labels"] >= 0) > 0
    found = np.sort(outputs["region_labels"], axis=1)
    np.testing.assert_array_equal(found, np.sort(np.where(is_real, -1, labels), axis=1))


def test_samples_follow_the_seed(head, features, inputs):
    one, same = (_call(head, features, inputs, training=True) for _ in range(2))
    other = {**inputs, "seed": inputs["seed"] + 1}
    changed = _call(head, features, other, training=True)
    np.testing.assert_array_equal(one["anchor_outcomes"], same["anchor_outcomes"])
    assert np.any(one["anchor_outcomes"] != changed["anchor_outcomes"])


@pytest.mark.parametrize("kind", ["dense", "residual"])
def test_detectors_compute_in_float32_whatever_the_policy(kind, features, inputs):
    def outputs():
        options = dataclasses.replace(OPTIONS, head=kind, residual_width=2)
        return _call(DetectionHead(TAP, 3, options, seed=2), half, inputs)

    half = {"map": tf.cast(features["map"], tf.bfloat16)}
    expected = outputs()
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        found = outputs()
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-4)


def test_training_looks_at_candidates_of_its_own_number(features, inputs):
    counts = {}
    for number, training in ((2, True), (9, True), (2, False), (9, False)):
        name = "num_train_candidates" if training else "num_candidates"
        options = dataclasses.replace(OPTIONS, region_samples=60, **{name: number})
        head = DetectionHead(TAP, 3, options, seed=2)
        outputs = _call(head, features, inputs, training=training)
        if training:
            # The true boxes are candidates besides.
            counts[number, training] = np.sum(outputs["region_labels"] >= 0, axis=1) - [2, 1]
        else:
            # Each proposal may be found once for each class.
            counts[number, training] = np.sum(outputs["found_labels"] >= 0, axis=1) / 3
    for training in (True, False):
        assert np.all(counts[2, training] <= 2)
        assert np.any(counts[9, training] > 2)
    options = DetectionHeadOptions()
    assert (options.num_train_candidates, options.num_candidates) == (12000, 6000)
