import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.data.rotation import rotate_images
from tfcolor.data.transforms import (
    ViewOptions,
    center_view,
    random_locations,
    random_shift,
    random_turn,
    random_view,
    rescaled_size,
)

OPTIONS = ViewOptions(crop_size=12, min_side=12, max_side=30)


def _noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def _seed(number):
    return tf.constant([7, number], tf.int64)


def _all_views(image, options):
    """Every view the recipe allows, by resizing first and cropping afterwards."""
    size = options.crop_size
    for side in range(options.min_side, options.max_side + 1):
        height, width = image.shape[:2]
        scale = side / min(height, width)
        scaled = [int(np.floor(length * scale + 0.5)) for length in (height, width)]
        resized = tf.image.resize(image, scaled, antialias=True).numpy() / 255.0
        for row in range(scaled[0] - size + 1):
            for column in range(scaled[1] - size + 1):
                view = resized[row : row + size, column : column + size]
                yield (side, row, column, False), view
                yield (side, row, column, True), view[:, ::-1]


@pytest.mark.parametrize(("height", "width"), [(20, 33), (9, 7), (64, 40)])
def test_each_view_is_one_crop_of_the_resized_image(height, width):
    image = _noise(height, width)
    options = ViewOptions(crop_size=8, min_side=8, max_side=11)
    candidates = list(_all_views(image, options))
    stack = np.stack([view for _, view in candidates])
    chosen = set()
    for number in range(40):
        view = random_view(tf.constant(image), _seed(number), options).numpy()
        distances = np.abs(stack - view).max(axis=(1, 2, 3))
        assert distances.min() < 2e-6
        chosen.add(candidates[int(distances.argmin())][0])
    sides, rows, columns, mirrors = (set(values) for values in zip(*chosen, strict=True))
    assert sides == {8, 9, 10, 11}
    assert mirrors == {False, True}
    assert len(rows) > 1
    assert len(columns) > 1


def test_view_depends_on_the_seed_alone():
    image = tf.constant(_noise(40, 31))
    tf.random.set_seed(1)
    first = random_view(image, _seed(3), OPTIONS)
    tf.random.set_seed(2)
    np.testing.assert_array_equal(first, random_view(image, _seed(3), OPTIONS))
    assert np.abs(first - random_view(image, _seed(4), OPTIONS)).max() > 0.01


def test_view_has_static_shape_and_unit_range_in_a_pipeline():
    image = np.full((16, 24, 3), 255, np.uint8)
    seeds = [_seed(number) for number in range(20)]
    dataset = tf.data.Dataset.from_tensor_slices(seeds)
    dataset = dataset.map(lambda seed: random_view(tf.constant(image), seed, OPTIONS))
    assert dataset.element_spec == tf.TensorSpec([12, 12, 3], tf.float32)
    for seed, view in zip(seeds, dataset, strict=True):
        assert view.numpy().max() <= 1.0
        np.testing.assert_array_equal(view, random_view(tf.constant(image), seed, OPTIONS))


def test_mirror_can_be_switched_off_and_changes_nothing_else():
    image = tf.constant(_noise(40, 31))
    plain = ViewOptions(crop_size=12, min_side=12, max_side=30, use_mirror=False)
    num_mirrored = 0
    for number in range(100):
        view = random_view(image, _seed(number), OPTIONS).numpy()
        unmirrored = random_view(image, _seed(number), plain).numpy()
        is_mirrored = not np.array_equal(view, unmirrored)
        np.testing.assert_array_equal(view[:, ::-1] if is_mirrored else view, unmirrored)
        num_mirrored += is_mirrored
    assert 30 < num_mirrored < 70  # 50 +- 4 standard deviations


