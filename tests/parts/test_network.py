"""Tests of the network of parts and its geometry."""

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.parts.edges import EdgeOptions, oriented_edges
from tfcolor.parts.learning import Parts
from tfcolor.parts.network import PartsNetwork
from tfcolor.parts.part_layer import CodingOptions, EdgePartLayer
from tfcolor.parts.pooling import FeatureLayout, PoolOptions, pooled_matrix

SIZE, NUM_PARTS = 3, 5


def build_network(side=14, channels=1, min_edges=2, preserve_size=True):
    """Returns a network of five random parts of 3x3 pixels."""
    rng = np.random.default_rng(0)
    means = rng.uniform(0.05, 0.95, (NUM_PARTS, 1, SIZE * SIZE * 8 * channels))
    parts = Parts(
        means.astype(np.float32),
        SIZE,
        FeatureLayout(NUM_PARTS),
        np.zeros((NUM_PARTS, SIZE, SIZE, channels), np.float32),
        np.ones(NUM_PARTS, np.int64),
        0.0,
    )
    return PartsNetwork(
        EdgePartLayer(parts, EdgeOptions(preserve_size=preserve_size), CodingOptions(min_edges, 0)),
        PoolOptions(window=2, stride=2),
        canonical_size=side,
        input_channels=channels,
    )


@pytest.fixture
def images():
    """Returns uint8 [3, 14, 14, 1]."""
    return np.random.default_rng(1).integers(0, 256, (3, 14, 14, 1), np.uint8)


def reference_codes(network, images):
    """Returns the likeliest part at each position, by loops."""
    edges = oriented_edges(images, EdgeOptions()).numpy().astype(float)
    means = np.random.default_rng(0).uniform(0.05, 0.95, (NUM_PARTS, SIZE * SIZE * 8))
    count = 14 - SIZE + 1
    codes = np.full((len(images), count, count), -1)
    for n, row, column in np.ndindex(codes.shape):
        patch = edges[n, row : row + SIZE, column : column + SIZE].ravel()
        if patch.sum() >= 2:
            scores = (patch * np.log(means) + (1 - patch) * np.log(1 - means)).sum(axis=1)
            codes[n, row, column] = scores.argmax()
    return codes


def test_codes_are_the_likeliest_parts(images):
    network = build_network()
    np.testing.assert_array_equal(network.code(images), reference_codes(network, images))


def test_maps_are_one_hot_codes_and_their_pooled_form(images):
    network = build_network()
    maps = network(tf.constant(images / 255, tf.float32))
    codes = network.code(images).numpy()
    np.testing.assert_array_equal(maps["parts"], tf.one_hot(codes, NUM_PARTS))
    np.testing.assert_array_equal(maps["edges"], oriented_edges(images, EdgeOptions()))
    np.testing.assert_array_equal(maps["top"], maps["pooled"])
    pooled = pooled_matrix(codes, network.layout, PoolOptions(window=2, stride=2)).toarray()
    np.testing.assert_array_equal(maps["pooled"].numpy().reshape(3, -1), pooled)


def test_canonical_top_is_the_pooled_map_in_a_row(images):
    network = build_network()
    inputs = tf.constant(images / 255, tf.float32)
    top = network(inputs, convolutional=False, seeds=None)["top"]
    assert top.shape == (3, network.top_features) == (3, 6 * 6 * NUM_PARTS)
    np.testing.assert_array_equal(top, tf.reshape(network(inputs)["pooled"], [3, -1]))


@pytest.mark.parametrize("height, width", [(14, 14), (13, 17), (20, 9)])
def test_taps_say_where_cells_lie(height, width):
    network, channels = build_network(), {"edges": 8, "parts": NUM_PARTS, "pooled": NUM_PARTS}
    image = np.zeros((1, height, width, 1), np.float32)
    maps, taps = network(tf.constant(image)), network.taps(height, width)
    assert {name: tap.channels for name, tap in taps.items()} == channels == network.tap_channels
    for name, tap in taps.items():
        for axis, size in enumerate((height, width)):
            last = tap.offset[axis] + tap.stride * (maps[name].shape[1 + axis] - 1)
            assert tap.offset[axis] >= 0 and last <= size - 1
    assert taps["parts"].offset == (1.0, 1.0)  # the middle of the first 3x3 patch
    start = (height - SIZE + 1) % 2 // 2
    assert taps["pooled"].offset[0] == start + 0.5 + 1  # of a 2x2 window of such patches


def test_taps_of_sizes_known_when_run_agree():
    network = build_network()
    found = network.taps(tf.constant(13), tf.constant(17))["pooled"].offset
    assert tuple(float(one) for one in found) == network.taps(13, 17)["pooled"].offset


def test_network_works_in_a_graph_of_any_size_and_in_color():
    network = build_network(channels=3)
    graph = tf.function(network, input_signature=[tf.TensorSpec([None, None, None, 3])])
    for shape in ((2, 15, 12, 3), (1, 2, 2, 3), (0, 14, 14, 3)):
        image = np.random.default_rng(2).random(shape, np.float32)
        for name, values in network(tf.constant(image)).items():
            np.testing.assert_array_equal(graph(tf.constant(image))[name], values)
    assert network.tap_channels["edges"] == 24


def test_constant_image_is_background():
    maps = build_network()(tf.fill([1, 14, 14, 1], 0.5))
    assert not any(np.any(one) for one in maps.values())


def test_network_without_the_border_of_edges_counts_what_is_left(images):
    # 14 pixels, of which 10 have edges: 8 places for 3x3 patches, 4 cells of 2x2.
    network = build_network(preserve_size=False)
    inputs = tf.constant(images / 255, tf.float32)
    maps, taps = network(inputs), network.taps(14, 14)
    assert [maps[name].shape[1] for name in ("edges", "parts", "pooled")] == [10, 8, 4]
    assert network.top_features == network.canonical_taps()["top"].channels == 4 * 4 * NUM_PARTS
    top = network(inputs, convolutional=False)["top"]
    np.testing.assert_array_equal(top, tf.reshape(maps["pooled"], [3, -1]))
    # Pixel 2 has the first edge, 3 is the middle of the first patch, 3.5 of the first cell.
    assert [taps[name].offset[0] for name in ("edges", "parts", "pooled")] == [2, 3, 3.5]
    graph_taps = network.taps(tf.constant(14), tf.constant(15))
    assert float(graph_taps["pooled"].offset[1]) == network.taps(14, 15)["pooled"].offset[1] == 3.5


def test_network_without_the_border_of_edges_codes_the_same_patches(images):
    whole, inner = (build_network(preserve_size=keeps).code(images) for keeps in (True, False))
    offsets = [build_network(preserve_size=keeps).taps(14, 14)["parts"].offset[0]
               for keeps in (True, False)]  # fmt: skip
    shift = int(offsets[1] - offsets[0])
    assert shift == 2
    np.testing.assert_array_equal(inner, whole[:, shift:-shift, shift:-shift])
