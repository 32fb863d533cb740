import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options
from tfcolor.data.depth_views import (
    DepthViewOptions,
    based_size,
    center_depth_view,
    random_depth_view,
)

SMALL = {"side": 0, "crop_height": 20, "crop_width": 30}


def _options(**changes):
    return DepthViewOptions(**{**SMALL, **changes})


def _scene(height=40, width=50):
    """A picture whose red is ten times the depth, which varies from 5 to 15 meters."""
    rows, columns = np.mgrid[:height, :width]
    depth = 5 + 10 * (rows / height + columns / width) / 2
    image = np.stack([10 * depth, 0 * depth, 0 * depth], axis=-1)
    return np.round(image).astype(np.uint8), depth.astype(np.float32)


def _view(options, seed=0, scene=None):
    image, depth = scene or _scene()
    pair = tf.constant([0, seed], tf.int64)
    return (one.numpy() for one in random_depth_view(image, depth, pair, options))


@pytest.mark.parametrize("use_mirror", [False, True])
def test_at_scale_one_depth_belongs_to_its_pixels(use_mirror):
    options = _options(min_scale=1.0, max_scale=1.0, use_mirror=use_mirror)
    corners = set()
    for seed in range(8):
        view, depth = _view(options, seed)
        assert (view.shape, depth.shape) == ((20, 30, 3), (20, 30))
        np.testing.assert_allclose(255 * view[..., 0], 10 * depth, atol=0.51)
        corners.add((round(float(depth[0, 0]), 3), bool(depth[0, 0] > depth[0, -1])))
    assert len(corners) == 8
    assert {is_mirrored for _, is_mirrored in corners} == ({False, True} if use_mirror else {False})


@pytest.mark.parametrize(("scale", "side"), [(1.5, 0), (2.0, 0), (0.75, 0), (1.25, 60)])
def test_an_image_that_is_scaled_is_as_near_as_its_factor(scale, side):
    options = _options(min_scale=scale, max_scale=scale, side=side)
    for seed in range(4):
        view, depth = _view(options, seed)
        # What is seen tells the true depth, and a step of it along the view.
        np.testing.assert_allclose(255 * view[..., 0], 10 * scale * depth, rtol=0.03)
    if not side:
        # In space nothing has changed: 50 columns at 15 m are as wide as 100 at 7.5 m.
        step = abs(float(depth[0, -1] - depth[0, 0])) / 29
        assert step * scale * scale == pytest.approx(5 / 50, rel=0.1)


def test_scales_are_uniform_in_their_range():
    flat = np.full((40, 50, 3), 7, np.uint8), np.full((40, 50), 6, np.float32)
    options = _options(min_scale=1.0, max_scale=2.0)
    scales = np.array([6 / next(_depths(options, seed, flat)) for seed in range(60)])
    assert 0.98 < scales.min() < 1.2 < 1.8 < scales.max() < 2.02
    assert abs(scales.mean() - 1.5) < 0.12


def _depths(options, seed, scene):
    _, depth = _view(options, seed, scene)
    yield depth[10, 15]


def test_depth_is_never_averaged_and_unknown_stays_unknown():
    depth = np.where(np.indices((40, 50)).sum(0) % 7 < 3, 2.0, 8.0).astype(np.float32)
    depth[10:20, 10:25] = 0
    scene = np.zeros((40, 50, 3), np.uint8), depth
    _, seen = _view(_options(min_scale=1.6, max_scale=1.6), 1, scene)
    assert set(np.round(np.unique(seen) * 1.6, 5)) == {0, 2, 8}


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.3, 1.7])
def test_nearest_depth_is_that_of_scipy(scale):
    image, depth = _scene(37, 45)
    height, width = round(37 * scale), round(45 * scale)
    options = _options(
        min_scale=scale, max_scale=scale, crop_height=height, crop_width=width, use_mirror=False
    )
    _, seen = _view(options, 0, (image, depth))
    rows, columns = ((np.arange(n) + 0.5) * m / n - 0.5 for n, m in ((height, 37), (width, 45)))
    places = np.meshgrid(rows, columns, indexing="ij")
    expected = scipy.ndimage.map_coordinates(depth, places, order=1, mode="nearest")
    factor = np.sqrt(height / 37 * width / 45)
    # The nearest pixel is half a pixel away at most: 0.14 m of a ramp.
    np.testing.assert_allclose(seen * factor, expected, atol=0.13)


def test_an_image_smaller_than_the_view_is_padded_with_unknown():
    view, depth = _view(_options(max_scale=1.0, use_mirror=False), 0, _scene(16, 20))
    np.testing.assert_array_equal(depth > 0, np.pad(np.ones((16, 20), bool), [(2, 2), (5, 5)]))
    assert not view[depth == 0].any()
    assert (view[depth > 0][:, 0] > 0).all()


def test_center_is_the_middle_at_the_base_scale():
    image, depth = _scene(40, 50)
    view, seen = (one.numpy() for one in center_depth_view(image, depth, _options()))
    np.testing.assert_array_equal(seen, depth[10:30, 10:40])
    np.testing.assert_allclose(view, image[10:30, 10:40] / 255, atol=1e-6)
    _, halved = center_depth_view(image, depth, _options(side=20))
    # Column 15 of 30 is column 13 of 25, whose middle is in column 27 of 50.
    assert halved.numpy()[10, 15] == depth[21, 27]


def test_views_are_the_same_in_a_pipeline():
    options, (image, depth) = _options(), _scene()
    seeds = tf.data.Dataset.range(3).map(lambda number: tf.stack([number, number]))
    views = seeds.map(lambda seed: random_depth_view(image, depth, seed, options))
    for number, found in enumerate(views):
        seed = tf.constant([number, number], tf.int64)
        for one, other in zip(found, random_depth_view(image, depth, seed, options), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


def test_sizes_and_scales_are_checked():
    assert based_size(tf.zeros([30, 20, 3], tf.uint8), 0).numpy().tolist() == [30, 20]
    check_options(DepthViewOptions(), "depth_")
    with pytest.raises(UsageError, match=r"--depth_min_scale=2\.0: expected at most --depth_max_"):
        _options(min_scale=2.0)
