import numpy as np
import tensorflow as tf
from keras_cv.src.layers.object_detection.roi_align import _ROIAligner

from tfcolor.core.boxes import OFFSET_DEVIATIONS, box_overlaps, encode_boxes
from tfcolor.core.taps import Tap
from tfcolor.heads.region_bodies import DenseBody
from tfcolor.heads.region_classifier import RegionClassifier, detect, pool_regions


def _boxes(count, low, high, seed):
    random = np.random.default_rng(seed)
    corners = np.sort(random.uniform(low, high, (2, count, 2, 2)), axis=2)
    return corners.reshape(2, count, 4).astype(np.float32)


def test_pooling_agrees_with_keras_cv():
    features = np.random.default_rng(0).normal(size=(2, 9, 11, 3)).astype(np.float32)
    boxes = _boxes(5, 3, 125, 1)
    pooled = pool_regions(features, Tap("a", 16, 0.0, 3), boxes, 4)
    # keras-cv takes cell 0 to lie at 0, where our edges have -0.5; one sample per bin.
    bins = _ROIAligner("yxyx", target_size=8)({"P4": tf.constant(features)}, boxes - 0.5)
    expected = tf.reshape(bins, [2, 5, 4, 2, 4, 2, 3]).numpy().mean(axis=(3, 5))
    assert pooled.shape == [2, 5, 4, 4, 3]
    np.testing.assert_allclose(pooled, expected, atol=1e-5)


def test_a_ramp_is_read_at_the_centers_of_the_bins():
    tap = Tap("a", 4, 1.5, 2)
    rows, columns = (tap.centers(axis, size) for axis, size in ((0, 10), (1, 13)))
    ramp = tf.stack(tf.meshgrid(rows, columns, indexing="ij"), axis=-1)[tf.newaxis]
    box = np.array([[[6.0, 10.0, 30.0, 40.0]]], np.float32)
    pooled = pool_regions(ramp, tap, box, 3)[0, 0].numpy()
    # Pixel p lies from edge p to edge p + 1.
    np.testing.assert_allclose(pooled[:, 0, 0] + 0.5, [10, 18, 26], rtol=1e-6)
    np.testing.assert_allclose(pooled[0, :, 1] + 0.5, [15, 25, 35], rtol=1e-6)


def test_pooling_has_gradients_for_features_only():
    features = tf.Variable(tf.ones([2, 4, 5, 2]))
    boxes = tf.Variable(_boxes(3, 0, 32, 2))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(pool_regions(features, Tap("a", 8, 3.5, 2), boxes, 2))
    gradients = tape.gradient(total, [features, boxes])
    # Weights of a mean add up to one.
    np.testing.assert_allclose(tf.reduce_sum(gradients[0]), 2 * 3 * 4 * 2, rtol=1e-5)
    assert gradients[1] is None


def test_the_classifier_sees_each_region_by_itself():
    classifier = RegionClassifier(DenseBody(3 * 3 * 2, 16, seed=3), 4, seed=3)
    regions = np.random.default_rng(0).normal(size=(2, 5, 3, 3, 2)).astype(np.float32)
    logits, offsets = classifier(regions)
    assert (logits.shape, offsets.shape) == ([2, 5, 5], [2, 5, 4, 4])
    again = classifier(regions[:, 3:4])
    np.testing.assert_allclose(again[0][:, 0], logits[:, 3], atol=1e-6)
    np.testing.assert_allclose(again[1][:, 0], offsets[:, 3], atol=1e-6)
    # As published, all classes are as likely at first, and boxes stay where they are.
    assert np.abs(logits).max() < 0.5
    assert np.abs(offsets).max() < 0.05


def _kept(boxes, scores):
    """The boxes that remain at an overlap of 0.4 and a score of 0.2, one after the other."""
    kept = []
    for index in np.argsort(-scores, kind="stable")[: np.sum(scores > 0.2)]:
        if not kept or np.max(box_overlaps(boxes[[index]], boxes[kept])) <= 0.4:
            kept.append(index)
    return kept


def test_detections_are_suppressed_within_their_class_and_image():
    random = np.random.default_rng(4)
    regions, wanted = _boxes(30, 0, 50, 5), _boxes(30 * 3, 0, 60, 6).reshape(2, 30, 3, 4)
    wanted[..., 2:] = np.maximum(wanted[..., 2:], wanted[..., :2] + 1)
    regions[..., 2:] = np.maximum(regions[..., 2:], regions[..., :2] + 1)
    probs = random.uniform(size=(2, 30, 3)).astype(np.float32)
    probs[:, 20:] = 0
    offsets = encode_boxes(wanted, regions[:, :, None]) / np.array(OFFSET_DEVIATIONS, np.float32)
    size = np.array([[55.0, 60.0], [60.0, 40.0]], np.float32)
    outputs = detect(probs, offsets, regions, size, max_detections=80, threshold=0.4, min_score=0.2)
    for number in range(2):
        limits = np.concatenate([size[number], size[number]])
        found = {name: one[number].numpy() for name, one in outputs.items()}
        expected = []
        for label in range(3):
            boxes = np.minimum(wanted[number, :, label], limits)
            own = probs[number, :, label]
            expected += [(own[index], label, boxes[index]) for index in _kept(boxes, own)]
        expected.sort(key=lambda one: -one[0])
        assert np.sum(found["found_labels"] >= 0) == len(expected) > 10
        for place, (score, label, box) in enumerate(expected):
            assert found["found_scores"][place] == score
            assert found["found_labels"][place] == label
            np.testing.assert_allclose(found["found_boxes"][place], box, atol=1e-3)
        assert np.all(found["found_labels"][len(expected) :] == -1)
