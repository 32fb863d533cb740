"""What every backbone in the table keeps, and the base class's own errors."""

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.backbones.chain import ChainBackbone
from tfcolor.backbones.resnet import ResNetOptions
from tfcolor.backbones.resnet_v2 import ResNetV2Options
from tfcolor.core.taps import Tap
from tfcolor.ops.dense_sampling import resize_features
from tfcolor.ops.sparse_hypercolumn import sample_features

WIDTH = 1 / 32
SIZE = (75, 41)
SEEDS = tf.constant([[1, 2], [3, 4]], tf.int64)

# Residual networks differ by their numbers of blocks, which `_options` replaces.
every_backbone = pytest.mark.parametrize(
    "name", sorted(BACKBONES.keys() - {"resnet50", "resnet101", "resnet50_v2"})
)
every_chain = pytest.mark.parametrize(
    "name", [name for name, kind in BACKBONES.items() if issubclass(kind, ChainBackbone)]
)


def _options(name, width=WIDTH, **options):
    kind = BACKBONES[name].Options
    if issubclass(kind, ResNetOptions):
        options["stage_blocks"] = (1, 2, 2, 1)
    if issubclass(kind, ResNetV2Options):
        options["block_units"] = (1, 2, 2)
    return kind(width_multiplier=width, **options)


def _build(name, input_channels=1, seed=5, **options):
    return BACKBONES[name](_options(name, **options), input_channels, seed)


def _images(size=SIZE, channels=1, batch=2):
    return tf.random.uniform([batch, *size, channels])


@every_backbone
@pytest.mark.parametrize("size", [SIZE, (64, 96)])
@pytest.mark.parametrize("input_channels", [1, 3])
def test_maps_have_the_declared_geometry(name, size, input_channels):
    backbone = _build(name, input_channels)
    features = backbone(_images(size, input_channels))
    taps = backbone.taps(*size)
    assert list(features) == [*taps, "top"]
    assert {key: tap.channels for key, tap in taps.items()} == backbone.tap_channels
    for key, tap in taps.items():
        cells = (-(-side // tap.stride) for side in size)
        assert features[key].shape == [2, *cells, tap.channels], key
        assert tap.name == key


@every_chain
def test_input_tap_is_the_mean_subtracted_image(name):
    backbone, images = _build(name, 3), _images(channels=3)
    first = next(iter(backbone.taps(*SIZE)))
    np.testing.assert_allclose(
        backbone(images)[first], images.numpy() - backbone.input_mean, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("mean", [(0.0,), (0.1, 0.2, 0.3)])
def test_input_mean_may_be_chosen_for_each_channel(mean):
    images = _images(channels=3)
    features = _build("vgg16", 3, input_mean=mean)(images)
    np.testing.assert_allclose(features["data"], images.numpy() - mean, atol=1e-6)


def test_input_means_must_be_as_many_as_channels():
    with pytest.raises(ValueError, match=r"input_mean=\(0.1, 0.2\); expected 1 or 3 numbers"):
        _build("vgg16", 3, input_mean=(0.1, 0.2))


@every_backbone
def test_canonical_mode_collapses_to_vectors_with_the_same_variables(name):
    backbone = _build(name)
    num_variables = len(backbone.variables)
    size = backbone.canonical_size
    features = backbone(_images((size, size)), convolutional=False)
    for key in {"fc6", "fc7"} & features.keys():
        assert features[key].shape == [2, backbone.tap_channels[key]]
    assert features["top"].shape == [2, backbone.top_features]
    np.testing.assert_array_equal(features["top"], features.get("fc7", features["top"]))
    backbone(_images())
    assert len(backbone.variables) == num_variables


@every_backbone
def test_head_of_the_canonical_mode_reads_the_top(name):
    backbone = _build(name)
    size = backbone.canonical_size
    taps = backbone.canonical_taps()
    top = taps.pop("top")
    assert top == Tap("top", size, (size - 1) / 2, backbone.top_features)
    assert taps == backbone.taps(size, size)


@every_backbone
def test_canonical_mode_takes_images_of_unknown_size(name):
    backbone = _build(name)
    size = backbone.canonical_size
    signature = [tf.TensorSpec([None, None, None, 1])]
    top = tf.function(
        lambda images: backbone(images, convolutional=False)["top"], input_signature=signature
    )
    images = _images((size, size))
    expected = backbone(images, convolutional=False)["top"]
    np.testing.assert_allclose(top(images), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible"):
        top(_images((size + 1, size)))


@every_backbone
@pytest.mark.parametrize("use_batch_norm", [True, False])
@pytest.mark.parametrize("convolutional", [True, False])
def test_gradient_reaches_every_kernel(name, use_batch_norm, convolutional):
    backbone = _build(name, use_batch_norm=use_batch_norm)
    size = SIZE if convolutional else (backbone.canonical_size,) * 2
    with tf.GradientTape() as tape:
        top = backbone(_images(size), seeds=SEEDS, training=True, convolutional=convolutional)[
            "top"
        ]
        loss = tf.reduce_sum(top**2)
    kernels = [layer.kernel for layer in backbone.convolutions.values()]
    for kernel, gradient in zip(kernels, tape.gradient(loss, kernels), strict=True):
        assert np.abs(gradient).max() > 0, kernel.name


@every_backbone
@pytest.mark.parametrize("alignment", ["centered", "zero"])
def test_dense_sampling_equals_sparse_at_every_tap(name, alignment):
    backbone = _build(name, tap_alignment=alignment)
    features, taps = backbone(_images()), backbone.taps(*SIZE)
    grid = Tap("grid", 4, 1.5 if alignment == "centered" else 0.0)
    rows, columns = np.meshgrid(grid.centers(0, 19), grid.centers(1, 11), indexing="ij")
    locations = tf.constant(np.tile(np.stack([rows, columns], -1).reshape(1, -1, 2), [2, 1, 1]))
    for key, tap in taps.items():
        assert alignment == "centered" or tap.offset == (0.0, 0.0)
        dense = resize_features(features[key], tap, grid, (19, 11))
        sparse = sample_features(features[key], locations, tap)
        np.testing.assert_allclose(
            tf.reshape(dense, sparse.shape), sparse, rtol=1e-4, atol=1e-5, err_msg=key
        )


@every_backbone
def test_taps_of_unknown_sizes_equal_those_of_static_sizes(name):
    backbone = _build(name)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 1])])
    def offsets(images):
        size = tf.shape(images)
        taps = backbone.taps(size[1], size[2])
        return {
            key: tf.stack([tf.cast(x, tf.float32) for x in tap.offset]) for key, tap in taps.items()
        }

    found = offsets(_images())
    for key, tap in backbone.taps(*SIZE).items():
        np.testing.assert_array_equal(found[key], tap.offset, err_msg=key)


