import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from tfcolor.data.masks import (
    BLOCK_SIDES,
    NOISE_MARGIN,
    NUM_REGIONS,
    center_hole,
    random_blocks,
    random_region,
)

HOLES = {"blocks": random_blocks, "region": random_region}
SIDE = 48


@pytest.fixture(scope="module")
def holes():
    """Holes of 150 seeds by kind, bool [150, S, S]."""
    seeds = tf.constant([[6, number] for number in range(150)], tf.int64)
    found = {}
    for name, hole in HOLES.items():
        drawn = tf.data.Dataset.from_tensor_slices(seeds).map(
            lambda seed, hole=hole: hole(seed, SIDE)
        )
        found[name] = np.stack(list(drawn.as_numpy_iterator()))[..., 0] > 0
    return found


def test_the_middle_is_hidden_but_for_the_margins():
    expected = np.zeros([9, 9, 1])
    expected[2:-2, 2:-2] = 1
    np.testing.assert_array_equal(center_hole(9, 2), expected)
    np.testing.assert_array_equal(center_hole(4, 0), np.ones([4, 4, 1]))


@pytest.mark.parametrize("margin", [-1, 4])
def test_margins_that_leave_nothing_are_errors(margin):
    with pytest.raises(ValueError, match=f"margin={margin}: expected at least 0 and less than ha"):
        center_hole(8, margin)


@pytest.mark.parametrize("name", HOLES)
def test_one_seed_hides_the_same_pixels_eagerly_and_in_a_pipeline(holes, name):
    hole = HOLES[name](tf.constant([6, 3], tf.int64), SIDE)
    assert hole.dtype == tf.float32
    assert hole.shape == [SIDE, SIDE, 1]
    np.testing.assert_array_equal(hole[..., 0] > 0, holes[name][3])
    assert set(np.unique(hole)) == {0, 1}
    assert np.any(holes[name][3] != holes[name][4])


@pytest.mark.parametrize("name", HOLES)
def test_all_pixels_are_hidden_about_equally_often(holes, name):
    often = holes[name].mean(axis=0)
    halves = [half.mean() for axis in (0, 1) for half in np.split(often, 2, axis)]
    np.testing.assert_allclose(halves, often.mean(), atol=0.05)
    assert often[SIDE // 3 : -SIDE // 3, SIDE // 3 : -SIDE // 3].min() > 0.1


def test_blocks_are_rectangles_of_a_quarter_at_most(holes):
    shares = holes["blocks"].mean(axis=(1, 2))
    assert shares.max() <= 1 / 4
    assert shares.min() > BLOCK_SIDES[0] ** 2
    assert shares.mean() > 0.2
    # Nothing is narrower than the smallest block: an opening by it changes nothing.
    smallest = np.ones([round(BLOCK_SIDES[0] * SIDE)] * 2)
    for hole in holes["blocks"][:40]:
        np.testing.assert_array_equal(ndimage.binary_opening(hole, smallest), hole)
    _, counts = zip(*map(ndimage.label, holes["blocks"]), strict=True)
    assert max(counts) > 1


def test_a_region_is_the_first_accepted_of_enlarged_noise():
    num_accepted = 0
    for number in range(6):
        seed = tf.constant([2, number], tf.int64)
        noise_seed, corner_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        cells = int(np.ceil(SIDE * 0.06)) + 1 + 2 * NOISE_MARGIN
        noise = tf.random.stateless_uniform([1, cells, cells, NUM_REGIONS], noise_seed).numpy()[0]
        size, margin = round(cells / 0.06), round(NOISE_MARGIN / 0.06)
        row, column = tf.random.stateless_uniform(
            [2], corner_seed, margin, size - margin - SIDE + 1, tf.int32
        ).numpy()
        candidates = []
        for channel in range(NUM_REGIONS):
            large = Image.fromarray(noise[..., channel]).resize((size, size), Image.BICUBIC)
            candidates.append(np.array(large)[row : row + SIDE, column : column + SIDE] < 0.25)
        shares = [one.mean() for one in candidates]
        accepted = [place for place, share in enumerate(shares) if 0.2 <= share <= 0.3]
        distances = [max(0.2 - share, share - 0.3, 0) for share in shares]
        place = accepted[0] if accepted else int(np.argmin(distances))
        num_accepted += bool(accepted)
        hole = random_region(seed, SIDE)[..., 0].numpy() > 0
        assert np.mean(hole != candidates[place]) < 1e-3  # rounding at the threshold
    assert num_accepted >= 4


def test_regions_are_about_a_quarter_and_of_several_pixels(holes):
    shares = holes["region"].mean(axis=(1, 2))
    assert np.mean((shares >= 0.2) & (shares <= 0.3)) > 0.9
    assert 0.1 < shares.min() <= shares.max() < 0.4
    changes = (holes["region"][:, 1:] != holes["region"][:, :-1]).mean()
    assert changes < 0.05  # of independent pixels it were 0.375
