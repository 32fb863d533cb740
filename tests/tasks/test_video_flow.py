import math

import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import map_coordinates

from tests.moving_scenes import moving_scene, write_video
from tfcolor.core.errors import UsageError
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.video import open_video
from tfcolor.tasks.video_flow import VideoFlowOptions, VideoFlowTask, difference_bins

SMALL = {"crop_size": 40, "num_pairs": 12, "edge": 4, "hidden_units": 8, "flow_side": 0}


def _task(readers=None, **options):
    options = VideoFlowOptions(**{**SMALL, "cache_folder": "", **options})
    return VideoFlowTask(options, readers or {})


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    frames, _ = moving_scene(15, (48, 60), (2.0, 1.0), square=(20, 16), is_camera_still=True)
    path = write_video(tmp_path_factory.mktemp("video") / "scene.avi", frames)
    return ExampleReader(open_video(f"{path}:2"), 10**7)


def _batch(task, seed=0):
    return next(iter(task.make_dataset("train", BatchPlan(3, seed, num_batches=1))))


def test_bins_are_the_published_ones():
    # Golden 11 of chapters 3 and 4.
    lengths = [0, 0.03, 0.5, math.sqrt(2), 2.0, 2.1, 13.3]
    differences = tf.constant([[length * 0.6, -length * 0.8] for length in lengths], tf.float32)
    np.testing.assert_array_equal(difference_bins(differences, 32), [0, 0, 14, 28, 30, 31, 31])
    edges = {1: 0.031260, 8: 0.255415, 16: 0.549313, 24: 0.972972, 31: 2.071725}
    for number, edge in edges.items():
        # The program multiplies by 31.99968, which moves edges by up to 2e-4.
        around = tf.constant([[edge - 1e-3, 0.0], [edge + 1e-3, 0.0]])
        np.testing.assert_array_equal(difference_bins(around, 32), [number - 1, number])


def test_labels_are_the_differences_of_the_flow_at_the_locations():
    rows, columns = np.indices((40, 40)).astype(np.float32)
    field = np.stack([0.04 * rows, 0.001 * columns**2], axis=-1)
    inputs, targets = _task().observe(tf.constant(field), tf.constant([3, 5], tf.int64))
    locations = inputs["locations"].numpy()
    assert locations.shape == (24, 2)
    flow = [
        map_coordinates(field[..., channel], locations.T, order=1, mode="nearest")
        for channel in (0, 1)
    ]
    flow = np.stack(flow, axis=-1)
    lengths = np.linalg.norm(flow[0::2] - flow[1::2], axis=-1)
    expected = np.minimum(np.floor(32 * np.tanh(lengths)), 31)
    np.testing.assert_array_equal(targets["label"], expected)
    assert len(set(expected)) > 5
    np.testing.assert_array_equal(targets["flow"], field[::4, ::4])


def test_first_locations_are_pixels_inside_and_second_ones_are_near():
    task = _task(num_pairs=400)
    inputs, _ = task.observe(tf.zeros([40, 40, 2]), tf.constant([0, 1], tf.int64))
    first, second = np.moveaxis(inputs["locations"].numpy().reshape(400, 2, 2), 1, 0)
    np.testing.assert_array_equal(first, np.rint(first))
    assert first.min() == 4 and first.max() == 35
    offsets = second - first
    assert offsets.std() == pytest.approx(0.2 * 40, rel=0.1)
    assert abs(offsets.mean()) < 1
    assert second.min() < 0 and second.max() > 39  # not clipped


def test_a_moving_square_differs_from_what_is_still(reader):
    inputs, targets = _batch(_task({"train": reader}, use_mirror=False))
    assert inputs["image"].shape == [3, 40, 40, 3]
    labels = targets["label"].numpy()
    assert labels.min() < 4 and labels.max() > 24
    flow = targets["flow"].numpy()
    np.testing.assert_allclose(np.percentile(flow[..., 1], 95), 2.0, atol=0.5)


def test_the_shown_frame_is_the_last_or_the_third_of_the_four():
    assert _task().frames_around == (3, 0)
    assert _task(shown_frame="middle").frames_around == (2, 1)


def test_loss_starts_at_chance_and_metrics_count():
    task = _task()
    taps = {"last": Tap("last", 8, 3.5, 3)}
    inputs, targets = task.observe(tf.zeros([40, 40, 2]), tf.constant([0, 1], tf.int64))
    inputs = {name: value[tf.newaxis] for name, value in inputs.items()}
    targets = {name: value[tf.newaxis] for name, value in targets.items()}
    features = {"last": tf.random.stateless_normal([1, 5, 5, 3], [0, 1])}
    outputs = task.build_head(taps, 0)(features, inputs, taps)
    (loss,) = task.compute_losses(targets, outputs).values()
    assert float(loss[0]) == pytest.approx(math.log(32), rel=1e-3)
    metrics = task.build_metrics()
    for metric in metrics.values():
        metric.update_state(targets, {"logits": tf.one_hot(targets["label"], 32)})
    assert float(metrics["accuracy"].result()) == 1
    assert float(metrics["constant_loss"].result()) == 0


def test_pictures_show_frame_flow_truth_and_answer(reader):
    task = _task({"train": reader})
    inputs, targets = _batch(task)
    logits = tf.one_hot(targets["label"], 32)
    rows = task.depict(inputs, targets, {"logits": logits})
    assert len(rows) == 3
    frame, flow, true, answer = rows[0]
    assert frame.pixels.shape == (40, 40, 3) and flow.pixels.shape == (10, 10, 3)
    assert answer.caption == "answers, 100%"
    np.testing.assert_array_equal(true.pixels, answer.pixels)
    wrong = task.depict(inputs, targets, {"logits": 0 * logits})[0][3]
    assert np.any(wrong.pixels != true.pixels)


def test_bad_options_are_refused():
    with pytest.raises(UsageError, match="--video_flow_edge=20: expected less than half"):
        VideoFlowOptions(crop_size=40, edge=20)
    with pytest.raises(UsageError, match="unknown tap 'conv9'"):
        _task(taps=("conv9",)).build_head({"conv1": Tap("conv1", 2, 0.5, 3)}, 0)