@every_backbone
def test_centered_taps_lie_at_the_center_of_what_they_see(name):
    """The reference is the pixels that reach a middle cell of the real network."""
    backbone = _build(name, use_batch_norm=False)
    for layer in backbone.convolutions.values():
        layer.kernel.assign(tf.ones_like(layer.kernel) / layer.kernel.shape.num_elements())
    size = (203, 230)
    images = tf.ones([1, *size, 1])
    for key in ("conv1", "conv1_2", "conv2", "conv2_1", "conv3_3", "res2a"):
        if key not in backbone.tap_channels:
            continue
        with tf.GradientTape() as tape:
            tape.watch(images)
            features = backbone(images)[key]
            row, column = features.shape[1] // 2, features.shape[2] // 2
            cell = tf.reduce_sum(features[0, row, column])
        tap = backbone.taps(*size)[key]
        seen = np.abs(tape.gradient(cell, images)[0, ..., 0])
        for axis, index in ((0, row), (1, column)):
            inside = np.flatnonzero(seen.sum(1 - axis))
            reach = (inside[0] + inside[-1]) / 2
            # A max pool passes the gradient to one cell of its window, so that
            # up to a window may miss on either side.
            assert abs(tap.stride * index + tap.offset[axis] - reach) <= tap.stride / 2, key


@every_backbone
def test_initial_weights_and_masks_depend_on_the_seed_only(name):
    first, again, other = (_build(name, seed=seed) for seed in (5, 5, 6))
    images = _images()
    for one, two in zip(first.trainable_variables, again.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, two)
    outputs = [net(images, seeds=SEEDS, training=True)["top"] for net in (first, again, other)]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert np.abs(outputs[0] - outputs[2]).max() > 0


@every_chain
def test_dropout_follows_the_example(name):
    backbone = _build(name, use_batch_norm=False)
    images = _images()
    whole = backbone(images, seeds=SEEDS, training=True)["top"]
    half = backbone(images[1:], seeds=SEEDS[1:], training=True)["top"]
    np.testing.assert_allclose(half, whole[1:], rtol=1e-4, atol=1e-5)
    if backbone.dropouts:
        with pytest.raises(ValueError, match="got no seeds"):
            backbone(images, training=True)


@every_backbone
def test_maps_of_mixed_precision_have_the_compute_dtype(name):
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        backbone = _build(name)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    features = backbone(_images(), seeds=SEEDS, training=True)
    assert {one.dtype for one in features.values()} == {tf.bfloat16}
    assert {one.dtype for one in backbone.trainable_variables} == {tf.float32}


@every_backbone
def test_width_of_every_layer_is_a_multiple_of_four(name):
    for width in (0.001, 0.13, 1.5):
        with tf.Graph().as_default():
            layers = _build(name, width=width).convolutions.values()
        assert all(layer.filters % 4 == 0 and layer.filters >= 4 for layer in layers)


def test_undeclared_channels_are_an_error():
    backbone = _build("vgg16")
    with pytest.raises(ValueError, match="tap 'conv1_1' declares 4 channels, its map has 5"):
        backbone._check_channels({"conv1_1": tf.zeros([1, 2, 3, 5])})


def test_images_without_channels_are_an_error():
    with pytest.raises(ValueError, match="input_channels=0; expected at least 1"):
        _build("vgg16", input_channels=0)


@every_backbone
def test_network_continues_with_what_the_visitor_returns(name):
    backbone = _build(name)
    visited = []

    def visit(tap, activation):
        visited.append(tap)
        return activation if tap == "data" or tap == "x" else tf.zeros_like(activation)

    features = backbone(tf.random.uniform([1, 40, 33, 1]), visitor=visit)
    assert visited == list(backbone.tap_channels)
    assert not np.any(features["top"])
    assert not any(np.any(features[tap]) for tap in visited[1:])
