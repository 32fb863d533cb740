import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.backbones.field_of_view import WidenedBackbone
from tfcolor.backbones.resnet import ResNet
from tfcolor.core.taps import Tap, Window, compose_tap
from tfcolor.heads.classifier import ClassifierHead
from tfcolor.heads.histogram import HistogramHead
from tfcolor.models.network import Network, kernel_and_bias_variables
from tfcolor.ops.dense_sampling import resize_features
from tfcolor.ops.sparse_hypercolumn import sample_features

SEEDS = tf.constant([[1, 2], [3, 4]], tf.int64)
ALEXNET = [Window(11, 4), Window(3, 2), Window(3, 2), Window(3, 2), Window(6)]
BLOCK = [Window(2, 2), Window(3)]


def _build(name="alexnet", num_blocks=2, width=1 / 32, input_channels=1, **options):
    kind = BACKBONES[name]
    base = kind(kind.Options(width_multiplier=width, **options), input_channels, 5)
    return WidenedBackbone(base, num_blocks, 5)


# Section 4.2 and 17 of the specification; VGG-16 with its gray input.
@pytest.mark.parametrize(
    ("name", "channels", "offsets"),
    [("vgg16", 12_417 + 2048, [31.5, 63.5]), ("resnet152", 13_632, [18.0, 50.0])],
)
def test_published_geometry(name, channels, offsets, monkeypatch):
    monkeypatch.setattr(ResNet, "_build_block", lambda *_: None)  # 500 layers for its taps
    with tf.Graph().as_default():
        backbone = _build(name, width=1.0)
        taps = list(backbone.taps(448, 448).values())
    assert sum(tap.channels for tap in taps) == channels
    assert [tap.name for tap in taps[-2:]] == ["conv8_1", "conv9_1"]
    assert [tap.stride for tap in taps[-2:]] == [64, 128]
    assert [tap.offset for tap in taps[-2:]] == [(offset, offset) for offset in offsets]
    kernels = [backbone.convolutions[tap.name].kernel.shape for tap in taps[-2:]]
    assert kernels == [(3, 3, taps[-3].channels, 1024), (3, 3, 1024, 1024)]


@pytest.mark.parametrize("as_size", [int, tf.constant], ids=["static", "tensor"])
@pytest.mark.parametrize("sizes", [(448, 352), (227, 131), (500, 375), (33, 1025)])
def test_geometry_continues_that_of_the_base(sizes, as_size):
    backbone = _build(num_blocks=3)
    taps = backbone.taps(*map(as_size, sizes))
    for index, name in enumerate(["conv8_1", "conv9_1", "conv10_1"], start=1):
        expected = compose_tap(name, 32, [*ALEXNET, *BLOCK * index], sizes)
        assert (taps[name].stride, taps[name].channels) == (expected.stride, 32)
        assert tuple(map(float, taps[name].offset)) == expected.offset
    for name, tap in backbone.base.taps(*sizes).items():
        assert tuple(map(float, taps[name].offset)) == tap.offset


