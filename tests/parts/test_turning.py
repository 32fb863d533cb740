import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import gaussian_filter

from tfcolor.core.errors import UserError
from tfcolor.data.rotation import rotate_images
from tfcolor.parts.coding import code_parts, part_kernel
from tfcolor.parts.edges import EdgeOptions, oriented_edges
from tfcolor.parts.patches import PatchOptions, sample_complete_patches
from tfcolor.parts.pooling import FeatureLayout, PoolOptions, pooled_map, pooled_matrix
from tfcolor.parts.turning import (
    flip_edge_polarity,
    turn_edges,
    turn_features,
    turn_indices,
    turn_map,
    turned_maps,
    turned_matrix,
)


def ones(pooled):
    return {tuple(place) for place in np.argwhere(pooled).tolist()}


def single(size, places):
    """Returns an index map with the features of a dict (row, column) -> f."""
    indices = np.full([1, *size], -1, np.int32)
    for place, feature in places.items():
        indices[0][place] = feature
    return indices


def turned_by_loops(indices, layout, num_turns, h):
    """Section 9 of the specification, one position at a time."""
    count, height, width = indices.shape
    starts = [(d % 4) // 2 for d in (height, width)]
    cells = height // 4, width // 4
    result = np.zeros([count, num_turns, *cells, layout.num_features], np.uint8)
    rotations = layout.num_rotations
    for n, i, j in np.ndindex(indices.shape):
        feature = indices[n, i, j]
        if feature < 0:
            continue
        for q in range(num_turns):
            a = 2 * np.pi * q / num_turns
            y, x = (height - 1) / 2 - i, j - (width - 1) / 2
            row = (height - 1) / 2 - (np.sin(a) * x + np.cos(a) * y)
            column = (width - 1) / 2 + (np.cos(a) * x - np.sin(a) * y)
            cell = [
                int(np.floor((at + h - start) / 4 + 1e-4))
                for at, start in zip((row, column), starts, strict=True)
            ]
            if 0 <= cell[0] < cells[0] and 0 <= cell[1] < cells[1]:
                group, r = divmod(feature, rotations)
                turned = group * rotations + (r + q * rotations // num_turns) % rotations
                result[n, q, cell[0], cell[1], turned] = 1
    return result


SMALL = single([8, 8], {(1, 2): 1, (6, 1): 4, (3, 7): 7})


def test_quarter_turns_of_a_small_map():
    pooled = turned_maps(SMALL, FeatureLayout(2, 4), 4, PoolOptions())[0]
    expected = [
        {(0, 0, 1), (1, 0, 4), (0, 1, 7)},
        {(1, 0, 2), (1, 1, 5), (0, 0, 4)},
        {(1, 1, 3), (0, 1, 6), (1, 0, 5)},
        {(0, 1, 0), (0, 0, 7), (1, 1, 6)},
    ]
    assert [ones(pooled[q]) for q in range(4)] == expected
    spread = turned_maps(SMALL, FeatureLayout(2, 4), 4, PoolOptions(rotation_spread=1))[0]
    more = {(0, 0, 0), (0, 0, 2), (1, 0, 5), (1, 0, 7), (0, 1, 4), (0, 1, 6)}
    assert ones(spread[0]) == expected[0] | more


@pytest.mark.parametrize(
    "place,feature,half_pixel,expected",
    [
        ((5, 16), 3, 0.5, {(0, 2, 4)}),
        ((11, 18), 15, 0.5, {(1, 3, 8)}),
        ((2, 2), 0, 0.5, set()),
        ((5, 14), 0, 0.5, {(1, 2, 1)}),
        ((5, 14), 0, 0.0, {(0, 1, 1)}),
        ((19, 11), 0, 0.5, {(4, 4, 1)}),
        ((19, 11), 0, 0.0, {(3, 3, 1)}),
    ],
)
def test_turn_by_45_degrees(place, feature, half_pixel, expected):
    indices = single([23, 23], {place: feature})
    options = PoolOptions(half_pixel=half_pixel)
    assert ones(turned_maps(indices, FeatureLayout(2, 8), 8, options)[0, 1]) == expected


@pytest.mark.parametrize("half_pixel", [0.5, 0.0])
@pytest.mark.parametrize("num_turns", [3, 12])
def test_turned_pooling_agrees_with_loops(half_pixel, num_turns):
    layout = FeatureLayout(2, 12, 2)
    indices = np.random.RandomState(0).randint(-1, layout.num_features, [2, 10, 13])
    expected = turned_by_loops(indices, layout, num_turns, half_pixel)
    options = PoolOptions(half_pixel=half_pixel)
    found = turned_maps(indices.astype(np.int32), layout, num_turns, options)
    np.testing.assert_array_equal(found, expected)
    matrix = turned_matrix(indices, layout, num_turns, options)
    assert matrix.has_canonical_format
    np.testing.assert_array_equal(matrix.toarray(), expected.reshape(2 * num_turns, -1))


def test_first_turn_is_the_upright_pooling():
    layout, options = FeatureLayout(3, 4), PoolOptions(window=3, stride=2, dilation=1)
    indices = np.random.RandomState(1).randint(-1, 12, [3, 9, 11]).astype(np.int32)
    turned = turned_matrix(indices, layout, 2, options)
    upright = pooled_matrix(indices, layout, options)
    np.testing.assert_array_equal(turned[::2].toarray(), upright.toarray())


def test_quarter_turns_are_exact():
    layout, options = FeatureLayout(2, 8), PoolOptions()
    indices = np.random.RandomState(2).randint(-1, 16, [2, 23, 23]).astype(np.int32)
    turned = turned_maps(indices, layout, 4, options)
    for quarters in range(4):
        whole = turn_indices(indices, layout, 2 * quarters)
        rotated = np.rot90(indices, quarters, axes=(1, 2))
        np.testing.assert_array_equal(whole, turn_features(rotated, layout, 2 * quarters))
        np.testing.assert_array_equal(turned[:, quarters], pooled_map(whole, layout, options))


def test_features_turn_within_their_component_and_polarity():
    layout = FeatureLayout(2, 3, 2)
    features = np.arange(-1, 12, dtype=np.int32)
    turned = turn_features(features, layout, 1).numpy()
    assert turned.tolist() == [-1, 1, 2, 0, 4, 5, 3, 7, 8, 6, 10, 11, 9]
    np.testing.assert_array_equal(turn_features(turned, layout, -1), features)
    flipped = turn_features(features, layout, 0, flips_polarity=True).numpy()
    assert flipped.tolist() == [-1, 3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]


@pytest.mark.parametrize("size", [(7, 7), (6, 9)])
@pytest.mark.parametrize("degrees", [0.0, 45.0, 100.0, 180.0])
def test_map_is_read_at_the_nearest_position(size, degrees):
    maps = np.random.RandomState(3).randint(0, 99, [2, *size, 3])
    found = turn_map(maps, degrees, empty=-5).numpy()
    a = np.deg2rad(degrees)
    for row, column in np.ndindex(size):
        down, right = row - (size[0] - 1) / 2, column - (size[1] - 1) / 2
        at_row = np.floor(np.cos(a) * down + np.sin(a) * right + size[0] / 2 + 1e-6)
        at_column = np.floor(-np.sin(a) * down + np.cos(a) * right + size[1] / 2 + 1e-6)
        is_inside = 0 <= at_row < size[0] and 0 <= at_column < size[1]
        expected = maps[:, int(at_row), int(at_column)] if is_inside else -5
        np.testing.assert_array_equal(found[:, row, column], np.broadcast_to(expected, [2, 3]))


def test_edges_turn_with_their_image():
    # Falling edges of quarter turns of channels 0, 1, 4, 5 stay in place.
    image = np.random.RandomState(4).randint(0, 256, [1, 12, 12, 2]).astype(np.uint8)
    options = EdgeOptions(spread="none")
    edges = oriented_edges(image, options)
    turned_image = np.rot90(image, axes=(1, 2))
    expected = oriented_edges(turned_image, options).numpy()
    found = turn_edges(edges, 2).numpy()
    inner = slice(3, 9)
    for e in (2, 3, 6, 7, 10, 11, 14, 15):
        np.testing.assert_array_equal(found[0, inner, inner, e], expected[0, inner, inner, e])
    np.testing.assert_array_equal(turn_edges(turn_edges(edges, 2), -2), edges)
    np.testing.assert_array_equal(flip_edge_polarity(edges), oriented_edges(255 - image, options))


@pytest.mark.parametrize("degrees", [45.0, 90.0, -45.0])
def test_codes_of_a_turned_image_are_the_turned_codes(degrees):
    noise = np.random.RandomState(5).rand(6, 28, 28)
    smooth = np.stack([gaussian_filter(image, 2.0) for image in noise])[..., None]
    images = ((smooth > np.median(smooth)) * 0.9).astype(np.float32)

    def detect(maps):
        return oriented_edges(maps, EdgeOptions())

    sampling = PatchOptions(samples_per_image=2, min_edges=8)
    sample = sample_complete_patches(images, detect, (8, 1), sampling, seed=0)
    means = sample.flat * 0.6 + 0.2
    kernel = part_kernel(np.log(means / (1 - means)), 6)
    bias = np.log(1 - means).sum(axis=-1).ravel().astype(np.float32)

    def code(maps):
        return code_parts(detect(maps), kernel, bias, min_edges=4, frame=0)

    layout, options, steps = FeatureLayout(12, 8), PoolOptions(), round(degrees / 45)
    turned = turned_maps(code(images), layout, 8, options).numpy()
    actual = pooled_map(code(rotate_images(images, degrees)), layout, options).numpy()

    def overlap(step):
        both = turned[:, step % 8] & actual
        return both.sum() / (turned[:, step % 8] | actual).sum()

    assert overlap(steps) > 2 * max(overlap(step) for step in range(8) if step != steps % 8)


def test_odd_edge_turns_move_channels_by_one():
    edges = np.zeros([1, 5, 5, 8], np.uint8)
    edges[0, 2, 3, 7] = 1
    assert np.argwhere(turn_edges(edges, 1)).tolist() == [[0, 1, 3, 0]]


def test_turns_that_are_no_whole_rotations_are_refused():
    message = "3 turns of parts that have 8 rotations: expected a divisor"
    with pytest.raises(UserError, match=message):
        turned_matrix(SMALL, FeatureLayout(2, 8), 3, PoolOptions())
    with pytest.raises(UserError, match=message):
        turned_maps(SMALL, FeatureLayout(2, 8), 3, PoolOptions())


def test_no_images_and_graphs():
    layout = FeatureLayout(2, 4)
    assert turned_matrix(SMALL[:0], layout, 2, PoolOptions()).shape == (0, 32)
    turn = tf.function(
        lambda indices: turned_maps(indices, layout, 2, PoolOptions()),
        input_signature=[tf.TensorSpec([None, None, None], tf.int32)],
        autograph=False,
    )
    np.testing.assert_array_equal(turn(SMALL), turned_maps(SMALL, layout, 2, PoolOptions()))
    assert turn(SMALL[:0]).shape == (0, 2, 2, 2, 8)
