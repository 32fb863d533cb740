import colorsys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.moving_scenes import moving_scene, write_video
from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import open_images
from tfcolor.data.sources.video import open_video
from tfcolor.tasks.video import (
    ConstantLabelLoss,
    VideoOptions,
    VideoTask,
    check_edge,
    enlarge_frame,
    paint_flow,
    paint_shares,
)


class BrightnessTask(VideoTask):
    """Asks for the brightness of the frame, and counts how often it is computed."""

    name, frames_around, field_settings, Options = "brightness", (0, 1), "none", VideoOptions
    num_computed = 0

    def compute_field(self, frames):
        self.num_computed += 1
        assert len(frames) == 2
        return frames[0, ..., :1] / 255

    def observe(self, field, seed):
        del seed
        return {"offset": tf.zeros([])}, {"brightness": field}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    frames, _ = moving_scene(16, (24, 32), (1.0, 0.0), square=(10, 8))
    return write_video(tmp_path_factory.mktemp("video") / "scene.avi", frames)


def _task(place, cache_folder="", **options):
    readers = {"train": ExampleReader(open_video(f"{place}:3"), 10**7)} if place else {}
    options = {"crop_size": 20, "flow_side": 0, "cache_folder": str(cache_folder), **options}
    return BrightnessTask(VideoOptions(**options), readers)


def _batch(task, seed=0):
    return next(iter(task.make_dataset("train", BatchPlan(4, seed, num_batches=1))))


def test_views_of_a_frame_and_of_its_field_agree(place):
    inputs, targets = _batch(_task(place))
    assert inputs["image"].shape == [4, 20, 20, 3]
    assert inputs["offset"].shape == [4]
    # Fields are kept in half precision.
    np.testing.assert_allclose(inputs["image"][..., :1], targets["brightness"], atol=1e-3)
    assert _batch(_task(place, input="gray"))[0]["image"].shape == [4, 20, 20, 1]


def test_fields_are_computed_once_and_anew_for_other_settings(place, tmp_path):
    first, second, other = (_task(place, tmp_path) for _ in range(3))
    other.field_settings = "others"
    for task in (first, first, second, other):
        _batch(task)
    assert [task.num_computed for task in (first, second, other)] == [3, 0, 3]


def test_a_changed_file_is_computed_anew(tmp_path):
    frames, _ = moving_scene(14, (24, 32))
    counts = []
    for brightness in (1, 2):
        place = write_video(tmp_path / "scene.avi", frames // brightness)
        task = _task(place, tmp_path / "cache")
        _batch(task)
        counts.append(task.num_computed)
    assert counts == [1, 1]


def test_images_that_are_no_frames_are_refused(labelled_photos):
    readers = {"train": ExampleReader(open_images(str(labelled_photos)))}
    with pytest.raises(UserError, match=r"name videos as video:FOLDER\[:train\|heldout\]"):
        BrightnessTask(VideoOptions(cache_folder=""), readers)


def test_a_task_without_videos_makes_no_folder(tmp_path):
    _task("", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_the_constant_loss_is_the_entropy_or_that_of_other_labels():
    labels = np.array([[0, 0, 1, 2]])
    metric = ConstantLabelLoss(3)
    metric.update_state({"label": tf.constant(labels)}, {})
    assert float(metric.result()) == pytest.approx(1.5 * np.log(2))
    other = ConstantLabelLoss(3)
    other.take_constant(metric)
    other.update_state({"label": tf.constant([[1, 1]])}, {})
    # Counts 2, 1, 1 and one label spread over the bins.
    assert float(other.result()) == pytest.approx(-np.log((1 + 1 / 3) / 5))
    assert ConstantLabelLoss(**metric.get_config()).get_config() == metric.get_config()
    metric.reset_state()
    assert float(metric.result()) == 0


def test_borders_leave_a_location():
    check_edge(9, 20, "some")
    with pytest.raises(UsageError, match="--some_edge=10: expected less than half of --some_crop"):
        check_edge(10, 20, "some")


def test_flow_is_painted_by_direction_and_speed():
    flow = np.zeros([1, 4, 2])
    flow[0, :3] = [[0, 2], [2, 0], [0, -1]]
    right, down, left, still = paint_flow(flow)[0] / 255
    for color, hue, value in ((right, 0, 1), (down, 0.25, 1), (left, 0.5, 0.5)):
        np.testing.assert_allclose(colorsys.rgb_to_hsv(*color), (hue, 1, value), atol=0.02)
    np.testing.assert_array_equal(still, 0)
    assert np.all(paint_flow(np.zeros([2, 3, 2])) == 0)


def test_shares_are_painted_brighter_and_frames_enlarged():
    colors = paint_shares(np.array([[0.0, 0.5, 1.0, 2.0]]))
    assert colors.shape == (1, 4, 3) and colors.dtype == np.uint8
    luma = np.asarray(Image.fromarray(colors).convert("L"))[0]
    assert luma[0] < luma[1] < luma[2] == luma[3]
    canvas, scale = enlarge_frame(np.full([64, 64, 3], 200, np.uint8))
    assert canvas.shape == (256, 256, 3) and scale == 4
    np.testing.assert_array_equal(canvas, 100)
