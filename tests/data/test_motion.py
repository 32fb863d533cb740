import numpy as np
import pytest

from tests.moving_scenes import PAN, moving_scene
from tfcolor.data.motion import camera_motion, moving_pixels, track_pixels
from tfcolor.data.optical_flow import inverse_search_flow

SIZE = 120, 160


@pytest.mark.parametrize(
    ("speed", "least"), [((1.2, 1.6), 0.75), ((0.4, 0.5), 0.80)], ids=["fast", "slow"]
)
def test_a_moving_square_is_found_under_a_moving_camera(speed, least):
    # The acceptance test of the specification; 0.87 and 0.95 were measured.
    frames, mask = moving_scene(11, SIZE, speed)
    field = moving_pixels(frames, 0)
    assert field.shape == (*SIZE, 2)
    found = field[..., 0] == 1
    assert (found & mask).sum() / (found | mask).sum() >= least
    assert not np.any(found & (field[..., 1] == 1))
    assert field[..., 1].mean() < 0.1


def test_nothing_moves_under_a_moving_camera_alone():
    frames, _ = moving_scene(11, SIZE)
    field = moving_pixels(frames, 0)
    # A frame in which less than a fiftieth moves is unknown.
    assert field[..., 0].mean() == 0
    assert np.all(field[..., 1] == 1)
    residuals = track_pixels(frames[..., 0]).residuals
    is_moving = (residuals.sum(axis=0) >= 3) & (residuals[0] >= 0.3)
    assert is_moving.mean() <= 0.005


def test_lengths_are_measured_in_parts_of_the_frame():
    # 0.6 pixels in 6 steps are far for a frame of 60 pixels, but not for one of 240.
    frames, mask = moving_scene(7, (60, 80), (0.5, 0.5), square=(25, 25), is_camera_still=True)
    assert moving_pixels(frames, 0)[mask, 0].mean() > 0.7
    large = frames.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(moving_pixels(large, 60), moving_pixels(frames, 0))


def test_the_motion_of_the_camera_is_that_of_most_pixels():
    frames, _ = moving_scene(2, (60, 80), (6.0, 5.0), square=(20, 20))
    flow = inverse_search_flow(frames[0, ..., 0], frames[1, ..., 0])
    homography = camera_motion(frames[0, ..., 0], flow, np.ones([60, 80], bool))
    moved = homography @ [39.5, 29.5, 1]
    # The texture goes where the camera comes from.
    np.testing.assert_allclose(moved[:2] / moved[2], np.array([40, 30]) + PAN, atol=1.5)


def test_flow_without_a_common_motion_is_no_camera():
    random_numbers = np.random.default_rng(0)
    frame = random_numbers.integers(0, 255, (60, 80)).astype(np.uint8)
    flow = random_numbers.normal(scale=20, size=(60, 80, 2)).astype(np.float32)
    assert camera_motion(frame, flow, np.ones([60, 80], bool)) is None
    assert camera_motion(frame, flow, np.zeros([60, 80], bool)) is None


def test_tracks_end_where_they_leave_the_frame():
    frames = moving_scene(4, (40, 56))[0][..., 0]
    tracks = track_pixels(frames)
    assert tracks.residuals.shape == (3, 40, 56)
    assert tracks.num_skipped == 0
    assert tracks.num_steps.max() == 3
    assert np.all(tracks.num_steps[8:-8, 8:-8] == 3)
    assert tracks.num_steps.min() < 3
    assert np.all(tracks.residuals[-1][tracks.num_steps < 3] == 0)
