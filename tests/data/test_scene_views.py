import numpy as np
import pytest
import tensorflow as tf

from tfcolor.data.scene_views import (
    corner_crops,
    padded_scene,
    random_scaled_crop,
    random_scene_crop,
)

SIZES = [(5, 11), (4, 3), (12, 9), (8, 8), (1, 1), (13, 2)]


def _scene(height, width):
    """Noise without zeros, and a label map that tells every pixel by its value."""
    image = np.random.default_rng(0).integers(1, 256, (height, width, 3)).astype(np.uint8)
    return image, np.arange(height * width, dtype=np.uint8).reshape(height, width)


def _seed(number):
    return tf.constant([7, number], tf.int64)


def _padded(image, size, fill):
    """The image in the middle of a canvas of at least `size`."""
    missing = [max(size - length, 0) for length in image.shape[:2]]
    widths = [(count // 2, count - count // 2) for count in missing]
    widths += [(0, 0)] * (image.ndim - 2)
    return np.pad(image, widths, constant_values=fill)


def _crops(canvas, size):
    """Every square of a canvas, as it is and mirrored."""
    for row in range(canvas.shape[0] - size + 1):
        for column in range(canvas.shape[1] - size + 1):
            square = canvas[row : row + size, column : column + size]
            yield square
            yield square[:, ::-1]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_image_and_label_map_are_cut_alike(height, width):
    image, labels = _scene(height, width)
    views = list(_crops(_padded(image, 8, 0) / np.float32(255.0), 8))
    maps = list(_crops(_padded(labels, 8, 255), 8))
    cut = tf.function(
        lambda seed: random_scene_crop(tf.constant(image), tf.constant(labels), seed, 8)
    )
    found = set()
    for number in range(60):
        view, label_map = cut(_seed(number))
        assert (view.dtype, label_map.dtype) == (tf.float32, tf.uint8)
        fits = [index for index, square in enumerate(maps) if np.array_equal(square, label_map)]
        assert any(np.abs(views[index] - view).max() < 1e-7 for index in fits)
        found.update(fits)
    if height * width <= 64:
        assert found == set(range(len(maps)))


def test_places_and_mirrors_are_uniform():
    image = tf.constant(_scene(10, 9)[0])
    position = tf.reshape(tf.range(90, dtype=tf.int32), [10, 9])
    labels = tf.cast(position, tf.uint8)
    cut = tf.function(lambda seed: random_scene_crop(image, labels, seed, 8)[1])
    maps = [cut(_seed(number)) for number in range(1200)]
    _, counts = np.unique(np.reshape(maps, [1200, -1]), axis=0, return_counts=True)
    assert len(counts) == 3 * 2 * 2
    assert counts.min() > 65  # 100 -+ 3.7 standard deviations
    assert counts.max() < 135


def test_crops_depend_on_the_seed_alone_and_have_static_shapes():
    image, labels = _scene(20, 31)
    seeds = tf.data.Dataset.from_tensors(_seed(3))
    dataset = seeds.map(
        lambda seed: (
            *random_scene_crop(tf.constant(image), tf.constant(labels), seed, 6),
            random_scaled_crop(tf.constant(image), seed, 6, 0.5, 2.0),
        )
    )
    shapes = [spec.shape.as_list() for spec in dataset.element_spec]
    assert shapes == [[6, 6, 3], [6, 6], [6, 6, 3]]
    tf.random.set_seed(1)
    first = next(iter(dataset))
    tf.random.set_seed(2)
    for tensor, again in zip(first, next(iter(dataset)), strict=True):
        np.testing.assert_array_equal(tensor, again)
    other = random_scaled_crop(tf.constant(image), _seed(4), 6, 0.5, 2.0)
    assert np.abs(first[2] - other).max() > 0.01


@pytest.mark.parametrize(("height", "width"), [(5, 8), (1, 1), (4, 3)])
def test_a_scene_lies_in_the_middle_of_its_canvas(height, width):
    image, _ = _scene(height, width)
    scene, offset = tf.function(padded_scene)(tf.constant(image), 6, 8)
    row, column = (6 - height) // 2, (8 - width) // 2
    expected = np.zeros([6, 8, 3], np.float32)
    expected[row : row + height, column : column + width] = image / np.float32(255.0)
    np.testing.assert_allclose(scene, expected, atol=1e-7)
    np.testing.assert_array_equal(scene == 0, expected == 0)
    np.testing.assert_array_equal(offset, [row, column])


@pytest.mark.parametrize("wrap", [tf.function, lambda function: function])
def test_a_scene_larger_than_its_canvas_is_refused(wrap):
    image = tf.constant(_scene(5, 9)[0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 6 x 8 pixels"):
        wrap(padded_scene)(image, 6, 8)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("scale", [0.5, 0.93, 2.0])
def test_a_scaled_crop_is_one_of_the_resized_image(height, width, scale):
    image, _ = _scene(height, width)
    scaled = [max(round(scale * length), 1) for length in (height, width)]
    resized = tf.image.resize(image, scaled).numpy() / np.float32(255.0)
    candidates = np.stack(list(_crops(_padded(resized, 8, 0), 8)))
    cut = tf.function(lambda seed: random_scaled_crop(tf.constant(image), seed, 8, scale, scale))
    for number in range(8):
        view = cut(_seed(number)).numpy()
        distances = np.abs(candidates - view).max(axis=(1, 2, 3))
        best = candidates[distances.argmin()]
        assert distances.min() < 1e-5  # the resampling weights differ by rounding
        np.testing.assert_array_equal(view == 0, best == 0)


def test_scales_are_uniform():
    image = tf.constant(np.full([100, 100, 3], 255, np.uint8))
    cut = tf.function(lambda seed: random_scaled_crop(image, seed, 200, 0.5, 2.0))
    sides = np.sqrt([np.sum(cut(_seed(number))[:, :, 0] > 0) for number in range(150)])
    assert sides.min() >= 50
    assert sides.max() <= 200
    counts, _ = np.histogram(sides, bins=3, range=(50, 200))
    assert counts.min() > 30  # 50 - 3.5 standard deviations


def test_half_of_the_scaled_crops_are_mirrored():
    ramp = np.tile(np.arange(0, 240, 30, dtype=np.uint8)[:, np.newaxis], [8, 1, 3])
    cut = tf.function(lambda seed: random_scaled_crop(tf.constant(ramp), seed, 8, 1.0, 1.0))
    views = [cut(_seed(number)).numpy() for number in range(100)]
    num_mirrored = sum(bool(view[0, 0, 0] > view[0, -1, 0]) for view in views)
    assert 30 < num_mirrored < 70  # 50 +- 4 standard deviations


@pytest.mark.parametrize("scales", [(0.0, 1.0), (2.0, 0.5)])
def test_scales_out_of_order_are_refused(scales):
    with pytest.raises(ValueError, match=f"min_scale={scales[0]}.*expected 0 < min_scale"):
        random_scaled_crop(tf.zeros([3, 4, 3], tf.uint8), _seed(0), 2, *scales)


@pytest.mark.parametrize(("height", "width"), [(5, 11), (9, 4), (13, 8), (1, 1)])
def test_ten_crops_are_corners_and_middle_and_their_mirror_images(height, width):
    image, _ = _scene(height, width)
    factor = 9 / min(height, width)
    scaled = [int(np.floor(factor * length + 0.5)) for length in (height, width)]
    resized = tf.image.resize(image, scaled).numpy() / np.float32(255.0)
    bottom, right = (length - 6 for length in scaled)
    places = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    views = [resized[row : row + 6, column : column + 6] for row, column in places]
    expected = np.stack(views + [view[:, ::-1] for view in views])
    actual = tf.function(corner_crops)(tf.constant(image), 6, 9)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_corners_larger_than_the_image_are_refused():
    with pytest.raises(ValueError, match="crop_size=10: expected at most side=9"):
        corner_crops(tf.zeros([3, 4, 3], tf.uint8), 10, 9)
