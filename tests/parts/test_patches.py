import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError, UserError
from tfcolor.parts import patches
from tfcolor.parts.edges import EdgeOptions, oriented_edges
from tfcolor.parts.patches import (
    PatchOptions,
    sample_complete_patches,
    sample_patches,
    turned_corners,
)
from tfcolor.parts.rotation import complete_images


@pytest.fixture(autouse=True)
def run_eagerly():
    """Tracing costs more than these tests."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def detect(images):
    return oriented_edges(images, EdgeOptions())


def photos(count, size=(14, 17), channels=1, seed=0):
    shape = [count, *size, channels]
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def options(**changes):
    return PatchOptions(**{"size": 4, "samples_per_image": 5, **changes})


def test_positions_of_a_patch_in_every_turn():
    corners = turned_corners(28, 6, 8)
    (place,) = np.flatnonzero((corners[:, 0] == [7, 5]).all(axis=1))
    centers = (corners[place] + 3).tolist()
    expected = [(10, 8), (15, 7), (20, 10), (21, 15), (18, 20), (13, 21), (8, 18), (7, 13)]
    assert [tuple(center) for center in centers] == expected


@pytest.mark.parametrize("side,size", [(28, 6), (13, 5), (10, 4)])
def test_candidates_stay_inside_in_all_turns(side, size):
    corners = turned_corners(side, size, 12)
    assert corners.min() >= 0 and corners.max() <= side - size
    margin = int(1 + size / 2)
    line = range(margin, side - margin)
    expected = []
    for row in line:
        for column in line:
            middle = (side - size % 2) / 2
            z = complex(row - middle, column - middle) * np.exp(2j * np.pi * np.arange(12) / 12)
            turned = np.round(np.stack([z.real, z.imag], axis=1) + middle, 6)
            turned = np.floor(turned + 0.5) - size // 2
            if turned.min() >= 0 and turned.max() <= side - size:
                expected.append(turned)
    np.testing.assert_array_equal(corners, expected)


def test_quarter_turned_patches_hold_the_turned_pixels():
    images = photos(3, (16, 16), 2)
    sample = sample_complete_patches(images, detect, (4, 1), options(min_edges=0), seed=1)
    assert sample.pixels.shape == (15, 4, 4, 4, 2)
    for block in range(4):
        expected = np.rot90(sample.pixels[:, 0], block, axes=(1, 2))
        np.testing.assert_array_equal(sample.pixels[:, block], expected)


def test_patches_are_cut_where_they_say():
    images = photos(4, channels=3)
    sample = sample_patches(images, detect, options(), seed=0)
    edges = detect(images).numpy()
    assert sample.edges.shape == (20, 1, 4, 4, 24)
    assert sample.image_indices.tolist() == np.repeat(range(4), 5).tolist()
    np.testing.assert_array_equal(sample.flat, sample.edges.reshape(20, 1, -1))
    for n, (row, column) in enumerate(sample.positions):
        window = (sample.image_indices[n], slice(row, row + 4), slice(column, column + 4))
        np.testing.assert_array_equal(sample.edges[n, 0], edges[window])
        np.testing.assert_array_equal(sample.pixels[n, 0], images[window])
        assert edges[window][1:3, 1:3].sum() >= 2


def test_positions_repeat_only_after_all():
    images = photos(1, (9, 8))
    sample = sample_patches(images, detect, options(min_edges=0, samples_per_image=45), seed=0)
    places = [tuple(place) for place in sample.positions.tolist()]
    assert len(set(places[:30])) == 30
    assert places[30:] == places[:15]


def test_float_images_and_lost_borders():
    images = photos(2)
    cropped = EdgeOptions(preserve_size=False)
    whole = sample_patches(images, detect, options(), seed=0)
    floats = sample_patches((images / 255).astype(np.float32), detect, options(), seed=0)
    np.testing.assert_array_equal(floats.pixels, whole.pixels)
    np.testing.assert_array_equal(floats.edges, whole.edges)
    inner = sample_patches(images, lambda x: oriented_edges(x, cropped), options(), seed=0)
    for n, (row, column) in enumerate(inner.positions + 2):
        expected = images[inner.image_indices[n], row : row + 4, column : column + 4]
        np.testing.assert_array_equal(inner.pixels[n, 0], expected)


def test_complete_patches_come_from_the_turned_images_in_cyclic_order():
    images = photos(3, (13, 15))
    sample = sample_complete_patches(images, detect, (8, 2), options(), seed=2)
    assert sample.edges.shape == (15, 16, 4, 4, 8)
    maps = complete_images(images, 8, 2)
    edges = detect(maps.numpy().reshape(-1, 15, 15, 1)).numpy().reshape(3, 16, 15, 15, 8)
    corners = turned_corners(15, 4, 8)
    starts = set()
    for n in range(15):
        (place,) = np.flatnonzero((corners[:, 0] == sample.positions[n]).all(axis=1))
        cut = []
        for block in range(16):
            row, column = corners[place, block % 8]
            image = edges[sample.image_indices[n], block]
            cut.append(image[row : row + 4, column : column + 4])
        assert cut[0][1:3, 1:3].sum() >= 2
        halves = np.array(cut).reshape(2, 8, 4, 4, 8)
        rolled = [np.roll(halves, -s, axis=1).reshape(16, 4, 4, 8) for s in range(8)]
        (start,) = [s for s in range(8) if np.array_equal(rolled[s], sample.edges[n])]
        starts.add(start)
    assert len(starts) > 2


@pytest.mark.parametrize("transformations", [None, (4, 1)])
def test_batches_have_no_influence(monkeypatch, transformations):
    def sample(seed):
        if transformations is None:
            return sample_patches(photos(5), detect, options(), seed=seed)
        return sample_complete_patches(photos(5), detect, transformations, options(), seed=seed)

    whole, other = sample(3), sample(4)
    monkeypatch.setattr(patches, "MAPS_PER_BATCH", 8)
    again = sample(3)
    np.testing.assert_array_equal(again.edges, whole.edges)
    np.testing.assert_array_equal(again.pixels, whole.pixels)
    np.testing.assert_array_equal(again.positions, whole.positions)
    assert not np.array_equal(other.positions, whole.positions)


def test_first_images_or_all():
    images = photos(6)
    first = sample_patches(images, detect, options(max_samples=8), seed=0)
    assert first.image_indices.tolist() == [0] * 5 + [1] * 3
    spread = options(max_samples=8, spread_over_all_images=True)
    assert sample_patches(images, detect, spread, seed=0).image_indices.tolist() == [
        *[0, 1, 2, 2],
        *[3, 4, 5, 5],
    ]
    assert len(sample_patches(images, detect, options(), seed=0).edges) == 30


def test_images_without_edges_end_the_sampling():
    images = np.concatenate([photos(1), np.full([2, 14, 17, 1], 9, np.uint8)])
    message = "10 draws in a row, the last from image 2, .* min_edges=2 edges: lower"
    with pytest.raises(UserError, match=message):
        sample_patches(images, detect, options(), seed=0)
    with pytest.raises(UserError, match="10 draws in a row, the last from image 1"):
        sample_complete_patches(images, detect, (4, 1), options(samples_per_image=10), seed=0)
    kept = sample_patches(images, detect, options(max_failures=11), seed=0)
    assert kept.image_indices.tolist() == [0] * 5
    anything = sample_patches(images, detect, options(min_edges=0), seed=0)
    assert len(anything.edges) == 15


def test_rare_edges_are_found_or_given_up_after_so_many_tries():
    images = np.zeros([1, 40, 40, 1], np.uint8)
    images[0, 20:26, 20:26] = 255
    few = {"samples_per_image": 3, "max_failures": 1}
    found = sample_patches(images, detect, options(**few, max_tries=1600), seed=0)
    assert len(found.edges) == 3
    with pytest.raises(UserError, match="1 draws in a row"):
        sample_patches(images, detect, options(**few, max_tries=1), seed=0)


@pytest.mark.parametrize(
    "images,changes,error,message",
    [
        (photos(0), {}, UserError, "no images to sample patches from"),
        (photos(1, (3, 9)), {}, UserError, "images of 3x9 hold no patch of size=4"),
        (photos(1), {"outer_frame": 2}, UserError, "outer_frame=2 leaves nothing of size=4"),
        (photos(1), {"max_tries": 0}, UsageError, "--max_tries=0: expected at least 1"),
    ],
)
def test_impossible_samples_are_refused(images, changes, error, message):
    with pytest.raises(error, match=message):
        sample_patches(images, detect, options(**changes), seed=0)
    with pytest.raises(error, match=message):
        sample_complete_patches(images, detect, (4, 1), options(**changes), seed=0)


@pytest.mark.parametrize("transformations", [None, (4, 1)])
def test_images_make_up_for_draws_that_failed_before_them(transformations):
    images = photos(5)
    flat = images.copy()
    flat[1] = 9

    def sample(images):
        some = options(max_samples=12)
        if transformations is None:
            return sample_patches(images, detect, some, seed=0)
        return sample_complete_patches(images, detect, transformations, some, seed=0)

    assert sample(images).image_indices.tolist() == [0] * 5 + [1] * 5 + [2] * 2
    assert sample(flat).image_indices.tolist() == [0] * 5 + [2] * 5 + [3] * 2
    # Of an image that both have, the same patches come first.
    two = sample(flat).positions[5:7]
    np.testing.assert_array_equal(two, sample(images).positions[10:])
