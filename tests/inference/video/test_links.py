import numpy as np
import pytest

from tests.moving_scenes import moving_scene
from tfcolor.core.taps import Tap
from tfcolor.inference.video.links import Cells, link_frames

GRID = Tap("grid", 4, 1.5)
CELLS = Cells((24, 32), GRID, (96, 128))


@pytest.fixture(scope="module")
def frames():
    return moving_scene(3, (96, 128))[0][..., 0]


def test_cells_lie_where_the_grid_says():
    positions = CELLS.positions
    np.testing.assert_allclose(positions[0, 0], [1.5, 1.5])
    np.testing.assert_allclose(positions[2, 5], [9.5, 21.5])


def test_large_frames_are_shrunk_with_their_cells():
    cells = Cells((100, 160), GRID, (400, 640))
    assert cells.frame_size == (200, 320)
    np.testing.assert_allclose(cells.step, [2, 2])
    np.testing.assert_allclose(cells.positions[0, 0], [0.5, 0.5])
    assert cells.shrink(np.ones((400, 640), np.float32)).tolist() == [[255] * 320] * 200


def test_links_follow_the_picture():
    first = moving_scene(1, (96, 128))[0][0, ..., 0]
    second = np.roll(first, (4, -8), axis=(0, 1))
    there, back = link_frames(first, second, CELLS)
    inner = np.s_[6:-6, 6:-6]
    cells = np.moveaxis(np.indices((24, 32)), 0, -1)
    np.testing.assert_allclose((there.positions - cells)[inner].mean((0, 1)), [1, -2], atol=0.05)
    np.testing.assert_allclose((back.positions - cells)[inner].mean((0, 1)), [-1, 2], atol=0.05)
    assert there.trust[inner].mean() > 0.95


def test_a_frame_is_found_in_itself(frames):
    link, _ = link_frames(frames[0], frames[0], CELLS)
    assert link.share == 1
    np.testing.assert_allclose(link.positions, np.moveaxis(np.indices((24, 32)), 0, -1), atol=1e-4)


def test_another_picture_is_not_found(frames):
    other = moving_scene(1, (96, 128), seed=9)[0][0, ..., 0]
    link, back = link_frames(frames[0], other, CELLS)
    assert max(link.share, back.share) < 0.25


def test_what_a_thing_covers_is_not_trusted():
    scene = moving_scene(2, (96, 128), (14, 0), is_camera_still=True)[0][..., 0]
    there, _ = link_frames(scene[0], scene[1], CELLS)
    # The square of 50 x 40 pixels in the middle moves over 14 columns to its right.
    assert there.trust[8:16, 21:24].mean() < 0.3
    assert there.trust[:, :9].mean() > 0.9


def test_what_leaves_the_frame_is_not_trusted():
    first = moving_scene(1, (96, 128))[0][0, ..., 0]
    there, _ = link_frames(first, np.roll(first, -8, axis=1), CELLS)
    assert there.trust[4:-4, :2].mean() < 0.2
    assert there.trust[4:-4, 4:-4].mean() > 0.9


def test_more_light_on_the_whole_frame_is_forgiven(frames):
    brighter = np.clip(frames[1].astype(int) + 30, 0, 255).astype(np.uint8)
    assert link_frames(frames[0], brighter, CELLS)[0].share > 0.7
