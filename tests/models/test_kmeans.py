import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_info, threadpool_limits

from tfcolor.backbones import BACKBONES
from tfcolor.backbones.base import INPUT_MEAN
from tfcolor.core.errors import UserError
from tfcolor.models import kmeans
from tfcolor.models.kmeans import (
    _fit_filters,
    equalize_rates,
    initialize_by_kmeans,
    kmeans_filters,
)


def _build(name="cifar_deep", channels=1, **options):
    kind = BACKBONES[name]
    return kind(kind.Options(**{"width_multiplier": 1 / 16, **options}), channels, seed=0)


def _textures(count, seed, size=32, channels=1):
    """Smooth random images of different brightness, float32 [count, S, S, channels]."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(count, size, size, channels))
    smooth = ndimage.gaussian_filter(noise, (0, 1.2, 1.2, 0), mode="wrap")
    smooth *= 0.15 / smooth.std(axis=(1, 2), keepdims=True)
    level = generator.uniform(0.3, 0.7, (count, 1, 1, 1))
    return tf.constant(np.clip(level + smooth, 0, 1), tf.float32)


def _preactivations(backbone, images, convolutional=False):
    """What each layer gives before batch norm and nonlinearity, by name."""
    found = {}

    def watch(name, layer):
        call = layer.call

        def watched(*inputs, **options):
            found[name] = call(*inputs, **options)
            return found[name]

        object.__setattr__(layer, "call", watched)

    for name, layer in backbone.convolutions.items():
        watch(name, layer)
    backbone(images, convolutional=convolutional)
    for layer in backbone.convolutions.values():
        object.__delattr__(layer, "call")
    return {name: value.numpy() for name, value in found.items()}


def test_filters_are_the_centers_that_scikit_learn_finds():
    generator = np.random.default_rng(1)
    patches = generator.normal(size=(400, 6)) @ generator.normal(size=(6, 6)) + 3
    centered = patches - patches.mean(0)
    _, values, components = np.linalg.svd(centered, full_matrices=False)
    whitening = components[:4].T / values[:4] * np.sqrt(len(patches))
    white = centered @ whitening
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(4), atol=1e-9)
    white /= np.linalg.norm(white, axis=1, keepdims=True)
    model = MiniBatchKMeans(4, n_init=1, batch_size=40, random_state=5).fit(white)
    expected = whitening @ model.cluster_centers_.T
    ours = kmeans_filters(patches, 4, seed=5)
    assert ours.shape == (6, 4)
    # Neither sign nor order of the components moves a center.
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_separate_clusters_are_found_exactly():
    generator = np.random.default_rng(2)
    corners = np.array([[1, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]])[generator.permutation(4)]
    patches = np.repeat(corners, 30, axis=0) * generator.uniform(0.9, 1.1, (120, 1))
    filters = kmeans_filters(patches, 4, seed=0)
    # Without a third dimension; each corner has a filter in its own direction.
    directions = (filters / np.linalg.norm(filters, axis=0)).T
    np.testing.assert_allclose(directions[:, 2], 0, atol=1e-6)
    agreement = directions @ (corners / 2**0.5).T
    np.testing.assert_allclose(np.sort(agreement.max(axis=0)), 1, atol=0.01)


@pytest.mark.parametrize("convolutional", [True, False])
def test_features_have_unit_variance_on_images_not_seen(convolutional):
    backbone = _build(padding="bias")
    initialize_by_kmeans(backbone, _textures(160, 1), seed=3, convolutional=convolutional)
    values = _preactivations(backbone, _textures(160, 2), convolutional)
    assert list(values) == list(backbone.convolutions)
    for name, value in values.items():
        # Balanced afterwards: one factor for all features of a layer.
        deviations = value.std(axis=(0, 1, 2), dtype=np.float64)
        factor = np.sqrt(np.mean(deviations**2))
        np.testing.assert_allclose(deviations / factor, 1, atol=0.15, err_msg=name)
        means = value.mean(axis=(0, 1, 2), dtype=np.float64) / factor
        np.testing.assert_allclose(means, 0.1, atol=0.25, err_msg=name)
        if name == "conv4b":
            assert factor == pytest.approx(1, abs=0.03)


def test_batch_norm_starts_with_the_statistics_of_the_images():
    backbone = _build("resnet50", stage_blocks=(1, 1, 1, 1))
    images = _textures(8, 4, size=64)
    untouched = initialize_by_kmeans(backbone, images, seed=3)
    assert "conv1" not in untouched
    values = _preactivations(backbone, images, convolutional=True)
    for name, value in values.items():
        norm = backbone.batch_norms[name]
        moments = value.mean(axis=(0, 1, 2)), value.var(axis=(0, 1, 2))
        np.testing.assert_allclose(norm.moving_mean, moments[0], atol=1e-3, err_msg=name)
        np.testing.assert_allclose(moments[1], 1, atol=1e-3, err_msg=name)
        np.testing.assert_array_equal(norm.moving_variance, 1)


def test_filters_of_groups_see_their_own_channels_and_large_patches_stay_random():
    backbone = _build("alexnet", width_multiplier=1 / 24, use_batch_norm=False)
    kernels = {name: one.kernel.numpy() for name, one in backbone.convolutions.items()}
    images = _textures(6, 5, size=64)
    untouched = initialize_by_kmeans(backbone, images, seed=3)
    assert untouched == ("conv3", "conv4", "conv5", "fc6", "fc7")[-len(untouched) :]
    for name, layer in backbone.convolutions.items():
        ratio = layer.kernel.numpy() / kernels[name]
        spread = ratio.std(axis=(0, 1, 2)) / np.abs(ratio.mean(axis=(0, 1, 2)))
        assert (spread.max() < 1e-4) == (name in untouched), name


def test_half_precision_networks_get_variables_of_full_precision():
    images = _textures(24, 6)
    exact, mixed = [], []
    for policy, found in (("float32", exact), ("mixed_bfloat16", mixed)):
        tf.keras.mixed_precision.set_global_policy(policy)
        try:
            backbone = _build("cifar_shallow")
            initialize_by_kmeans(backbone, images, seed=5)
        finally:
            tf.keras.mixed_precision.set_global_policy("float32")
        found += [layer.kernel.numpy() for layer in backbone.convolutions.values()]
    assert all(kernel.dtype == np.float32 for kernel in mixed)
    # The first layer sees the same images but for their rounding to 8 bits.
    np.testing.assert_allclose(mixed[0], exact[0], atol=0.05 * np.abs(exact[0]).max())


def test_the_same_seed_gives_the_same_weights():
    images = _textures(16, 6)
    weights = []
    for seed in (7, 7, 8):
        backbone = _build("cifar_shallow")
        initialize_by_kmeans(backbone, images, seed=seed)
        weights.append(backbone.get_weights())
    for first, second, third in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)
        assert not np.array_equal(first, third)


def test_all_layers_change_at_the_same_relative_rate():
    backbone = _build("cifar_shallow", width_multiplier=1 / 2)
    generator = np.random.default_rng(0)
    for layer in backbone.convolutions.values():
        layer.kernel.assign(layer.kernel * generator.uniform(0.2, 5))
        layer.bias.assign(generator.normal(0.1, 0.1, layer.bias.shape))
    images = _textures(4, 7)
    before = backbone(images)
    spread = np.ptp(np.log(_rates(backbone, images)))
    factors = equalize_rates(backbone, images, seed=1)
    after = backbone(images)
    for name, factor in factors.items():
        expected = factor * before[name]
        np.testing.assert_allclose(after[name], expected, atol=1e-4 * np.max(expected))
    assert factors["conv4b"] == pytest.approx(1, rel=1e-5)
    assert spread > 1 and np.ptp(np.log(_rates(backbone, images))) < 0.2


def _rates(backbone, images):
    """Relative rates by other noise, of single images as in the paper."""
    kernels = [layer.kernel for layer in backbone.convolutions.values()]
    squares = np.zeros(len(kernels))
    for index in range(len(images)):
        with tf.GradientTape() as tape:
            top = backbone(images[index : index + 1])["top"]
            loss = tf.reduce_sum(top * tf.random.stateless_normal(top.shape, [9, index]))
        squares += [np.mean(np.square(one)) for one in tape.gradient(loss, kernels)]
    return np.sqrt(squares / [np.mean(np.square(one)) for one in kernels])


def test_what_cannot_be_done_is_said():
    with pytest.raises(UserError, match="initialize conv1: a feature is the same on all images"):
        initialize_by_kmeans(_build("cifar_shallow"), tf.fill([2, 32, 32, 1], INPUT_MEAN), seed=0)
    network = _build("cifar_shallow", use_batch_norm=True)
    with pytest.raises(UserError, match="equalize the rates of a network with batch norm"):
        equalize_rates(network, _textures(1, 0), seed=0)


def test_patches_equal_to_their_mean_make_no_filters():
    patches = np.zeros((40, 8), np.float32)
    patches[:2, 0] = 1, -1
    assert kmeans_filters(patches, 3, seed=0) is None
    assert kmeans_filters(patches, 2, seed=0).shape == (8, 2)


def test_layers_that_see_nearly_constant_images_stay_random():
    backbone = _build("cifar_shallow")
    first = next(iter(backbone.convolutions.values()))
    kernel = first.kernel.numpy()
    # Two patches stand out, by opposite values about the mean that all others have.
    inputs = np.zeros((2, 32, 32, 1), np.float32)
    inputs[0, 0, 0], inputs[1, 0, 0] = 0.5, -0.5
    assert not _fit_filters(first, tf.constant(inputs), seed=0)
    np.testing.assert_array_equal(first.kernel, kernel)


def test_filters_come_from_one_thread(monkeypatch):
    found = []

    def watch(work):
        def watched(*arguments, **options):
            found.append({pool["num_threads"] for pool in threadpool_info()})
            return work(*arguments, **options)

        return watched

    monkeypatch.setattr(kmeans, "fit_whitening", watch(kmeans.fit_whitening))
    monkeypatch.setattr(MiniBatchKMeans, "fit", watch(MiniBatchKMeans.fit))
    with threadpool_limits(2):
        kmeans_filters(np.random.default_rng(0).normal(size=(50, 4)), 3, seed=0)
    assert found == [{1}, {1}]
