"""Tests of layers of parts in pixels; tests/parts/test_network.py has those in edges."""

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.parts import coding
from tfcolor.parts.learning import Parts
from tfcolor.parts.network import PartsNetwork
from tfcolor.parts.part_layer import CODINGS, PixelPartLayer
from tfcolor.parts.pixels import PixelOptions
from tfcolor.parts.pooling import FeatureLayout, PoolOptions
from tfcolor.parts.sum_pooling import summed_map

SIZE, NUM_PARTS, ROTATIONS = 3, 3, 2
PIXELS = PixelOptions(min_std=0.1)
POOLING = PoolOptions(window=2, stride=2)
ALL = [(kind, name) for kind in ("gaussian", "kmeans") for name in CODINGS[kind]]


def build_parts(kind, channels=1, whitens=True):
    """Returns random parts, Gaussian ones in two rotations."""
    rng = np.random.default_rng(0)
    length = SIZE * SIZE * channels
    rotations = ROTATIONS if kind == "gaussian" else 1
    factors = rng.normal(size=(NUM_PARTS, 1, length, length)) / length
    return Parts(
        rng.normal(size=(NUM_PARTS, rotations, length)).astype(np.float32),
        SIZE,
        FeatureLayout(NUM_PARTS, rotations),
        np.zeros((NUM_PARTS, SIZE, SIZE, channels), np.float32),
        np.ones(NUM_PARTS, np.int64),
        0.0,
        factors @ factors.swapaxes(2, 3) + 0.3 * np.eye(length) if kind == "gaussian" else None,
        np.eye(length, dtype=np.float32) + 0.1 if whitens else None,
    )


def build_network(kind, code="hard", channels=1):
    """Returns a network of such parts."""
    layer = PixelPartLayer(build_parts(kind, channels), PIXELS, code)
    return PartsNetwork(layer, POOLING, canonical_size=8, input_channels=channels)


@pytest.fixture(scope="module")
def images():
    """Returns uint8 [2, 8, 9, 1], half of the first one flat."""
    images = np.random.default_rng(1).integers(0, 256, (2, 8, 9, 1), np.uint8)
    images[0, :4] = 200
    return images


def log_density(features, mean, covariance):
    """Returns ln of the normal density of one patch."""
    shift = features - mean
    mahalanobis = shift @ np.linalg.solve(covariance, shift)
    return -0.5 * (mahalanobis + np.linalg.slogdet(2 * np.pi * covariance)[1])


def reference_code(patch, parts, name):
    """Returns the code of one patch [S, S, C] in [0, 1], from the paper."""
    hard = name == "hard"
    if patch.std() < PIXELS.min_std and name != "raw":
        floor = {"soft": np.log(0.0005)}.get(name, 0.0)
        return -1 if hard else np.full(parts.layout.num_features, floor)
    flat = patch.reshape(-1)
    features = (flat - flat.mean()) / np.sqrt(flat.var() + 10 / 255) @ parts.whitening
    means = parts.means.reshape(-1, parts.means.shape[-1])
    if parts.covariances is None:
        distances = np.linalg.norm(features - means, axis=1)
        scores, log_probs = -distances, -(distances**2) / 2
    else:
        scores = log_probs = np.array([
            log_density(features, mean, parts.covariances[index // ROTATIONS, 0])
            for index, mean in enumerate(means)
        ])  # fmt: skip
    posterior = np.exp(log_probs - log_probs.max())
    posterior /= posterior.sum()
    codes = {
        "hard": scores.argmax(),
        "triangle": np.maximum(0, scores - scores.mean()),
        "soft": np.log(np.maximum(posterior, 0.0005)),
        "raw": log_probs + np.log(1 / len(means)),
    }
    return codes[name]


@pytest.mark.parametrize("kind, name", ALL)
def test_codes_are_those_of_every_patch(kind, name, images, monkeypatch):
    monkeypatch.setattr(coding, "PATCHES_PER_CHUNK", 23)
    network, parts = build_network(kind, name), build_parts(kind)
    codes = network.code(images).numpy()
    assert codes.shape[:3] == (2, 6, 7)
    assert network.is_hard == (codes.dtype == np.int32) == (name == "hard")
    for n, row, column in np.ndindex(2, 6, 7):
        patch = images[n, row : row + SIZE, column : column + SIZE] / 255
        expected = reference_code(patch, parts, name)
        np.testing.assert_allclose(codes[n, row, column], expected, atol=2e-4, rtol=1e-4)


def test_sums_of_a_few_images_at_a_time_are_those_of_all_codes(images, monkeypatch):
    monkeypatch.setattr("tfcolor.parts.network.NUMBERS_PER_CHUNK", 1)
    network = build_network("kmeans", "soft")
    expected = summed_map(network.code(images), POOLING)
    np.testing.assert_allclose(network.pool(images), expected, rtol=1e-5, atol=1e-5)


def test_network_works_in_a_saved_graph_of_any_size(tmp_path):
    network = build_network("kmeans", "triangle", channels=3)
    module = tf.Module()
    module.network = network
    signature = [tf.TensorSpec([None, None, None, 3])]
    module.maps = tf.function(network, input_signature=signature)
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    for shape in ((2, 7, 12, 3), (1, 2, 2, 3), (0, 8, 8, 3)):
        image = tf.constant(np.random.default_rng(2).random(shape, np.float32))
        expected, found = network(image), loaded.maps(image)
        assert set(found) == {"parts", "pooled", "top"} == {*network.tap_channels, "top"}
        for key, values in expected.items():
            np.testing.assert_allclose(found[key], values, atol=1e-4)


@pytest.mark.parametrize("kind, name", [("gaussian", "hard"), ("kmeans", "triangle")])
def test_canonical_top_is_the_pooled_map_in_a_row(kind, name, images):
    network = build_network(kind, name)
    inputs = tf.constant(images[:, :, :8] / 255, tf.float32)
    top = tf.function(network)(inputs, convolutional=False)["top"]
    assert top.shape == (2, network.top_features)
    np.testing.assert_allclose(top, tf.reshape(network(inputs)["pooled"], [2, -1]), atol=1e-5)


def test_taps_have_no_edges():
    network = build_network("kmeans", "triangle")
    assert set(network.taps(8, 8)) == {"parts", "pooled"}
    assert network.canonical_taps()["top"].channels == 3 * 3 * NUM_PARTS


def test_coding_that_parts_do_not_have_is_named():
    with pytest.raises(UsageError, match="unknown coding 'raw'; known: hard, soft, triangle"):
        PixelPartLayer(build_parts("kmeans"), PIXELS, "raw")
