import numpy as np
import tensorflow as tf
from keras_cv.src.bounding_box.converters import (
    _decode_deltas_to_boxes,
    _encode_box_to_deltas,
)

from tfcolor.core.boxes import (
    MAX_LOG_SCALE,
    box_areas,
    box_overlaps,
    clip_boxes,
    decode_boxes,
    edges_to_pixels,
    encode_boxes,
    pixels_to_edges,
)


def _boxes(count, seed, high=40):
    random = np.random.default_rng(seed)
    corners = random.integers(0, high, [count, 2, 2])
    low = corners.min(axis=1)
    return np.concatenate([low, corners.max(axis=1) + 1], axis=1).astype(np.float32)


def test_overlaps_are_shares_of_pixels():
    boxes, others = _boxes(13, 0), _boxes(7, 1)
    masks = []
    for group in (boxes, others):
        grid = np.zeros([len(group), 50, 50], bool)
        for mask, (top, left, bottom, right) in zip(grid, group.astype(int), strict=True):
            mask[top:bottom, left:right] = True
        masks.append(grid.reshape(len(group), -1).astype(int))
    both = masks[0] @ masks[1].T
    union = masks[0].sum(1)[:, None] + masks[1].sum(1)[None] - both
    np.testing.assert_allclose(box_overlaps(boxes, others), both / union, rtol=1e-6)
    np.testing.assert_array_equal(box_areas(boxes), masks[0].sum(1))


def test_overlaps_of_golden_boxes_are_exact():
    boxes = pixels_to_edges(tf.constant([[1, 1, 10, 10]], tf.float64))
    others = pixels_to_edges(tf.constant([[6, 6, 15, 15], [1, 1, 5, 10]], tf.float64))
    np.testing.assert_array_equal(box_overlaps(boxes, others), [[25 / 175, 0.5]])
    exclusive = box_overlaps(edges_to_pixels(boxes), edges_to_pixels(others))
    np.testing.assert_allclose(exclusive[0, 0], 0.109589, atol=1e-6)


def test_overlaps_keep_leading_axes_and_empty_boxes():
    boxes = np.stack([_boxes(5, 2), _boxes(5, 3)])
    others = np.stack([_boxes(3, 4), np.zeros([3, 4], np.float32)])
    overlaps = box_overlaps(boxes, others)
    assert overlaps.shape == [2, 5, 3]
    np.testing.assert_array_equal(overlaps[0], box_overlaps(boxes[0], others[0]))
    np.testing.assert_array_equal(overlaps[1], np.zeros([5, 3]))
    np.testing.assert_array_equal(box_overlaps(others, others)[1], np.zeros([3, 3]))
    assert box_overlaps(boxes[0], np.zeros([0, 4], np.float32)).shape == [5, 0]
    assert box_areas(tf.constant([[5.0, 5.0, 2.0, 2.0]])).numpy() == [0]


def test_offsets_agree_with_keras_cv_and_are_undone():
    boxes, anchors = _boxes(9, 5), _boxes(9, 6)
    offsets = encode_boxes(boxes, anchors)
    expected = _encode_box_to_deltas(anchors, boxes, "yxyx", "yxyx")
    np.testing.assert_allclose(offsets, expected, atol=1e-5)
    np.testing.assert_allclose(decode_boxes(offsets, anchors), boxes, atol=1e-4)
    decoded = _decode_deltas_to_boxes(anchors, offsets / 2, "yxyx", "yxyx")
    np.testing.assert_allclose(decode_boxes(offsets / 2, anchors), decoded, atol=1e-4)


def test_a_wild_offset_stays_finite():
    anchor = tf.constant([[0.0, 0.0, 2.0, 4.0]])
    box = decode_boxes(tf.constant([[0.0, 0.0, 1e9, -1e9]]), anchor)
    np.testing.assert_allclose(
        box, [[1 - np.exp(MAX_LOG_SCALE), 2, 1 + np.exp(MAX_LOG_SCALE), 2]], rtol=1e-5
    )


def test_clipping_keeps_rows_and_columns_apart():
    boxes = tf.constant([[-3.0, 5.0, 30.0, 50.0], [12.0, -9.0, 13.0, -2.0]])
    clipped = clip_boxes(boxes, tf.constant([20.0, 40.0]))
    np.testing.assert_array_equal(clipped, [[0, 5, 20, 40], [12, 0, 13, 0]])
