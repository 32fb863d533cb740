import numpy as np
import pytest

from tests.moving_scenes import moving_scene
from tfcolor.core.taps import Tap
from tfcolor.inference.video.cuts import Role, find_roles, histogram_distance, link_shot
from tfcolor.inference.video.links import Cells

CELLS = Cells((12, 16), Tap("grid", 4, 1.5), (48, 64))


@pytest.fixture(scope="module")
def first():
    return list(moving_scene(6, (48, 64))[0][..., 0])


@pytest.fixture(scope="module")
def second():
    return list(moving_scene(5, (48, 64), seed=5)[0][..., 0])


def kinds(roles):
    """Returns F for a flash, N for a new shot, and the anchor of all others."""
    return ["F" if role.is_flash else "N" if role.anchor is None else role.anchor for role in roles]


def test_a_moving_camera_is_one_shot(first):
    assert kinds(find_roles(first, None, CELLS, [])) == ["N", 0, 1, 2, 3, 4]


def test_another_scene_begins_a_shot(first, second):
    roles = find_roles(first + second, None, CELLS, [])
    assert kinds(roles) == ["N", 0, 1, 2, 3, 4, "N", 6, 7, 8, 9]


def test_two_frames_of_one_scene_far_apart_are_two_shots():
    scene = moving_scene(40, (48, 64))[0][..., 0]
    assert link_shot(scene[0], scene[39], CELLS) is None


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_flash_is_no_cut(first, length):
    flash = [np.full((48, 64), 250, np.uint8)] * length
    roles = find_roles(first[:3] + flash + first[3:], None, CELLS, [])
    after = 3 + length
    assert kinds(roles) == ["N", 0, 1, *"F" * length, 2, after, after + 1]


def test_a_fade_is_no_cut(first):
    faded = [
        np.uint8(frame * share) for frame, share in zip(first, np.linspace(1, 0.3, 6), strict=True)
    ]
    assert kinds(find_roles(faded, None, CELLS, [])) == ["N", 0, 1, 2, 3, 4]


def test_roles_go_on_where_earlier_frames_ended(first, second):
    whole = find_roles(first + second, None, CELLS, [])
    rest = find_roles(first[3:] + second, first[2], CELLS, [])
    assert kinds(rest) == [-1, 0, 1, "N", 3, 4, 5, 6]
    np.testing.assert_array_equal(
        rest[0].neighbors.there.positions, whole[3].neighbors.there.positions
    )
    assert kinds(find_roles(first + second, None, CELLS, whole[:4])) == kinds(whole)


def test_a_flash_at_the_end_of_what_is_known_may_be_a_cut(first):
    roles = find_roles([*first[:2], np.full((48, 64), 250, np.uint8)], None, CELLS, [])
    assert kinds(roles) == ["N", 0, "N"]
    known = [Role(), Role(is_flash=True)]
    assert kinds(find_roles([first[0], first[3], first[1]], None, CELLS, known)) == ["N", "F", 0]


def test_histogram_distance_is_that_of_numpy():
    numbers = np.random.default_rng(0)
    one, other = (numbers.integers(0, high, (9, 11)).astype(np.uint8) for high in (256, 100))
    counts = [np.histogram(frame, 32, (0, 256))[0] / frame.size for frame in (one, other)]
    expected = 0.5 * np.abs(counts[0] - counts[1]).sum()
    np.testing.assert_allclose(histogram_distance(one, other), expected)
    assert histogram_distance(one, one) == 0
