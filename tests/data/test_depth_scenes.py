import numpy as np
import pytest

from tfcolor.data import depth_scenes
from tfcolor.data.depth_scenes import INVALID, draw_depth_scene


@pytest.fixture(scope="module")
def scenes():
    return [draw_depth_scene(np.random.default_rng(seed), 48, 64) for seed in range(40)]


def test_a_scene_is_a_picture_with_the_depth_of_most_pixels(scenes):
    for image, depth in scenes:
        assert (image.shape, image.dtype) == ((48, 64, 3), np.uint8)
        assert (depth.shape, depth.dtype) == ((48, 64), np.float32)
        known = depth != INVALID
        assert np.isfinite(depth).all()
        assert 0.8 < known.mean() < 1
        assert 0.5 < depth[known].min() < depth[known].max() < 12
        assert image.std() > 5


def test_the_seed_decides():
    one, other, third = (draw_depth_scene(np.random.default_rng(seed)) for seed in (3, 3, 4))
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)
    assert np.any(one.depth != third.depth)
    assert one.image.shape == (96, 128, 3)


@pytest.fixture
def room():
    """What the rays of a picture meet in an empty room, with its measures."""
    generator = np.random.default_rng(1)
    hits = depth_scenes._Hits(depth_scenes._camera_rays(generator, 48, 64))
    left, right, far = depth_scenes._add_room(hits, 1.5, generator)
    return hits, (left, right, far)


def test_points_of_a_room_lie_on_its_walls(room):
    hits, (left, right, far) = room
    points = hits.distance[..., None] * hits.rays
    x, y, z = np.moveaxis(points, -1, 0)
    ceiling = y.min()
    assert -1.5 < ceiling < -0.9
    to_walls = np.stack([x - left, right - x, 1.5 - y, y - ceiling, far - z])
    np.testing.assert_allclose(to_walls.min(axis=0), 0, atol=1e-9)
    # The normal is that of the nearest wall.
    normals = np.array([[1, 0, 0], [-1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1]])
    is_edge = np.sort(to_walls, axis=0)[1] < 1e-6
    expected = normals[to_walls.argmin(axis=0)]
    np.testing.assert_array_equal(hits.normal[~is_edge], expected[~is_edge])
    # Depth is along the optical axis: the middle ray has length 1 along it.
    lengths = np.linalg.norm(hits.rays, axis=-1)
    rows, columns = np.mgrid[:48, :64]
    focal = depth_scenes.FOCAL_LENGTH * 64
    squares = ((rows - 23.5) ** 2 + (columns - 31.5) ** 2) / focal**2
    np.testing.assert_allclose(lengths, np.sqrt(1 + squares))


def test_points_of_a_ball_are_at_its_radius(room, monkeypatch):
    hits, measures = room
    monkeypatch.setattr(depth_scenes, "_place", lambda *_: (0.2, 2.5))
    before = hits.distance.copy()
    depth_scenes._add_ball(hits, 1.5, measures, np.random.default_rng(0))
    is_ball = hits.distance < before
    points = hits.distance[is_ball][:, None] * hits.rays[is_ball]
    assert len(points) > 20
    # (h - r)^2 + d^2 = r^2 at a height h, at d from the axis of a ball upon the floor.
    heights, across = 1.5 - points[:, 1], np.hypot(points[:, 0] - 0.2, points[:, 2] - 2.5)
    radii = (heights**2 + across**2) / (2 * heights)
    assert 0.2 < radii[0] < 0.3
    np.testing.assert_allclose(radii, radii[0], rtol=1e-6)
    outward = (points - [0.2, 1.5 - radii[0], 2.5]) / radii[0]
    np.testing.assert_allclose(hits.normal[is_ball], outward, atol=1e-6)
    assert (np.sum(outward * points, axis=-1) <= 1e-6).all()  # the side that is seen


def test_points_of_a_box_lie_on_its_sides(room, monkeypatch):
    hits, measures = room
    monkeypatch.setattr(depth_scenes, "_place", lambda *_: (-0.1, 2.2))
    before = hits.distance.copy()
    depth_scenes._add_box(hits, 1.5, measures, np.random.default_rng(0))
    is_box = hits.distance < before
    points, normals = hits.distance[is_box][:, None] * hits.rays[is_box], hits.normal[is_box]
    assert len(points) > 50
    assert (np.sum(normals * points, axis=-1) < 0).all()
    sides = np.unique(np.round(normals, 6), axis=0)
    assert 2 <= len(sides) <= 3
    for side in sides:
        is_on = np.abs(normals - side).max(axis=-1) < 1e-5
        assert np.ptp(points[is_on] @ side) < 1e-6
    np.testing.assert_allclose(sides @ sides.T, np.eye(len(sides)), atol=1e-5)


def test_things_hide_what_is_behind_them():
    rays = np.broadcast_to([0, 0, 1.0], (1, 4, 3))
    hits = depth_scenes._Hits(rays)
    texture = depth_scenes._Texture(np.random.default_rng(0), 0.5)
    normal, places = -rays, np.zeros((1, 4, 2))
    far, near = np.full((1, 4), 5.0), np.array([[2.0, 2.0, 7.0, 2.0]])
    hits.add(far, normal, places, np.ones((1, 4), bool), texture)
    hits.add(near, normal, places, np.array([[True, False, True, True]]), texture)
    np.testing.assert_array_equal(hits.distance, [[2, 5, 5, 2]])


def test_what_is_near_the_horizon_is_farther_than_what_is_below(scenes):
    """The cues that a network is to use are there: rows and haze tell the depth."""
    rows, depths, colors = [], [], []
    for image, depth in scenes:
        known = depth > 0
        rows.append(np.indices(depth.shape)[0][known])
        depths.append(depth[known])
        spread = image.astype(float).max(-1) - image.min(-1)
        colors.append(spread[known])
    rows, depths, colors = map(np.concatenate, (rows, depths, colors))
    below = rows > 30
    assert np.corrcoef(rows[below], depths[below])[0, 1] < -0.4
    assert np.corrcoef(colors, depths)[0, 1] < -0.1
