import itertools

import cv2
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from tests.moving_scenes import texture
from tfcolor.data.optical_flow import (
    RELATIVE_FLOW,
    SALIENCY_FLOW,
    farneback_flow,
    flow_saliency,
    inverse_search_flow,
    is_consistent,
    mean_flow,
    pixel_positions,
    read_at,
    shrink_frames,
)

HEIGHT, WIDTH, BORDER = 60, 84, 16
INNER = np.s_[..., BORDER:-BORDER, BORDER:-BORDER, :]


def _shifted(shift, num_frames=4):
    """A texture that moves by `shift`, (row, column), in each frame, uint8 [T, H, W]."""
    big = texture(np.random.default_rng(3), HEIGHT + 40, WIDTH + 40)
    frames = []
    for time in range(num_frames):
        grid = np.indices((HEIGHT, WIDTH), float) + 20
        grid -= time * np.array(shift)[:, None, None]
        frames.append(map_coordinates(big, grid, order=3))
    return np.clip(255 * np.stack(frames), 0, 255).astype(np.uint8)


def _color(gray):
    return np.repeat(gray[..., None], 3, axis=-1)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.5, 0.0), (0.0, -2.0), (-0.6, 1.1)])
def test_flow_is_the_known_translation(shift):
    frames = _shifted(shift)
    for flow in (
        farneback_flow(frames, SALIENCY_FLOW),
        mean_flow(_color(frames), 0),
        inverse_search_flow(frames[1], frames[2]),
    ):
        assert flow.shape[-3:] == (HEIGHT, WIDTH, 2)
        np.testing.assert_allclose(flow[INNER], np.broadcast_to(shift, flow[INNER].shape), atol=0.2)


def test_mean_flow_is_in_pixels_of_the_shrunk_frames():
    flow = mean_flow(_color(_shifted((1.0, -2.0))), HEIGHT // 2)
    assert flow.shape == (HEIGHT // 2, WIDTH // 2, 2)
    np.testing.assert_allclose(np.median(flow, axis=(0, 1)), (0.5, -1.0), atol=0.1)


def test_mean_flow_is_what_opencv_gives_with_the_published_settings():
    frames = _shifted((0.7, 1.0))
    flows = [
        cv2.calcOpticalFlowFarneback(
            *pair, None, pyr_scale=0.5, levels=8, winsize=40, iterations=10, poly_n=5,
            poly_sigma=1.1, flags=cv2.OPTFLOW_FARNEBACK_GAUSSIAN,
        )
        for pair in itertools.pairwise(frames)
    ]  # fmt: skip
    expected = np.mean(flows, axis=0)[..., ::-1]
    np.testing.assert_allclose(mean_flow(_color(frames), 0), expected, atol=1e-4)
    assert RELATIVE_FLOW.window == 40


def test_saliency_goes_from_the_slowest_to_the_fastest():
    frames = _shifted((0.0, 0.0))
    frames[:, 20:40, 30:54] = _shifted((0.0, 1.5))[:, 20:40, 30:54]
    saliency = flow_saliency(_color(frames), 0)
    assert saliency.shape == (HEIGHT, WIDTH, 1) and saliency.dtype == np.float32
    assert saliency.min() == 0 and saliency.max() == 1
    assert saliency[25:35, 36:48].mean() > 0.5 > 0.1 > saliency[:8].mean()
    still = flow_saliency(np.zeros([4, 20, 24, 3], np.uint8), 0)
    np.testing.assert_array_equal(still, 0)


def test_frames_are_shrunk_to_a_shorter_side_and_never_enlarged():
    frames = np.random.default_rng(0).integers(0, 255, [2, 40, 60, 3]).astype(np.uint8)
    gray, scale = shrink_frames(frames, 20)
    assert gray.shape == (2, 20, 30) and scale == 0.5
    blocks = frames.reshape(2, 20, 2, 30, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(gray, blocks @ [0.299, 0.587, 0.114], atol=1.1)
    for side in (0, 50):
        assert shrink_frames(frames, side)[0].shape == (2, 40, 60)


def test_reading_between_pixels_is_bilinear_and_stays_inside():
    field = np.random.default_rng(1).normal(size=(5, 7)).astype(np.float32)
    positions = np.random.default_rng(2).uniform(-2, 8, (9, 4, 2)).astype(np.float32)
    expected = map_coordinates(field, np.moveaxis(positions, -1, 0), order=1, mode="nearest")
    # OpenCV rounds positions to a 32nd of a pixel.
    np.testing.assert_allclose(read_at(field, positions), expected, atol=0.1)
    np.testing.assert_array_equal(read_at(field, pixel_positions(5, 7)), field)


def test_flows_are_consistent_where_one_undoes_the_other():
    forward = np.zeros([6, 9, 2], np.float32)
    forward[..., 1] = 3
    assert is_consistent(forward, -forward).all()
    backward = -forward
    backward[:, 6:] = 2  # where the first four columns lead to no more
    is_good = is_consistent(forward, backward)
    np.testing.assert_array_equal(is_good[0], [True] * 3 + [False] * 6)
