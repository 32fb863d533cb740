import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfcolor.data.patches import (
    NEIGHBORS,
    PairGeometry,
    arrange_patches,
    cut_pair,
    cut_patches,
    cut_tiles,
    random_label,
    unscaled_view,
)

ROWS_AND_COLUMNS = np.stack(np.mgrid[:40, :40], axis=-1).astype(np.float32)
"""A view whose pixels say where they are."""


def _over_seeds(make, count, seed=7):
    """Returns what `make` gives for many seeds, stacked."""
    seeds = tf.stack(
        [tf.fill([count], tf.constant(seed, tf.int64)), tf.range(count, dtype=tf.int64)], 1
    )
    return next(iter(tf.data.Dataset.from_tensor_slices(seeds).map(make).batch(count))).numpy()


def _corners(patches):
    """Returns the place of [..., S, S, 2] patches of `ROWS_AND_COLUMNS`, all of each checked."""
    corners = patches[..., 0, 0, :]
    side = patches.shape[-2]
    grid = np.stack(np.mgrid[:side, :side], axis=-1)
    np.testing.assert_array_equal(patches, corners[..., np.newaxis, np.newaxis, :] + grid)
    return corners.astype(int)


def test_patches_are_what_slicing_gives():
    view = np.random.default_rng(0).random((7, 9, 2), np.float32)
    patches = cut_patches(tf.constant(view), tf.constant([[0, 6], [4, 0]]), 3)
    np.testing.assert_array_equal(patches, np.stack([view[:3, 6:], view[4:, :3]]))


@pytest.mark.parametrize(("grid", "side"), [(2, 15), (3, 10)])
def test_tiles_lie_anywhere_in_their_cells(grid, side):
    tiles = _over_seeds(lambda seed: cut_tiles(ROWS_AND_COLUMNS, grid, side, seed), 300)
    window = 40 // grid
    cells = window * np.stack(np.mgrid[:grid, :grid], axis=-1).reshape(-1, 2)
    places = _corners(tiles) - cells
    for place in places.reshape(300, -1).T:
        counts = np.bincount(place, minlength=window - side + 1)
        assert len(counts) == window - side + 1
        assert scipy.stats.chisquare(counts).pvalue > 1e-4
    correlations = np.corrcoef(places.reshape(300, -1).T) - np.eye(2 * grid**2)
    assert np.abs(correlations).max() < 0.25


def test_tiles_may_fill_their_cells():
    tiles = cut_tiles(ROWS_AND_COLUMNS, 2, 20, [1, 2]).numpy()
    assert _corners(tiles).tolist() == [[0, 0], [0, 20], [20, 0], [20, 20]]
    with pytest.raises(ValueError, match="side=21: expected at most the 20 pixels of a cell"):
        cut_tiles(ROWS_AND_COLUMNS, 2, 21, [1, 2])


@pytest.mark.parametrize("label", range(8))
def test_the_second_patch_lies_where_the_label_says(label):
    geometry = PairGeometry(side=11, gap=6, jitter=2)
    assert geometry.view_side == 32
    view = ROWS_AND_COLUMNS[:32, :32]
    pairs = _over_seeds(lambda seed: cut_pair(view, label, geometry, seed), 60)
    first, second = np.moveaxis(_corners(pairs), 1, 0)
    deviation = second - first - 17 * np.array(NEIGHBORS[label])
    assert set(deviation.ravel()) == set(range(-4, 5))
    assert first.min() >= 0 <= second.min()
    for axis, step in enumerate(NEIGHBORS[label]):
        assert len({place > 10 for place in first[:, axis]}) == (1 if step else 2)


def test_labels_of_neighbors_are_those_of_the_specification():
    right_and_down = [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)]
    assert [(column, row) for row, column in NEIGHBORS] == right_and_down


def test_labels_are_balanced():
    labels = _over_seeds(lambda seed: random_label(seed, 24), 2400)
    counts = np.bincount(labels, minlength=24)
    assert len(counts) == 24
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def _unscaled_views(image, size, **options):
    def make(seed):
        return unscaled_view(tf.constant(image), size, seed=seed, **options)

    return np.round(255 * _over_seeds(make, 40)).astype(int)


def test_a_large_photograph_is_only_cropped_and_mirrored():
    image = np.random.default_rng(1).integers(0, 256, (9, 12, 3), np.uint8)
    crops = {
        crop[:, ::step].tobytes(): (row, column, step)
        for row in range(3)
        for column in range(6)
        for step in (1, -1)
        for crop in [image[row : row + 7, column : column + 7].astype(int)]
    }
    views = _unscaled_views(image, 7, stretches=True, use_mirror=True)
    places = np.array([crops[view.tobytes()] for view in views])
    assert [set(place) for place in places.T] == [set(range(3)), set(range(6)), {1, -1}]


def test_a_small_photograph_is_padded_or_stretched():
    image = np.random.default_rng(1).integers(1, 256, (5, 12, 3), np.uint8)
    padded = _unscaled_views(image, 8, stretches=False, use_mirror=False)
    assert not padded[:, :2].any()
    assert not padded[:, -1].any()
    assert {view[2:7].tobytes() for view in padded} == {
        image[:, column : column + 8].astype(int).tobytes() for column in range(5)
    }
    stretched = _unscaled_views(image, 8, stretches=True, use_mirror=False)
    tall = np.round(tf.image.resize(image, [8, 12])).astype(int)
    offsets = {
        column
        for view in stretched
        for column in range(5)
        if np.abs(view - tall[:, column : column + 8]).max() <= 1  # rounding of halves
    }
    assert offsets == set(range(5))


def test_arranged_patches_can_be_cut_out_again():
    patches = np.random.default_rng(2).integers(1, 256, (3, 4, 4, 3), np.uint8)
    square = arrange_patches(patches, np.array([3, 0, 1]), 2)
    assert square.shape == (10, 10, 3)
    np.testing.assert_array_equal(square[6:, 6:], patches[0])
    np.testing.assert_array_equal(square[:4, :4], patches[1])
    np.testing.assert_array_equal(square[:4, 6:], patches[2])
    assert not square[4:, :6].any()
