import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from tfcolor.data.field_views import random_window

SEEDS = [tf.constant([7, number], tf.int64) for number in range(24)]


def _window(seed, size=(40, 56), crop_size=24, max_side=0, use_mirror=True):
    return random_window(
        tf.constant(size), seed, crop_size=crop_size, max_side=max_side, use_mirror=use_mirror
    )


def _ramps(height, width):
    """Row and column of each pixel's center, as parts of the frame, [H, W, 2]."""
    rows, columns = np.indices((height, width)) + 0.5
    return np.stack([rows / height, columns / width], axis=-1).astype(np.float32)


def test_frame_and_field_show_the_same_square():
    frame = np.zeros([40, 56, 3], np.uint8)
    frame[..., :2] = np.rint(255 * _ramps(40, 56))
    field = _ramps(20, 28)  # at half the scale
    corners = set()
    for seed in SEEDS:
        window = _window(seed)
        view = window.cut_frame(frame).numpy()[..., :2]
        values = window.cut_field(field, (1.0, 1.0)).numpy()
        # Away from the frame's borders, where both are no longer linear.
        inner = (values.min(axis=-1) > 0.05) & (values.max(axis=-1) < 0.95)
        np.testing.assert_allclose(view[inner], values[inner], atol=0.006)
        is_mirrored = bool(window.is_mirrored)
        assert (values[0, -1, 1] < values[0, 0, 1]) == is_mirrored
        corners.add((*window.corner.numpy().tolist(), is_mirrored))
    assert len(corners) > 15
    assert {mirrored for *_, mirrored in corners} == {True, False}


def test_mirroring_turns_the_horizontal_part_of_a_flow():
    flow = np.broadcast_to(np.float32([2.0, 3.0]), (10, 14, 2))
    for seed in SEEDS[:8]:
        window = _window(seed)
        values = window.cut_field(flow, (1.0, -1.0))
        expected = [2.0, -3.0 if window.is_mirrored else 3.0]
        np.testing.assert_allclose(values, np.broadcast_to(expected, (24, 24, 2)), rtol=1e-5)


def test_scales_go_from_the_square_to_the_frame():
    sides = [int(tf.reduce_min(_window(seed).scaled)) for seed in SEEDS]
    assert min(sides) < 29 and max(sides) > 35
    assert 24 <= min(sides) <= max(sides) <= 40
    assert max(int(tf.reduce_min(_window(seed, max_side=26).scaled)) for seed in SEEDS) <= 26
    assert not any(bool(_window(seed, use_mirror=False).is_mirrored) for seed in SEEDS)
    for seed in SEEDS:
        window = _window(seed)
        assert np.all(window.corner >= 0)
        assert np.all(window.corner + 24 <= window.scaled)


def test_one_seed_gives_one_window():
    for first, second in zip(*([_window(seed) for seed in SEEDS] for _ in range(2)), strict=True):
        np.testing.assert_array_equal(first.scaled, second.scaled)
        np.testing.assert_array_equal(first.corner, second.corner)


@pytest.mark.parametrize("size", [(20, 23), (23, 20)])
def test_a_small_frame_leaves_no_padding_that_would_tell_where_nothing_moves(size):
    frame = np.full([*size, 3], 200, np.uint8)
    padded = np.pad(frame, [[0, 24 - size[0]], [0, 24 - size[1]], [0, 0]])
    is_moving = np.pad(np.ones(size), [[0, 24 - size[0]], [0, 24 - size[1]]])
    assert roc_auc_score(is_moving.ravel(), padded[..., 0].ravel()) == 1  # what it would tell
    for seed in SEEDS[:4]:
        np.testing.assert_allclose(_window(seed, size).cut_frame(frame), 200 / 255, rtol=1e-5)


def _position_score(crop_size, use_mirror):
    """How well the mean over other views tells what a cell of a view is, as an AUC."""
    field = np.zeros([60, 80, 1], np.float32)
    field[18:42, 4:28] = 1  # always at the left of the frame

    def cut(seed):
        window = _window(seed, (60, 80), crop_size, use_mirror=use_mirror)
        return tf.image.resize(window.cut_field(field, (1.0,)), [6, 6], "area")[..., 0] >= 0.5

    seeds = tf.stack([tf.zeros([200], tf.int64), tf.range(200, dtype=tf.int64)], axis=1)
    views = tf.function(lambda: tf.map_fn(cut, seeds, fn_output_signature=tf.bool))().numpy()
    learned, measured = views[:100], views[100:]
    scores = np.broadcast_to(learned.mean(axis=0), measured.shape)
    return roc_auc_score(measured.ravel(), scores.ravel())


def test_random_views_take_the_place_in_the_frame_away():
    assert _position_score(56, use_mirror=False) > 0.95
    assert abs(_position_score(20, use_mirror=True) - 0.5) < 0.12