@pytest.mark.parametrize("alignment", ["centered", "zero"])
def test_maps_have_the_declared_geometry_and_sample_alike(alignment):
    backbone, size = _build(tap_alignment=alignment), (333, 171)
    maps, taps = backbone(tf.random.uniform([2, *size, 1])), backbone.taps(*size)
    assert list(maps) == [*taps, "top"]
    assert {name: tap.channels for name, tap in taps.items()} == backbone.tap_channels
    grid = Tap("grid", 16, 7.5 if alignment == "centered" else 0.0)
    rows, columns = np.meshgrid(grid.centers(0, 21), grid.centers(1, 11), indexing="ij")
    locations = tf.constant(np.tile(np.stack([rows, columns], -1).reshape(1, -1, 2), [2, 1, 1]))
    for name, stride in (("conv8_1", 64), ("conv9_1", 128)):
        cells = [-(-side // stride) for side in size]
        assert maps[name].shape == [2, *cells, 32]
        dense = resize_features(maps[name], taps[name], grid, (21, 11))
        sparse = sample_features(maps[name], locations, taps[name])
        np.testing.assert_allclose(
            tf.reshape(dense, sparse.shape), sparse, rtol=1e-4, atol=1e-5, err_msg=name
        )


def test_network_continues_with_what_the_visitor_returns():
    backbone, visited = _build(), []

    def visit(name, activation):
        visited.append(name)
        return 2 * activation if name == "conv8_1" else activation

    images = tf.random.uniform([1, 203, 131, 1])
    plain, doubled = backbone(images), backbone(images, visitor=visit)
    assert visited == list(backbone.tap_channels)
    np.testing.assert_allclose(doubled["conv9_1"], 2 * plain["conv9_1"], rtol=1e-5)


def test_maps_of_mixed_precision_have_the_compute_dtype():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        backbone = _build()
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    maps = backbone(tf.random.uniform([2, 75, 41, 1]), seeds=SEEDS, training=True)
    assert {one.dtype for one in maps.values()} == {tf.bfloat16}


def test_blocks_pool_then_convolve_and_rectify():
    backbone, images = _build(), tf.random.uniform([2, 203, 131, 1])
    maps, base = backbone(images), backbone.base(images)
    for name in backbone.base.tap_channels:
        np.testing.assert_array_equal(maps[name], base[name])
    current = base["top"]
    for name in ("conv8_1", "conv9_1"):
        layer = backbone.convolutions[name]
        layer.bias.assign(tf.random.stateless_normal(layer.bias.shape, seed=[1, 2]))
    maps = backbone(images)
    for name in ("conv8_1", "conv9_1"):
        layer = backbone.convolutions[name]
        pooled = tf.nn.max_pool2d(current, 2, 2, "SAME")
        current = tf.nn.relu(tf.nn.conv2d(pooled, layer.kernel, 1, "SAME") + layer.bias)
        np.testing.assert_allclose(maps[name], current, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(maps["top"], maps["conv9_1"])


def test_blocks_start_as_he_has_it():
    with tf.Graph().as_default():
        names = [_build(width=0.2).convolutions[name].name for name in ("conv8_1", "conv9_1")]
    assert names == ["conv8_1", "conv9_1"]
    kernel = _build(width=0.2).convolutions["conv9_1"].kernel.numpy()
    assert kernel.shape == (3, 3, 204, 204)
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (9 * 204)), rtol=0.01)


def test_canonical_mode_is_that_of_the_base():
    backbone, images = _build(), tf.random.uniform([2, 227, 227, 1])
    maps = backbone(images, convolutional=False)
    expected = backbone.base(images, convolutional=False)
    assert maps.keys() == expected.keys()
    np.testing.assert_array_equal(maps["top"], expected["top"])
    assert (backbone.canonical_size, backbone.top_features) == (227, 128)
    head = ClassifierHead(backbone.canonical_taps(), 3, seed=1)
    assert Network(backbone, head, convolutional=False)({"image": images})["logits"].shape == [2, 3]


def test_what_reads_the_base_reads_the_blocks_too():
    backbone = _build(input_channels=3, input_mean=(0.1, 0.2, 0.3), tap_alignment="zero")
    base = backbone.base
    assert list(backbone.convolutions) == [*base.convolutions, "conv8_1", "conv9_1"]
    assert backbone.batch_norms == base.batch_norms
    assert backbone.dropouts == base.dropouts
    assert (backbone.input_channels, backbone.input_mean) == (3, (0.1, 0.2, 0.3))
    assert (backbone.options, backbone.name) == (base.options, base.name)
    assert backbone.taps(75, 41)["conv9_1"].offset == (0.0, 0.0)


@pytest.mark.native
def test_maps_pass_through_the_sampler_in_training():
    backbone = _build(use_batch_norm=False)
    head = HistogramHead(backbone.taps(32, 32), {"hue": 6}, hidden_units=9, seed=2)
    head.hidden.kernel.assign(tf.random.normal(head.hidden.kernel.shape))
    network = Network(backbone, head)
    inputs = {
        "image": tf.random.uniform([2, 75, 141, 1]),
        "seed": SEEDS,
        "locations": tf.random.uniform([2, 7, 2], 0, 75),
    }
    taps, maps = backbone.taps(75, 141), backbone(inputs["image"], SEEDS, training=True)
    expected = head(maps, inputs, taps, training=True)["hue_logits"]
    kernels = [layer.kernel for layer in backbone.convolutions.values()]
    with tf.GradientTape() as tape:
        logits = network(inputs, training=True)["hue_logits"]
        loss = tf.reduce_mean(tf.nn.log_softmax(logits)[..., 0])
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-5)
    for kernel, gradient in zip(kernels, tape.gradient(loss, kernels), strict=True):
        assert np.abs(gradient).max() > 0, kernel.name


def test_every_variable_is_there_once_and_has_a_role():
    backbone = _build()
    variables = backbone.trainable_variables
    assert len({id(one) for one in variables}) == len(variables) == 2 * 9
    kernels, biases = kernel_and_bias_variables(backbone)
    assert [len(kernels), len(biases)] == [9, 9]
    for name in ("conv8_1", "conv9_1"):
        layer = backbone.convolutions[name]
        assert sum(layer.kernel is one for one in kernels) == 1
        assert sum(layer.bias is one for one in biases) == 1


def test_weights_survive_a_checkpoint(tmp_path):
    backbone, restored = _build(), _build()
    for variable in backbone.variables:
        variable.assign(variable + tf.ones([], variable.dtype))
    path = tf.train.Checkpoint(backbone=backbone).save(str(tmp_path / "saved"))
    tf.train.Checkpoint(backbone=restored).restore(path).assert_consumed()
    for one, two in zip(backbone.variables, restored.variables, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_checkpoint_of_the_base_fills_what_the_base_has(tmp_path):
    """The layers are saved under the same keys with and without further blocks."""
    trained, backbone = _build().base, _build()
    for variable in trained.variables:
        variable.assign(variable + tf.ones([], variable.dtype))
    path = tf.train.Checkpoint(backbone=trained).save(str(tmp_path / "saved"))
    tf.train.Checkpoint(backbone=backbone).restore(path).expect_partial()
    for one, two in zip(trained.variables, backbone.base.variables, strict=True):
        np.testing.assert_array_equal(one, two)


def test_no_block_is_an_error():
    with pytest.raises(ValueError, match="num_blocks=0; expected at least 1"):
        _build(num_blocks=0)
