import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.parts.edges import EdgeOptions, num_edge_channels, oriented_edges, spread_edges

V = [(1, 0), (1, 1), (0, 1), (-1, 1)]
W = [(0, -1), (1, -1), (1, 0), (1, 1)]
UNSPREAD = EdgeOptions(spread="none")
MATRIX = [
    [0, 1, 2, 3, 4, 5],
    [1, 7, 2, 8, 3, 9],
    [2, 4, 9, 1, 0, 6],
    [5, 3, 6, 8, 2, 7],
    [9, 0, 4, 5, 1, 3],
    [2, 8, 7, 6, 4, 0],
]
RANDOM = np.random.RandomState(0).randint(0, 256, (12, 12)) / 256.0


@pytest.fixture(autouse=True)
def run_eagerly(request):
    """Tracing costs more than these tests; one of them is about graphs."""
    tf.config.run_functions_eagerly("graph" not in request.node.name)
    yield
    tf.config.run_functions_eagerly(False)


def edges_by_loops(image, min_wins, threshold):
    """Section 2 of the specification, one pixel at a time."""
    height, width, channels = image.shape
    image = image.astype(np.float64)
    result = np.zeros([height, width, channels, 8], np.uint8)
    for row, column, c, e in np.ndindex(height - 4, width - 4, channels, 4):
        z, v, w = np.array([row + 2, column + 2]), np.array(V[e]), np.array(W[e])
        y = z + v

        def rise(start, step, c=c):
            return image[(*(start + step), c)] - image[(*start, c)]

        d = abs(rise(z, v))
        rivals = [rise(z, w), rise(z, -w), rise(z, -v), rise(y, w), rise(y, -w), rise(y, v)]
        if sum(d > abs(rival) for rival in rivals) >= min_wins and d > threshold:
            result[row + 2, column + 2, c, e + 4 * (rise(z, v) > 0)] = 1
    return result.reshape(height, width, 8 * channels)


def find(image, options=UNSPREAD):
    image = np.asarray(image, np.float32)
    return oriented_edges(image[None, ..., None], options)[0].numpy()


def places(edges):
    return {
        e: [tuple(p) for p in np.argwhere(edges[..., e]).tolist()]
        for e in range(edges.shape[-1])
        if edges[..., e].any()
    }


def options(**changes):
    return EdgeOptions(**{"spread": "none", **changes})


