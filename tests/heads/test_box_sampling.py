import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.boxes import box_overlaps
from tfcolor.heads import box_sampling
from tfcolor.heads.box_sampling import (
    BACKGROUND,
    OBJECT,
    UNUSED,
    masked_overlaps,
    match_anchors,
    match_boxes,
    sample_outcomes,
)


@pytest.mark.parametrize("in_graph", [False, True])
def test_boxes_are_matched_by_their_largest_overlap(in_graph):
    overlaps = tf.constant(
        [[[0.1, 0.8, -1.0], [0.5, 0.4, -1.0], [0.29, 0.0, -1.0], [0.75, 0.7, -1.0]]]
    )
    is_difficult = tf.constant([[True, False, True]])
    match = tf.function(match_boxes) if in_graph else match_boxes
    outcomes, matches = match(overlaps, is_difficult, 0.3, 0.7)
    np.testing.assert_array_equal(outcomes, [[OBJECT, UNUSED, BACKGROUND, UNUSED]])
    np.testing.assert_array_equal(matches, [[1, 0, 0, 0]])
    outcomes, _ = match(overlaps, tf.zeros([1, 3], tf.bool), 0.5, 0.5)
    np.testing.assert_array_equal(outcomes, [[OBJECT, OBJECT, BACKGROUND, OBJECT]])


def test_overlaps_stay_in_float32_in_mixed_precision():
    # In bfloat16 0.501 is 0.5, and keras-cv mixes types.
    overlaps = tf.constant([[[0.501], [0.499]]])
    box_sampling._matcher.cache_clear()
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        outcomes, _ = match_boxes(overlaps, tf.zeros([1, 1], tf.bool), 0.5, 0.5)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
        box_sampling._matcher.cache_clear()
    np.testing.assert_array_equal(outcomes, [[OBJECT, BACKGROUND]])


def test_without_an_object_all_is_background():
    overlaps = masked_overlaps(
        tf.constant([[[0.0, 0.0, 4.0, 4.0]]]), tf.zeros([2, 3, 4]), tf.zeros([2, 3], tf.bool)
    )
    np.testing.assert_array_equal(overlaps, -np.ones([2, 1, 3]))
    outcomes, _ = match_boxes(overlaps, tf.zeros([2, 3], tf.bool), 0.5, 0.5)
    np.testing.assert_array_equal(outcomes, [[BACKGROUND]] * 2)


def _grid(side, step, count):
    starts = np.arange(count) * float(step)
    corners = np.stack(np.meshgrid(starts, starts, indexing="ij"), -1).reshape(-1, 2)
    return np.concatenate([corners, corners + side], axis=1).astype(np.float32)


def test_anchors_follow_the_rules_of_the_paper():
    random = np.random.default_rng(0)
    anchors = _grid(12, 5, 6)
    low = random.uniform(0, 25, (3, 4, 2))
    boxes = np.concatenate([low, low + random.uniform(4, 16, (3, 4, 2))], -1).astype(np.float32)
    is_object = np.array([[True] * 3 + [False]] * 2 + [[False] * 4])
    is_difficult = np.array([[False] * 4, [True, False, False, False], [False] * 4])
    is_inside = random.uniform(size=[3, len(anchors)]) < 0.7
    outcomes, matches = match_anchors(anchors, is_inside, boxes, is_object, is_difficult)
    forced = 0
    for number in range(3):
        overlaps = box_overlaps(anchors, boxes[number]).numpy() * is_object[number]
        overlaps *= is_inside[number][:, np.newaxis]
        for index, row in enumerate(overlaps):
            own = [
                place
                for place in np.flatnonzero(is_object[number] & ~is_difficult[number])
                if row[place] == overlaps[:, place].max() > 0
            ]
            expected = OBJECT if row.max() >= 0.7 else BACKGROUND if row.max() < 0.3 else UNUSED
            if expected == OBJECT and is_difficult[number][row.argmax()]:
                expected = UNUSED
            if own and expected != OBJECT:
                expected, forced = OBJECT, forced + 1
                assert matches[number, index] in own
            assert outcomes[number, index] == (expected if is_inside[number, index] else UNUSED)
    assert forced > 3
    np.testing.assert_array_equal(outcomes[2] == BACKGROUND, is_inside[2])  # without an object


def test_every_object_at_the_border_has_an_anchor():
    anchors = _grid(6, 5, 6)
    is_inside = (anchors[:, :2] + anchors[:, 2:]).max(axis=1) / 2 < 22
    boxes = np.array([[[low, 19.5, low + 3.0, 22.0] for low in range(19)]], np.float32)
    is_object = np.ones([1, 19], bool)
    outcomes, _ = match_anchors(anchors, is_inside[np.newaxis], boxes, is_object, ~is_object)
    overlaps = box_overlaps(anchors, boxes[0]).numpy()
    assert not np.any(is_inside[overlaps.argmax(axis=0)])  # the best ones are in the padding
    np.testing.assert_array_equal(outcomes[0].numpy()[~is_inside], UNUSED)
    for column in overlaps.T:
        is_best = is_inside & (column == column[is_inside].max())
        assert np.all(outcomes[0].numpy()[is_best] == OBJECT)


def _outcomes(num_objects, num_background, num_unused):
    row = [OBJECT] * num_objects + [BACKGROUND] * num_background + [UNUSED] * num_unused
    return np.random.default_rng(0).permutation(row).astype(np.int32)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((20, 40, 5), (4, 12)), ((3, 40, 5), (3, 13)), ((20, 5, 5), (4, 5)), ((0, 0, 9), (0, 0))],
)
def test_samples_have_as_many_of_each_as_wanted(counts, expected):
    outcomes = tf.constant([_outcomes(*counts)])
    drawn = sample_outcomes(outcomes, tf.constant([[1, 2]], tf.int64), 16, 0.25).numpy()
    assert (np.sum(drawn == OBJECT), np.sum(drawn == BACKGROUND)) == expected
    assert np.all((drawn == UNUSED) | (drawn == outcomes))


def test_samples_depend_on_the_example_alone():
    outcomes = tf.constant([_outcomes(20, 40, 5)] * 3)
    seeds = tf.constant([[1, 2], [1, 3], [1, 2]], tf.int64)
    drawn = sample_outcomes(outcomes, seeds, 16, 0.5).numpy()
    np.testing.assert_array_equal(drawn[0], drawn[2])
    assert np.any(drawn[0] != drawn[1])
    alone = tf.function(sample_outcomes)(outcomes[1:2], seeds[1:2], 16, 0.5)
    np.testing.assert_array_equal(alone[0], drawn[1])


def test_every_candidate_is_drawn_equally_often():
    outcomes = tf.constant([[OBJECT] * 3 + [BACKGROUND] * 6] * 300)
    seeds = tf.stack([tf.zeros(300, tf.int64), tf.range(300, dtype=tf.int64)], axis=1)
    drawn = sample_outcomes(outcomes, seeds, 4, 0.25).numpy() != UNUSED
    shares = drawn.mean(axis=0)
    # Four standard deviations of a share of 300.
    np.testing.assert_allclose(shares[:3], 1 / 3, atol=0.12)
    np.testing.assert_allclose(shares[3:], 1 / 2, atol=0.12)
