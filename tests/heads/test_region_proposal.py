import numpy as np
import pytest
import tensorflow as tf
from keras_cv.layers import AnchorGenerator

from tfcolor.core.taps import Tap
from tfcolor.heads.region_proposal import (
    RegionProposalNetwork,
    build_anchors,
    decode_regions,
    propose_regions,
)


def test_anchors_about_the_middle_of_strides_are_those_of_keras_cv():
    ratios = (0.5, 1.0, 2.0)
    anchors = build_anchors(Tap("a", 16, 7.5), 3, 5, (32, 80), ratios)
    generator = AnchorGenerator(
        "yxyx",
        sizes=[32.0],
        scales=[1.0, 2.5],
        aspect_ratios=[1 / ratio for ratio in ratios],  # widths over heights there
        strides=[16],
    )
    expected = generator(image_shape=(48, 80, 3))[0]
    assert anchors.shape == [3 * 5 * 6, 4]
    np.testing.assert_allclose(anchors, expected, atol=1e-4)


def test_anchors_follow_the_tap_and_maps_of_unknown_size():
    tap = Tap("a", 8, (3.0, 5.5))
    anchors = tf.function(lambda size: build_anchors(tap, size[0], size[1], (10,), (4.0,)))(
        tf.constant([2, 3])
    ).numpy()
    centers = (anchors[:, :2] + anchors[:, 2:]) / 2 - 0.5
    np.testing.assert_allclose(centers[:, 0], [3, 3, 3, 11, 11, 11])
    np.testing.assert_allclose(centers[:, 1], 2 * [5.5, 13.5, 21.5])
    np.testing.assert_allclose(anchors[:, 2:] - anchors[:, :2], np.tile([20, 5], [6, 1]))


def test_the_network_scores_anchors_cell_by_cell():
    network = RegionProposalNetwork(Tap("a", 16, 0.0, 5), 3, 8, seed=1)
    random = np.random.default_rng(0)
    features = random.normal(size=(2, 4, 6, 5)).astype(np.float32)
    logits, offsets = network(features)
    assert (logits.shape, offsets.shape) == ([2, 72], [2, 72, 4])
    # A change far away from a cell leaves its anchors as they are.
    changed = features.copy()
    changed[:, 0, 0] += 1
    moved = np.any(np.abs(network(changed)[1] - offsets) > 0, axis=-1)[0].reshape(4, 6, 3)
    assert moved[:2, :2].all()
    assert not moved[2:].any()
    assert not moved[:, 2:].any()


def _reference(scores, boxes, num_proposals, threshold):
    """Non-maximum suppression, one box after the other."""
    kept = []
    for index in np.argsort(-scores, kind="stable"):
        y1, x1, y2, x2 = boxes[index]
        if y2 <= y1 or x2 <= x1:
            continue

        def overlap(other, box=boxes[index]):
            rows = min(box[2], other[2]) - max(box[0], other[0])
            columns = min(box[3], other[3]) - max(box[1], other[1])
            both = max(rows, 0) * max(columns, 0)
            areas = [(one[2] - one[0]) * (one[3] - one[1]) for one in (box, other)]
            return both / (sum(areas) - both)

        if all(overlap(boxes[other]) <= threshold for other in kept):
            kept.append(index)
    return boxes[kept[:num_proposals]]


@pytest.mark.parametrize("in_graph", [False, True])
def test_proposals_agree_with_brute_force(in_graph):
    random = np.random.default_rng(3)
    corners = np.sort(random.uniform(0, 40, (2, 60, 2, 2)), axis=2)
    boxes = corners.reshape(2, 60, 4).astype(np.float32)
    boxes[:, ::7, 2] = boxes[:, ::7, 0]  # no area
    boxes[1, 3:] = 0
    scores = random.uniform(0.01, 0.99, (2, 60)).astype(np.float32)

    def propose(scores, boxes):
        return propose_regions(scores, boxes, num_candidates=100, num_proposals=9, threshold=0.4)

    if in_graph:
        shapes = [tf.TensorSpec([None, None]), tf.TensorSpec([None, None, 4])]
        propose = tf.function(propose, input_signature=shapes)
    found, is_real = propose(tf.constant(scores), tf.constant(boxes))
    assert found.shape[1] == 9
    for number in range(2):
        expected = _reference(scores[number], boxes[number], 9, 0.4)
        count = len(expected)
        assert is_real[number].numpy().tolist() == [True] * count + [False] * (9 - count)
        np.testing.assert_array_equal(found[number][:count], expected)
        np.testing.assert_array_equal(found[number][count:], np.zeros([9 - count, 4]))
    assert 0 < count < 9


def test_regions_stay_in_their_images():
    anchors = tf.constant([[0.0, 0.0, 20.0, 10.0], [5.0, 5.0, 9.0, 8.0]])
    regions = decode_regions(tf.zeros([2, 2, 4]), anchors, tf.constant([[8.0, 6.0], [30.0, 7.0]]))
    expected = [[[0, 0, 8, 6], [5, 5, 8, 6]], [[0, 0, 20, 7], [5, 5, 9, 7]]]
    np.testing.assert_allclose(regions, expected, atol=1e-5)
