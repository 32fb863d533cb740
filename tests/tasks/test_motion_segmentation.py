import math

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import average_precision_score

from tests.moving_scenes import moving_scene, write_video
from tfcolor.core.errors import UsageError
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.video import open_video
from tfcolor.tasks.motion_segmentation import (
    UNKNOWN,
    MotionSegmentationOptions,
    MotionSegmentationTask,
    cell_labels,
)

TAPS = {"first": Tap("first", 4, 1.5, 3), "last": Tap("last", 16, 7.5, 5)}


def _task(readers=None, **options):
    options = {"crop_size": 48, "hidden_units": 8, "flow_side": 0, "cache_folder": "", **options}
    return MotionSegmentationTask(MotionSegmentationOptions(**options), readers or {})


def test_cells_move_if_half_of_them_does_and_are_known_if_half_is():
    field = np.random.default_rng(0).integers(0, 2, (12, 20, 2)).astype(np.float32)
    field[:4, :4] = [1, 0]
    field[4:6, :4] = [1, 0]
    field[6:8, :4] = 0
    field[:, 4:8, 1] = 1
    labels = cell_labels(tf.constant(field), 4).numpy()
    for row, column in np.ndindex(3, 5):
        cell = field[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        expected = UNKNOWN if cell[..., 1].mean() > 0.5 else int(cell[..., 0].mean() >= 0.5)
        assert labels[row, column] == expected
    np.testing.assert_array_equal(labels[:2, 0], [1, 1])
    np.testing.assert_array_equal(labels[:, 1], UNKNOWN)


def test_the_square_is_labelled_where_it_is_seen(tmp_path):
    frames, _ = moving_scene(14, (64, 72), (1.2, 1.6), square=(32, 28), is_blue=True)
    path = write_video(tmp_path / "scene.avi", frames)
    task = _task({"train": ExampleReader(open_video(path))})
    inputs, targets = next(iter(task.make_dataset("train", BatchPlan(4, 0, num_batches=1))))
    labels = targets["label"].numpy()
    assert labels.shape == (4, 6, 6)
    assert set(np.unique(labels)) <= {0, 1, UNKNOWN}
    image = inputs["image"].numpy()
    is_square = (image[..., 2] > 1.5 * image[..., 0]).reshape(4, 6, 8, 6, 8).mean(axis=(2, 4))
    known = labels != UNKNOWN
    assert known.mean() > 0.8
    is_clear = known & (np.abs(is_square - 0.5) > 0.2)
    assert (labels == (is_square >= 0.5))[is_clear].mean() > 0.85  # borders are blurred
    assert 0.1 < labels[is_clear].mean() < 0.9
    assert task.frames_around == (0, 10)


def test_loss_is_that_of_the_known_cells():
    # Golden 20 of the pretext tasks, with an unknown cell besides.
    logits = tf.constant([[[2.0, -1.0], [0.0, 5.0]], [[1.0, 1.0], [1.0, 1.0]]])
    labels = tf.constant([[[1, 0], [1, UNKNOWN]], [[UNKNOWN] * 2] * 2])
    task = _task()
    (losses,) = task.compute_losses({"label": labels}, {"logits": logits}).values()
    np.testing.assert_allclose(losses, [0.126928 + 0.313262 + 0.693147, 0], atol=1e-5)
    np.testing.assert_array_equal(task.count_samples({"label": labels}), [3, 0])


def test_metrics_rank_the_known_cells():
    random_numbers = np.random.default_rng(1)
    logits = random_numbers.normal(size=(2, 5, 4)).astype(np.float32)
    labels = random_numbers.choice([0, 0, 1, UNKNOWN], (2, 5, 4))
    metrics = _task().build_metrics()
    for example in (0, 1):
        batch = {"label": tf.constant(labels[example : example + 1], tf.int32)}
        for metric in metrics.values():
            metric.update_state(batch, {"logits": logits[example : example + 1]})
    known = labels != UNKNOWN
    expected = average_precision_score(labels[known], logits[known])
    assert float(metrics["average_precision"].result()) == pytest.approx(expected, abs=1e-6)
    assert float(metrics["moving_share"].result()) == pytest.approx(labels[known].mean())


def test_loss_starts_at_chance_and_any_map_can_be_read():
    task = _task()
    features = {name: tf.ones([2, 48 // tap.stride, 48 // tap.stride, tap.channels])
                for name, tap in TAPS.items()}  # fmt: skip
    for name in ("", "first"):
        head = _task(tap=name).build_head(TAPS, 0)
        assert head.tap_name == (name or "last")
        outputs = head(features, {"image": tf.zeros([2, 48, 48, 3])}, TAPS)
        targets = {"label": tf.ones([2, 6, 6], tf.int32)}
        (losses,) = task.compute_losses(targets, outputs).values()
        np.testing.assert_allclose(losses / 36, math.log(2), atol=0.05)
    with pytest.raises(UsageError, match="unknown tap 'conv9'"):
        _task(tap="conv9").build_head(TAPS, 0)


def test_pictures_show_labels_and_answers():
    labels = np.array([[[0, 1], [UNKNOWN, 1]]])
    logits = np.where(labels == 1, 9.0, -9.0).astype(np.float32)
    inputs = {"image": tf.zeros([1, 48, 48, 1])}
    ((frame, true, answer),) = _task().depict(
        inputs, {"label": tf.constant(labels)}, {"logits": tf.constant(logits)}
    )
    assert frame.pixels.shape == (48, 48, 3)
    np.testing.assert_array_equal(true.pixels[1, 0], [128] * 3)
    known = labels[0] != UNKNOWN
    np.testing.assert_allclose(true.pixels[known], answer.pixels[known], atol=3)


def test_a_view_is_made_of_cells():
    with pytest.raises(UsageError, match=r"_crop_size=44: expected a multiple of .*_cell_size=8"):
        MotionSegmentationOptions(crop_size=44)
