import itertools

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tests.tasks.shortcut_probe import (
    accuracy,
    block_images,
    block_phases,
    edge_distances,
    fringe_shifts,
    fringed_images,
    make_examples,
    most_of_guessing,
    smooth_images,
)
from tfcolor.backbones.base import INPUT_MEAN
from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options
from tfcolor.core.taps import Tap
from tfcolor.data.patch_appearance import CONTRAST
from tfcolor.tasks.jigsaw import JigsawOptions, JigsawTask

TAPS = {"top": Tap("top", 8, 3.5, 5)}
PLAIN = {
    "use_mirror": False,
    "use_standardization": False,
    "gray_share": 0.0,
    "projected_share": 0.0,
    "max_channel_shift": 0,
}
"""Tiles as they are."""
ADJACENT = PLAIN | {"crop_size": 64, "tile_size": 32}
"""Tiles that fill the view: all shortcuts are open."""


def _task(**options):
    return JigsawTask(JigsawOptions(**{"readout": "average", "tile_size": 32, **options}), {})


def _puzzles(task, images):
    """Returns the tiles of puzzles and the one label of each."""
    tiles, labels = make_examples(task, images)
    return tiles, labels[:, 0]


def _coordinates(side):
    """Returns uint8 [side, side, 3] that says in each pixel where it is."""
    rows, columns = np.mgrid[:side, :side]
    return np.stack([rows, columns, 0 * rows], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(("grid", "tile_size", "side"), [(2, 21, 56), (3, 19, 75)])
def test_the_permutation_puts_the_tiles_back(grid, tile_size, side):
    task = _task(grid=grid, tile_size=tile_size, **PLAIN)
    images = np.repeat(_coordinates(side)[np.newaxis], 40, axis=0)
    tiles, labels = _puzzles(task, images)
    assert tiles.shape == (40, grid**2, tile_size, tile_size, 3)
    places = np.round(255 * tiles).astype(int)
    for puzzle, label in zip(places, labels, strict=True):
        cells = [tuple(corner // (side // grid)) for corner in puzzle[:, 0, 0, :2]]
        permutation = [grid * row + column for row, column in cells]
        assert task.label_name(label) == " ".join(map(str, permutation))
        for tile in puzzle:
            row, column = tile[0, 0, :2]
            expected = images[0, row : row + tile_size, column : column + tile_size]
            np.testing.assert_array_equal(tile, expected)
    assert len(set(labels)) > 15
    assert len({tuple(puzzle[0, 0, 0]) for puzzle in places}) > 30


def test_labels_number_the_permutations():
    assert _task().label_name(0) == "0 1 2 3"
    assert _task().label_name(23) == "3 2 1 0"
    orders = [" ".join(one) for one in itertools.permutations("0123")]
    assert [_task().label_name(label) for label in range(24)] == orders
    assert len(JigsawOptions(grid=3).permutations) == 100
    assert len(JigsawOptions(grid=3, num_permutations=9).permutations) == 9


def test_a_puzzle_can_be_answered_in_several_permutations():
    task = _task(tile_size=21, num_answers=5, **PLAIN)
    inputs, targets = task.make_example(_coordinates(56), tf.constant([3, 4], tf.int64))
    assert len(set(targets["label"].numpy())) == 5
    corners = np.round(255 * inputs["image"].numpy()).astype(int)[:, 0, 0]
    cells = 2 * (corners[:, 0] // 28) + corners[:, 1] // 28
    for slots, label in zip(inputs["slots"].numpy(), targets["label"].numpy(), strict=True):
        assert task.label_name(label) == " ".join(map(str, cells[slots]))
    assert inputs["slots"][0].numpy().tolist() == [0, 1, 2, 3]


def test_labels_are_balanced():
    seeds = np.stack([np.full(600, 9), np.arange(600)], axis=1)
    task, image = _task(tile_size=1, num_answers=2, **PLAIN), _coordinates(2)
    examples = tf.data.Dataset.from_tensor_slices(seeds).map(
        lambda seed: task.make_example(image, seed)[1]["label"]
    )
    labels = np.stack(list(examples.as_numpy_iterator()))
    for answers in labels.T:
        assert scipy.stats.chisquare(np.bincount(answers, minlength=24)).pvalue > 1e-3
    assert np.all(labels[:, 0] != labels[:, 1])


def test_tiles_of_the_options_look_as_they_say():
    images = np.random.default_rng(0).integers(0, 256, (40, 90, 95, 3), np.uint8)
    tiles, _ = make_examples(_task(), images)
    np.testing.assert_allclose(tiles.mean(axis=(2, 3)), INPUT_MEAN, atol=1e-4)
    np.testing.assert_allclose(tiles.std(axis=(2, 3)), CONTRAST, atol=1e-4)
    is_gray = tiles.std(axis=-1).max(axis=(1, 2, 3)) < 1e-5
    assert 4 <= is_gray.sum() <= 21
    projected = make_examples(_task(**PLAIN | {"projected_share": 1.0}), images[:3])[0]
    np.testing.assert_allclose(projected @ [-1, 2, -1], np.zeros(projected.shape[:4]), atol=1e-5)


def test_gray_networks_see_the_lightness():
    images = np.random.default_rng(0).integers(0, 256, (2, 90, 95, 3), np.uint8)
    color = make_examples(_task(**PLAIN), images)[0]
    gray = make_examples(_task(input="gray", **PLAIN), images)[0]
    np.testing.assert_allclose(gray, color.mean(axis=-1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_the_geometry_of_the_dissertation_can_be_asked_for(fit):
    # Photographs keep their scale: no side is asked for, and none is checked.
    asked = JigsawOptions(
        **PLAIN | {"crop_size": 500, "fit": fit, "use_mirror": True, "min_side": 9}
    )
    options = asked.completed({}, 227)
    assert (options.grid, options.tile_size, options.view.crop_size) == (2, 227, 500)
    image = np.full([300, 520, 3], 200, np.uint8)
    tiles = JigsawTask(options, {}).make_example(image, tf.constant([1, 2], tf.int64))[0]["image"]
    assert tiles.shape == (4, 227, 227, 3)
    assert np.any(tiles == 0) == (fit == "pad")


def test_the_head_starts_at_guessing():
    task = _task()
    head = task.build_head(TAPS, seed=1)
    top = tf.random.stateless_uniform([8, 2, 2, 5], [1, 2])
    inputs = {"image": tf.zeros([2, 4, 32, 32, 3]), "slots": tf.tile([[[0, 1, 2, 3]]], [2, 1, 1])}
    outputs = head({"top": top}, inputs, TAPS)
    loss = task.compute_losses({"label": tf.constant([[0], [23]])}, outputs)["cross_entropy"]
    np.testing.assert_allclose(loss, np.log(24), atol=1e-4)
    assert [tuple(one.shape) for one in head.trainable_variables[::2]] == [(5, 128), (512, 24)]
    nine = _task(grid=3, num_permutations=64, code_size=6, hidden_sizes=(7,))
    shapes = [tuple(one.shape) for one in nine.build_head(TAPS, seed=1).trainable_variables[::2]]
    assert sorted(shapes) == [(5, 6), (7, 64), (54, 7)]


def test_pictures_show_the_puzzle_and_its_solution():
    task = _task(tile_size=24, **PLAIN | {"crop_size": 48})
    image = _coordinates(48)
    tiles, labels = make_examples(task, image[np.newaxis])
    logits = tf.one_hot((labels + 1) % 24, 24)
    (panels,) = task.depict({"image": tf.constant(tiles)}, {"label": labels}, {"logits": logits})
    label = int(labels[0, 0])
    captions = [task.label_name(label), "solution", task.label_name((label + 1) % 24)]
    assert [panel.caption for panel in panels] == captions
    is_seen = np.arange(50) // 2 != 12  # but for the line between the tiles
    np.testing.assert_array_equal(panels[1].pixels[is_seen][:, is_seen], image)
    assert np.any(panels[0].pixels != panels[2].pixels)


def _cell_of_first_slot(task, labels):
    return task.options.permutations[labels][:, 0]


def test_edges_do_not_tell_the_permutation():
    pairs = list(itertools.combinations(range(4), 2))

    def found(**options):
        task = _task(num_permutations=4, **options)
        tiles, labels = _puzzles(task, smooth_images(task.options.view.crop_size))
        return accuracy(edge_distances(tiles, pairs), labels)

    assert found(**ADJACENT) > 0.8
    assert found() < most_of_guessing(4)


def test_color_fringes_do_not_tell_the_cell():
    images = fringed_images(86)

    def found(**options):
        task = _task(**options)
        tiles, labels = _puzzles(task, images)
        return accuracy(fringe_shifts(tiles), _cell_of_first_slot(task, labels))

    assert found(**PLAIN) > 0.8
    assert found() < most_of_guessing(4)


def test_the_grid_of_a_jpeg_does_not_tell_the_cell():
    def found(side, **options):
        task = _task(**options, min_side=side)
        tiles, labels = _puzzles(task, block_images(side))
        return accuracy(block_phases(tiles), _cell_of_first_slot(task, labels))

    # Tiles of 36 pixels that fill the view begin at two phases of the grid.
    assert found(72, **ADJACENT | {"tile_size": 36, "crop_size": 72}) > 0.8
    assert found(100) < most_of_guessing(4)


def test_options_are_completed_and_checked():
    options = JigsawOptions(readout="average", tile_size=64)
    assert options.completed({}, 227).view.crop_size == 170
    assert options.completed({}, 227).view.min_side == 170
    nine = JigsawOptions(grid=3, readout="average", tile_size=64, crop_size=225, min_side=256)
    assert nine.completed({}, 227).view.max_side == 256
    assert JigsawOptions().completed({}, 32).tile_size == 32
    check_options(options, "jigsaw_")
    with pytest.raises(UsageError, match=r"--jigsaw_tile_size.*=64: the backbone takes 227"):
        JigsawOptions(tile_size=64).completed({}, 227)
    with pytest.raises(UsageError, match="--jigsaw_crop_size=450: expected at least 458, which 2"):
        JigsawOptions(crop_size=450).completed({}, 227)
    with pytest.raises(UsageError, match="crop_size=170, min_side=160, max_side=160"):
        JigsawOptions(readout="average", tile_size=64, min_side=160).completed({}, 227)
    with pytest.raises(UsageError, match="--jigsaw_num_permutations=25: four tiles have 24"):
        JigsawOptions(num_permutations=25)
    with pytest.raises(UsageError, match="--jigsaw_num_permutations=1: expected at least 2, or 0"):
        JigsawOptions(num_permutations=1)
    with pytest.raises(UsageError, match="--jigsaw_num_answers=5: there are 4 permutations"):
        JigsawOptions(num_permutations=4, num_answers=5).completed({}, 32)
    with pytest.raises(UsageError, match="--jigsaw_grid=4: expected one of 2, 3"):
        check_options(JigsawOptions(grid=4), "jigsaw_")