def test_turned_views_are_those_of_some_angle_in_range():
    view = tf.constant(_noise(9, 9).astype(np.float32) / 255)
    angles = np.arange(-360.0, 360.0) / 12
    candidates = rotate_images(tf.repeat(view[tf.newaxis], 720, 0), angles, fill="nearest").numpy()
    best = []
    for number in range(12):
        turned = random_turn(view, _seed(number), 30.0).numpy()
        np.testing.assert_array_equal(turned, random_turn(view, _seed(number), 30.0))
        errors = np.abs(candidates - turned).max((1, 2, 3))
        assert errors.min() < 0.02  # a twelfth of a degree, four pixels from the center
        best.append(angles[errors.argmin()])
    assert min(best) < -8
    assert max(best) > 8


def test_shifted_views_are_crops_of_the_padded_view():
    view = np.random.default_rng(0).uniform(size=(5, 7, 3)).astype(np.float32)
    padded = np.pad(view, [(2, 2), (2, 2), (0, 0)])
    crops = {padded[y : y + 5, x : x + 7].tobytes(): (y, x) for y in range(5) for x in range(5)}
    shifts = [
        crops[
            random_shift(tf.constant(view), tf.constant([3, number], tf.int64), 2).numpy().tobytes()
        ]
        for number in range(200)
    ]
    assert set(shifts) == set(crops.values())
    again = random_shift(tf.constant(view), tf.constant([3, 4], tf.int64), 2).numpy()
    assert crops[again.tobytes()] == shifts[4]


def test_longer_side_is_rounded_and_shorter_side_is_exact():
    for size, side, expected in [
        ((200, 100), 33, (66, 33)),
        ((101, 67), 20, (30, 20)),
        ((67, 100), 20, (20, 30)),
        ((3, 100_000), 600, (600, 20_000_000)),
    ]:
        np.testing.assert_array_equal(rescaled_size(tf.constant(size), tf.constant(side)), expected)


@pytest.mark.parametrize(("crop_size", "min_side", "max_side"), [(9, 8, 20), (8, 10, 9)])
def test_sides_that_do_not_fit_are_refused(crop_size, min_side, max_side):
    with pytest.raises(UsageError, match=f"min_side={min_side}.*crop_size <= min_side"):
        ViewOptions(crop_size=crop_size, min_side=min_side, max_side=max_side)


def test_locations_are_uniform_integers_inside_the_edge():
    locations = random_locations(_seed(0), 20_000, size=10, edge=3).numpy()
    assert locations.shape == (20_000, 2)
    assert locations.dtype == np.float32
    for axis in range(2):
        values, counts = np.unique(locations[:, axis], return_counts=True)
        np.testing.assert_array_equal(values, [3, 4, 5, 6])
        np.testing.assert_allclose(counts, 5000, atol=250)  # 4 standard deviations
    assert abs(np.corrcoef(locations.T)[0, 1]) < 0.03


def test_locations_depend_on_the_seed_alone():
    first = random_locations(_seed(0), 5, size=100, edge=0)
    np.testing.assert_array_equal(first, random_locations(_seed(0), 5, size=100, edge=0))
    assert np.any(first != random_locations(_seed(1), 5, size=100, edge=0))


@pytest.mark.parametrize("edge", [-1, 5])
def test_an_edge_that_leaves_nothing_is_refused(edge):
    with pytest.raises(ValueError, match=f"edge={edge}: expected .* less than half of size=10"):
        random_locations(_seed(0), 3, size=10, edge=edge)


@pytest.mark.parametrize(("height", "width"), [(20, 33), (9, 7), (12, 12)])
def test_the_middle_is_that_of_the_resized_image(height, width):
    image = _noise(height, width)
    scale = 12 / min(height, width)
    scaled = [int(np.floor(length * scale + 0.5)) for length in (height, width)]
    resized = tf.image.resize(image, scaled, antialias=True).numpy() / 255.0
    row, column = ((length - 9) // 2 for length in scaled)
    expected = resized[row : row + 9, column : column + 9]
    actual = tf.function(center_view)(tf.constant(image), 12, 9)
    np.testing.assert_allclose(actual, expected, atol=2e-6)