@pytest.mark.parametrize("min_wins", [5, 6])
def test_vertical_and_horizontal_steps(min_wins):
    right = np.zeros([6, 6])
    right[:, 3:] = 1
    below = np.ones([6, 6])
    below[3:] = 0
    assert places(find(right, options(min_wins=min_wins))) == {6: [(2, 2), (3, 2)]}
    assert places(find(below, options(min_wins=min_wins))) == {0: [(2, 2), (2, 3)]}
    spread = places(find(right, options(min_wins=min_wins, spread="orthogonal")))
    assert spread == {6: [(2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (3, 3)]}


def test_diagonal_step():
    diagonal = (np.add.outer(range(6), range(6)) >= 6).astype(float)
    expected = {5: [(2, 2), (2, 3), (3, 2)]}
    assert places(find(diagonal)) == expected
    assert places(find(diagonal, options(min_wins=6))) == expected
    more = {4: [(2, 3), (3, 2)], 6: [(2, 3), (3, 2)]}
    assert places(find(diagonal, options(min_wins=4))) == expected | more


def test_contrast_must_exceed_the_threshold():
    step = np.zeros([6, 6])
    step[:, 3:] = 1
    assert find(step * 0.05).sum() == 0
    assert find(step * 0.0625).sum() == 2


@pytest.mark.parametrize("slope", [1 / 16, 0.1])
def test_ramp_has_ties_that_are_no_edges(slope):
    ramp = np.tile(np.arange(8) * slope, [8, 1])
    assert find(ramp).sum() == 0
    assert set(places(find(ramp, options(min_wins=4)))) == {6}
    assert find(ramp, options(min_wins=4)).sum() == 16


@pytest.mark.parametrize(
    "min_wins,expected",
    [
        (6, {2: [(2, 2)]}),
        (5, {1: [(3, 3)], 2: [(2, 2), (3, 3)], 3: [(3, 2)]}),
        (4, {1: [(3, 3)], 2: [(2, 2), (3, 3)], 3: [(3, 2), (3, 3)], 4: [(2, 3)]}),
        (
            3,
            {
                0: [(3, 3)],
                1: [(3, 3)],
                2: [(2, 2), (3, 3)],
                3: [(3, 2), (3, 3)],
                4: [(2, 3)],
                7: [(2, 3)],
            },
        ),
    ],
)
def test_small_image(min_wins, expected):
    assert places(find(np.array(MATRIX) / 16, options(min_wins=min_wins))) == expected


def test_small_image_spread():
    assert places(find(np.array(MATRIX) / 16, EdgeOptions())) == {
        1: [(2, 2), (3, 3), (4, 4)],
        2: [(2, 1), (2, 2), (2, 3), (3, 2), (3, 3), (3, 4)],
        3: [(2, 3), (3, 2), (4, 1)],
    }


@pytest.mark.parametrize(
    "changes,expected",
    [
        ({}, [10, 14, 9, 7, 8, 11, 9, 7]),
        ({"min_wins": 6}, [4, 6, 5, 2, 4, 6, 1, 3]),
        ({"min_wins": 4}, [14, 17, 17, 14, 17, 17, 13, 8]),
        ({"min_contrast": 0.3}, [10, 13, 9, 7, 7, 11, 9, 6]),
        ({"spread": "orthogonal"}, [30, 41, 27, 20, 24, 32, 27, 21]),
        ({"spread": "box"}, [61, 77, 59, 51, 57, 58, 52, 54]),
    ],
)
def test_random_image_counts(changes, expected):
    np.testing.assert_array_equal(find(RANDOM, options(**changes)).sum(axis=(0, 1)), expected)


def test_random_image_places():
    expected = [(2, 9), (3, 7), (3, 8), (4, 5), (5, 3), (5, 9), (7, 2), (9, 3), (9, 5), (9, 6)]
    assert places(find(RANDOM))[0] == expected


def test_quarter_turn_moves_channels_by_two_up_to_a_pixel():
    edges, turned = find(RANDOM), find(np.rot90(RANDOM))
    shifts = [(0, 0), (0, 0), (-1, 0), (-1, -1)] * 2
    for e, shift in enumerate(shifts):
        expected = np.roll(np.rot90(edges[..., e]), shift, axis=(0, 1))
        inner = slice(3, 9)
        found = turned[..., (e + 2) % 8]
        np.testing.assert_array_equal(found[inner, inner], expected[inner, inner])


@pytest.mark.parametrize("spread", ["none", "orthogonal", "box"])
def test_inverted_image_has_the_opposite_edges(spread):
    image = np.random.RandomState(1).randint(0, 256, [2, 9, 13, 3]).astype(np.uint8)
    edges = oriented_edges(image, options(spread=spread)).numpy().reshape(2, 9, 13, 3, 8)
    inverse = oriented_edges(255 - image, options(spread=spread)).numpy().reshape(edges.shape)
    assert edges.any()
    np.testing.assert_array_equal(inverse, np.roll(edges, 4, axis=-1))


@pytest.mark.parametrize("min_wins", [3, 5])
@pytest.mark.parametrize("levels", [256, 8])
def test_uint8_and_its_quotients_agree_with_loops(min_wins, levels):
    # Few levels give many ties.
    images = np.random.RandomState(2).randint(0, levels, [2, 7, 10, 3]) * (255 // (levels - 1))
    found = oriented_edges(images.astype(np.uint8), options(min_wins=min_wins)).numpy()
    expected = np.stack([edges_by_loops(image, min_wins, 12) for image in images])
    np.testing.assert_array_equal(found, expected)
    floats = oriented_edges((images / 255).astype(np.float32), options(min_wins=min_wins))
    np.testing.assert_array_equal(floats, expected)


def test_opposite_directions_share_a_channel_on_request():
    eight = find(RANDOM)
    four = find(RANDOM, options(contrast_insensitive=True))
    np.testing.assert_array_equal(four, eight[..., :4] | eight[..., 4:])
    assert num_edge_channels(options(contrast_insensitive=True), 3) == 12
    assert num_edge_channels(options(), 3) == 24
    spread = find(RANDOM, EdgeOptions(contrast_insensitive=True))
    both = find(RANDOM, EdgeOptions())
    np.testing.assert_array_equal(spread, both[..., :4] | both[..., 4:])


def test_border_can_be_cut():
    whole = find(RANDOM, EdgeOptions())
    np.testing.assert_array_equal(find(RANDOM, EdgeOptions(preserve_size=False)), whole[2:-2, 2:-2])


@pytest.mark.parametrize("size", [(0, 3), (1, 1), (3, 9), (4, 4), (9, 2)])
def test_images_without_an_inner_pixel_have_no_edges(size):
    image = np.random.RandomState(3).rand(2, *size, 2).astype(np.float32)
    edges = oriented_edges(image, EdgeOptions())
    assert edges.shape == (2, *size, 16)
    assert not edges.numpy().any()


def test_constant_and_no_images():
    assert not oriented_edges(np.full([1, 8, 8, 1], 0.3, np.float32), EdgeOptions()).numpy().any()
    assert oriented_edges(np.zeros([0, 8, 7, 1], np.uint8), EdgeOptions()).shape == (0, 8, 7, 8)


@pytest.mark.parametrize(
    "channel,at,expected",
    [
        (0, (2, 2), [(1, 2), (2, 2), (3, 2)]),
        (1, (2, 2), [(1, 1), (2, 2), (3, 3)]),
        (2, (2, 2), [(2, 1), (2, 2), (2, 3)]),
        (3, (2, 2), [(1, 3), (2, 2), (3, 1)]),
        (7, (2, 2), [(1, 3), (2, 2), (3, 1)]),
        (4, (2, 2), [(1, 2), (2, 2), (3, 2)]),
        (1, (0, 0), [(0, 0), (1, 1)]),
        (3, (0, 0), [(0, 0)]),
        (1, (0, 4), [(0, 4)]),
        (3, (0, 4), [(0, 4), (1, 3)]),
    ],
)
def test_one_pixel_spreads_along_its_gradient(channel, at, expected):
    edges = np.zeros([1, 5, 5, 8], np.uint8)
    edges[0, at[0], at[1], channel] = 1
    spread = spread_edges(tf.constant(edges), EdgeOptions()).numpy()[0]
    assert places(spread) == {channel: expected}


def test_spreading_twice_as_far_is_spreading_twice():
    edges = (np.random.RandomState(4).rand(2, 7, 9, 16) < 0.1).astype(np.uint8)
    for spread in ("orthogonal", "box"):
        once = EdgeOptions(spread=spread)
        twice = spread_edges(spread_edges(tf.constant(edges), once), once)
        far = spread_edges(tf.constant(edges), EdgeOptions(spread=spread, spread_radius=2))
        np.testing.assert_array_equal(twice, far)
    np.testing.assert_array_equal(spread_edges(edges, EdgeOptions(spread_radius=0)), edges)


def test_graph_takes_any_size():
    graph = tf.function(
        lambda images: oriented_edges(images, EdgeOptions()),
        input_signature=[tf.TensorSpec([None, None, None, 1], tf.float32)],
        autograph=False,
    )
    assert graph.get_concrete_function().output_shapes.as_list() == [None, None, None, 8]
    for image in (RANDOM, np.array(MATRIX) / 16, np.zeros([3, 4])):
        found = graph(tf.constant(image[None, ..., None], tf.float32))
        np.testing.assert_array_equal(found[0], find(image, EdgeOptions()))


def test_other_types_and_options_are_refused():
    with pytest.raises(ValueError, match=r"images of int32: expected uint8"):
        oriented_edges(np.zeros([1, 6, 6, 1], np.int32), EdgeOptions())
    with pytest.raises(UsageError, match="--spread=disc: expected one of orthogonal"):
        oriented_edges(np.zeros([1, 6, 6, 1], np.uint8), EdgeOptions(spread="disc"))
