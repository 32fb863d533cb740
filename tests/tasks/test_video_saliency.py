import math

import numpy as np
import pytest
import tensorflow as tf

from tests.moving_scenes import moving_scene, write_video
from tfcolor.core.errors import UsageError
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.video import open_video
from tfcolor.tasks.video_saliency import VideoSaliencyOptions, VideoSaliencyTask, share_bins

SMALL = {"crop_size": 40, "num_locations": 30, "edge": 4, "hidden_units": 8, "flow_side": 0}
TAPS = {"last": Tap("last", 8, 3.5, 3)}


def _task(readers=None, **options):
    options = VideoSaliencyOptions(**{**SMALL, "cache_folder": "", **options})
    return VideoSaliencyTask(options, readers or {})


def test_labels_are_the_bins_of_the_speed_at_the_locations():
    field = np.random.default_rng(0).uniform(-0.001, 1.001, (40, 40, 1)).astype(np.float32)
    inputs, targets = _task().observe(tf.constant(field), tf.constant([0, 1], tf.int64))
    rows, columns = inputs["locations"].numpy().astype(int).T
    assert 4 <= min(rows.min(), columns.min()) <= max(rows.max(), columns.max()) < 36
    expected = np.clip(np.floor(32 * field[rows, columns, 0]), 0, 31)
    np.testing.assert_array_equal(targets["label"], expected)
    np.testing.assert_array_equal(targets["saliency"], field[::4, ::4, 0])


def test_bins_have_equal_widths():
    edges = np.arange(8, dtype=np.float32) / 8
    np.testing.assert_array_equal(share_bins(edges + 0.06, 8), np.arange(8))
    np.testing.assert_array_equal(share_bins(tf.constant([0.0, 1.0]), 8), [0, 7])


def test_a_moving_square_is_salient(tmp_path):
    frames, _ = moving_scene(14, (48, 60), (2.0, 1.0), square=(20, 16), is_camera_still=True)
    reader = ExampleReader(open_video(write_video(tmp_path / "a.avi", frames)))
    task = _task({"train": reader})
    inputs, targets = next(iter(task.make_dataset("train", BatchPlan(3, 0, num_batches=1))))
    assert inputs["image"].shape == [3, 40, 40, 3]
    assert targets["label"].numpy().min() == 0 and targets["label"].numpy().max() > 20
    rows = task.depict(inputs, targets, {"saliency_logits": tf.one_hot(targets["label"], 32)})
    frame, speed, true, answer = rows[2]
    assert frame.pixels.shape == (40, 40, 3) and speed.pixels.shape == (10, 10, 3)
    np.testing.assert_array_equal(true.pixels, answer.pixels)


def test_loss_starts_at_chance_and_metrics_count():
    task = _task()
    head = task.build_head(TAPS, 0)
    inputs, targets = task.observe(tf.zeros([40, 40, 1]), tf.constant([0, 1], tf.int64))
    inputs = {name: value[tf.newaxis] for name, value in inputs.items()}
    targets = {name: value[tf.newaxis] for name, value in targets.items()}
    outputs = head({"last": tf.ones([1, 5, 5, 3])}, inputs, TAPS)
    (loss,) = task.compute_losses(targets, outputs).values()
    assert float(loss[0]) == pytest.approx(math.log(32), rel=1e-3)
    metrics = task.build_metrics()
    for metric in metrics.values():
        metric.update_state(targets, {"saliency_logits": tf.one_hot(targets["label"], 32)})
    assert float(metrics["accuracy"].result()) == 1
    assert float(metrics["constant_loss"].result()) == 0


def test_bad_options_are_refused():
    with pytest.raises(UsageError, match="--video_saliency_edge=20: expected less than half"):
        VideoSaliencyOptions(crop_size=40, edge=20)
    # A decoder answers everywhere, so that there is no edge.
    assert VideoSaliencyOptions(readout="decoder", crop_size=40, edge=20).edge == 20


def test_a_decoder_answers_for_every_cell():
    task = _task(readout="decoder", crop_size=227)
    assert not task.convolutional and _task().convolutional
    rows = np.linspace(0, 1, 227, dtype=np.float32)[:, None, None]
    _, targets = task.observe(tf.constant(rows * np.ones([1, 227, 1])), tf.zeros([2], tf.int64))
    labels = targets["label"].numpy()
    # Cells are centered on (i + 1 / 2) / 56 of the view.
    expected = np.floor(32 * (np.arange(56) + 0.5) / 56)
    assert labels.shape == (56, 56)
    np.testing.assert_allclose(labels, np.repeat(expected[:, None], 56, axis=1), atol=1)
    (row,) = task.depict(
        {"image": tf.zeros([1, 227, 227, 1])},
        {"label": tf.constant(labels[None])},
        {"saliency_logits": tf.one_hot(labels[None], 32)},
    )
    assert [panel.caption for panel in row] == ["frame", "true bins", "answers"]
    np.testing.assert_array_equal(row[1].pixels, row[2].pixels)


def test_a_decoder_needs_canonical_views():
    options = VideoSaliencyOptions(readout="decoder", crop_size=227)
    assert options.completed({}, 227) == options
    with pytest.raises(UsageError, match="--video_saliency_crop_size=227: the backbone takes 224"):
        options.completed({}, 224)
    VideoSaliencyOptions(crop_size=100).completed({}, 224)
