import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones.chain import ChainBackbone, ChainOptions, FullyConnectedOptions
from tfcolor.backbones.field_of_view import WidenedBackbone
from tfcolor.backbones.stages import Conv, Pool
from tfcolor.core.errors import UsageError
from tfcolor.core.features import UNRECTIFIED_TOP
from tfcolor.core.options import check_options
from tfcolor.core.taps import Tap

STAGES = (
    Conv("conv1", 8, kernel=3, stride=2, canonical_padding="VALID"),
    Pool(3, 2),
    Conv("conv2", 12, kernel=3, groups=2),
    Conv("fc3", 16, kernel=2, canonical_padding="VALID", is_fully_connected=True),
)
SEEDS = tf.constant([[1, 2], [3, 4], [5, 6]], tf.int64)


class Chain(ChainBackbone):
    canonical_size = 9


def _chain(stages=STAGES, **options):
    return Chain("chain", "input", stages, ChainOptions(**options), 3, 4)


def _lrn(maps):
    """Section 2, one channel at a time: Caffe's alpha 1e-4 over a window of 5."""
    outputs = np.zeros_like(maps)
    for channel in range(maps.shape[-1]):
        window = maps[..., max(channel - 2, 0) : channel + 3]
        outputs[..., channel] = maps[..., channel] / (1 + 1e-4 / 5 * (window**2).sum(-1)) ** 0.75
    return outputs


def test_layers_are_normalized_then_rectified():
    chain = _chain()
    images = tf.random.uniform([3, 11, 14, 3])
    features = chain(images, seeds=SEEDS, training=True)
    layer = chain.convolutions["conv1"]
    maps = tf.nn.conv2d(features["input"], layer.kernel, 2, "SAME").numpy()
    maps = (maps - maps.mean((0, 1, 2))) / np.sqrt(maps.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(features["conv1"], np.maximum(maps, 0), rtol=1e-3, atol=1e-4)


def test_dropout_follows_the_layers_that_declare_it():
    stages = [
        dataclasses.replace(stage, dropout_rate=rate) if isinstance(stage, Conv) else stage
        for stage, rate in zip(STAGES, (None, None, 0.0, 0.5), strict=True)
    ]
    chain, images = _chain(stages, use_batch_norm=False), tf.random.uniform([3, 21, 24, 3])
    assert {name: layer.rate for name, layer in chain.dropouts.items()} == {"conv2": 0, "fc3": 0.5}
    plain = chain(images, training=False)
    dropped = chain(images, seeds=SEEDS, training=True)
    np.testing.assert_array_equal(plain["conv2"], dropped["conv2"])
    alive = plain["fc3"].numpy() > 0
    kept = dropped["fc3"].numpy() > 0
    assert not np.any(kept & ~alive)
    assert 0.4 < kept[alive].mean() < 0.6
    np.testing.assert_allclose(dropped["fc3"][kept], 2 * plain["fc3"][kept], rtol=1e-5)
    np.testing.assert_array_equal(dropped["top"], dropped["fc3"])


def test_a_pool_may_leave_out_the_first_cells_in_the_canonical_mode():
    pool = Pool(2, 2, canonical_padding="VALID", canonical_start=1)
    chain = _chain((Conv("conv1", 4, kernel=2, canonical_padding="VALID"), pool))
    features = chain(tf.random.uniform([3, 9, 9, 3]), convolutional=False)
    maps = features["conv1"].numpy()
    assert maps.shape == (3, 8, 8, 4)
    # The pools cover rows 1 to 6 of 8.
    expected = maps[:, 1:7, 1:7].reshape(3, 3, 2, 3, 2, 4).max(axis=(2, 4))
    np.testing.assert_array_equal(features["top"], expected.reshape(3, 36))
    assert chain.top_features == 36
    assert chain(tf.random.uniform([3, 11, 14, 3]))["top"].shape == [3, 11, 14, 4]


def test_lrn_comes_before_the_pool_and_leaves_the_tap():
    stages = (STAGES[0], dataclasses.replace(STAGES[1], use_lrn=True), Conv("conv2", 4, kernel=1))
    chain = _chain(stages, use_batch_norm=False)
    images = 30 * tf.random.uniform([3, 11, 14, 3])
    features = chain(images)
    pooled = tf.nn.max_pool2d(_lrn(features["conv1"].numpy()), 3, 2, "SAME")
    expected = tf.nn.relu(tf.nn.conv2d(pooled, chain.convolutions["conv2"].kernel, 1, "SAME"))
    np.testing.assert_allclose(features["conv2"], expected, rtol=1e-4, atol=1e-5)
    assert np.abs(_lrn(features["conv1"].numpy()) - features["conv1"]).max() > 1e-3


def test_canonical_mode_pads_as_declared():
    features = _chain()(tf.random.uniform([3, 9, 9, 3]), convolutional=False)
    assert features["conv1"].shape == [3, 4, 4, 8]
    assert features["conv2"].shape == [3, 2, 2, 12]
    assert features["fc3"].shape == features["top"].shape == [3, 16]


def test_top_without_fully_connected_layers_is_the_flat_map():
    """The last pool comes before the top, and in the canonical mode only."""
    stages = (*STAGES[:3], Pool(2, 2))
    chain = _chain(stages)
    features = chain(tf.random.uniform([2, 9, 9, 3]), convolutional=False)
    assert features["conv2"].shape == [2, 2, 2, 12]
    assert chain.top_features == 12
    np.testing.assert_array_equal(features["top"], tf.reduce_max(features["conv2"], [1, 2]))
    flat = _chain(STAGES[:3])(tf.random.uniform([2, 9, 9, 3]), convolutional=False)
    np.testing.assert_array_equal(flat["top"], tf.reshape(flat["conv2"], [2, 48]))
    maps = chain(tf.random.uniform([2, 11, 14, 3]))
    np.testing.assert_array_equal(maps["top"], maps["conv2"])


@pytest.mark.parametrize("stages", [STAGES, STAGES[:3], (*STAGES[:3], Pool(2, 2))])
def test_rectification_makes_the_top_of_the_unrectified_one(stages):
    chain = _chain(stages)
    images = tf.random.uniform([3, 9, 9, 3])
    features = chain(images, convolutional=False)
    unrectified = features[UNRECTIFIED_TOP].numpy()
    assert unrectified.min() < 0
    np.testing.assert_array_equal(np.maximum(unrectified, 0), features["top"])
    assert UNRECTIFIED_TOP not in chain(images)
    assert list(features)[-1] == "top"


def test_nothing_is_dropped_of_the_unrectified_top():
    stages = (*STAGES[:3], dataclasses.replace(STAGES[3], dropout_rate=0.5))
    chain, images = _chain(stages, use_batch_norm=False), tf.random.uniform([3, 9, 9, 3])
    plain = chain(images, convolutional=False)
    dropped = chain(images, seeds=SEEDS, training=True, convolutional=False)
    np.testing.assert_array_equal(dropped[UNRECTIFIED_TOP], plain[UNRECTIFIED_TOP])
    assert np.any(dropped["top"] != plain["top"])


def test_last_convolution_may_be_wider():
    stages = (*STAGES[:3], Pool(2, 2))
    chain = _chain(stages, top_channels=6, width_multiplier=0.5)
    assert [chain.tap_channels[name] for name in ("conv1", "conv2")] == [4, 6]
    assert chain.top_features == 6
    assert chain(tf.random.uniform([2, 9, 9, 3]), convolutional=False)["top"].shape == [2, 6]


def test_flat_map_of_another_size_is_an_error():
    with pytest.raises(ValueError, match=r"chain: the top is a 4x2 map.*images must be 9x9"):
        _chain(STAGES[:3])(tf.zeros([3, 17, 9, 3]), convolutional=False)


def test_head_of_the_canonical_mode_reads_the_collapsed_top():
    taps = _chain(STAGES[:3]).canonical_taps()
    assert list(taps) == ["input", "conv1", "conv2", "top"]
    assert taps["top"] == Tap("top", stride=9, offset=4.0, channels=48)
    assert taps["conv2"] == _chain(STAGES[:3]).taps(9, 9)["conv2"]


def test_bias_padding_continues_what_the_layer_before_gives_without_input():
    stages = (STAGES[0], STAGES[1], STAGES[2], dataclasses.replace(STAGES[3], kernel=7))
    chain = _chain(stages, use_batch_norm=False, padding="bias")
    for layer in chain.convolutions.values():
        layer.bias.assign(tf.random.stateless_normal(layer.bias.shape, seed=[1, 2]))
    images = tf.random.uniform([2, 31, 26, 3])
    features = chain(images)
    conv1 = chain.convolutions["conv1"]
    expected = tf.nn.relu(conv1(features["input"]))
    np.testing.assert_allclose(features["conv1"], expected, rtol=1e-5, atol=1e-6)
    pooled = tf.nn.max_pool2d(expected, 3, 2, "SAME").numpy()
    for (name, below), size, pads in zip(
        itertools.pairwise(["fc3", "conv2", "conv1"]), (7, 3), (3, 1), strict=True
    ):
        layer, edge = chain.convolutions[name], np.maximum(chain.convolutions[below].bias, 0)
        source = features["conv2"].numpy() if name == "fc3" else pooled
        around = [(0, 0), (pads, pads), (pads, pads), (0, 0)]
        inside = np.pad(np.ones_like(source), around)
        padded = inside * np.pad(source, around) + (1 - inside) * edge
        assert layer.kernel_size == (size, size)
        found = tf.nn.relu(layer(padded.astype(np.float32), padding="VALID"))
        np.testing.assert_allclose(features[name], found, rtol=1e-4, atol=1e-5)


def test_its_variables_are_found_as_in_any_module():
    """Methods of a network may not hide those of `tf.Module`."""
    chain = _chain()
    assert set(chain.convolutions.values()) <= set(chain.submodules)


def test_gradient_flows_into_a_bias_through_the_padding():
    chain = _chain(STAGES[:3], use_batch_norm=False, padding="bias")
    bias = chain.convolutions["conv1"].bias
    bias.assign(tf.ones_like(bias))
    with tf.GradientTape() as tape:
        features = chain(
            tf.random.uniform([2, 11, 14, 3]),
            visitor=lambda name, map_: tf.stop_gradient(map_) if name == "conv1" else map_,
        )
        total = tf.reduce_sum(features["top"])
    assert np.all(np.abs(tape.gradient(total, bias)) > 0)


def test_zero_bias_or_no_padding_make_no_difference():
    images = tf.random.uniform([2, 9, 9, 3])
    zero, bias = (_chain(use_batch_norm=False, padding=kind) for kind in ("zero", "bias"))
    np.testing.assert_allclose(zero(images)["top"], bias(images)["top"], rtol=1e-5, atol=1e-6)


def test_bias_padding_with_batch_norm_is_a_usage_error():
    with pytest.raises(UsageError, match=r"--chain_padding=bias: .*--chain_use_batch_norm=false"):
        _chain(padding="bias")


def test_batch_of_one_keeps_its_axis_in_the_canonical_mode():
    assert _chain()(tf.zeros([1, 9, 9, 3]), convolutional=False)["top"].shape == [1, 16]


def test_other_size_in_the_canonical_mode_is_an_error():
    with pytest.raises(ValueError, match=r"fc3 gets a 3x2 map.*images must be 9x9"):
        _chain()(tf.zeros([3, 11, 9, 3]), convolutional=False)


def test_taps_of_equal_geometry_share_their_offset():
    stages = (*STAGES[:3], Conv("conv2b", 4, kernel=3), STAGES[3])
    chain, seen = _chain(stages), []

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
    def trace(size):
        taps = chain.taps(size, size)
        seen.append(taps["conv2"].offset[0] is taps["conv2b"].offset[0])
        return taps["fc3"].offset[0]

    # Offsets at 11: conv1 (3/2 pads 1) 0, pool (3/2 on 6 cells pads 0) 2, fc3 adds 4 / 2.
    assert float(trace(11)) == 4.0
    assert seen == [True]


def test_initializer_depends_on_batch_norm():
    """Glorot's uniform limit is sqrt(6 / (in + out)), He's deviation sqrt(2 / in)."""
    stages = (Conv("conv1", 400, kernel=3),)
    uniform = _chain(stages).convolutions["conv1"].kernel.numpy()
    limit = np.sqrt(6 / (27 + 3600))
    assert 0.99 * limit < np.abs(uniform).max() <= limit
    normal = _chain(stages, use_batch_norm=False).convolutions["conv1"].kernel.numpy()
    np.testing.assert_allclose(normal.std(), np.sqrt(2 / 27), rtol=0.03)


def test_statistics_variant_is_passed_on():
    chain = _chain(batch_norm_statistics="moving", synchronize_batch_norm=True)
    assert {(one.statistics, one.synchronize) for one in chain.batch_norms.values()} == {
        ("moving", True)
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width_multiplier": 0.0}, "--vgg16_width_multiplier=0.0: expected at least"),
        ({"dropout_rate": 1.0}, "--vgg16_dropout_rate=1.0: expected at most"),
        ({"tap_alignment": "corner"}, "expected one of centered, zero"),
        ({"padding": "edge"}, "--vgg16_padding=edge: expected one of zero, bias"),
        ({"batch_norm_statistics": "frozen"}, "expected one of batch, moving"),
    ],
)
def test_illegal_options_are_usage_errors(options, message):
    with pytest.raises(UsageError, match=message):
        check_options(FullyConnectedOptions(**options), prefix="vgg16_")


COLUMN_STAGES = (Conv("conv1", 8, kernel=3), Pool(2, 2), Conv("conv2", 24, kernel=3))


def test_columns_share_every_layer_and_see_the_whole_image():
    whole = _chain(COLUMN_STAGES)
    columns = [_chain(COLUMN_STAGES, column=f"{index}/3") for index in range(3)]
    assert [one.tap_channels for one in columns] == [
        {"input": 3, "conv1": width, "conv2": 8} for width in (3, 3, 2)
    ]
    shapes = [[layer.kernel.shape for layer in one.convolutions.values()] for one in columns]
    assert shapes[2] == [[3, 3, 3, 2], [3, 3, 2, 8]]
    assert columns[0].taps(9, 9)["conv2"].offset == whole.taps(9, 9)["conv2"].offset
    kernels = [one.convolutions["conv1"].kernel.numpy() for one in columns[:2]]
    assert np.all(kernels[0] != kernels[1])
    only = _chain(COLUMN_STAGES, column="0/1")
    for ours, theirs in zip(only.variables, whole.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_column_is_one_of_the_scaled_width():
    wide = _chain(COLUMN_STAGES, column="1/4", width_multiplier=1.5)
    assert wide.tap_channels == {"input": 3, "conv1": 3, "conv2": 9}


@pytest.mark.parametrize(
    ("stages", "column", "message"),
    [
        (STAGES, "0/2", "--chain_column=0/2: expected none, since some convolutions have groups"),
        (COLUMN_STAGES, "0/9", "--chain_column=0/9: conv1 has only 8 channels"),
        (COLUMN_STAGES, "3/3", "--chain_column=3/3: expected INDEX/COUNT"),
    ],
)
def test_columns_that_cannot_be_are_usage_errors(stages, column, message):
    with pytest.raises(UsageError, match=message):
        _chain(stages, column=column)


def test_behind_split_lab_each_half_of_a_map_sees_lightness_or_color_only():
    backbone = _chain(front_end="split_lab")
    assert backbone.tap_channels["input"] == 4
    color = tf.constant(np.random.default_rng(1).random([3, 9, 9, 3], np.float32))
    inputs = backbone.prepare(color)
    halves = [inputs * tf.constant(mask) for mask in ([1.0, 1, 0, 0], [0.0, 0, 1, 1])]
    maps, *others = (
        backbone.activations(one, SEEDS, False, True, lambda name, value: value)
        for one in (inputs, *halves)
    )
    for name in ("conv1", "conv2", "fc3"):
        width = backbone.tap_channels[name] // 2
        for column, other in enumerate(others):
            own = slice(column * width, (column + 1) * width)
            np.testing.assert_allclose(maps[name][..., own], other[name][..., own], atol=1e-6)
            rest = slice(width, None) if column == 0 else slice(width)
            assert np.abs(maps[name][..., rest] - other[name][..., rest]).max() > 1e-3


def test_split_lab_needs_color():
    options = ChainOptions(front_end="split_lab")
    with pytest.raises(UsageError, match="--chain_front_end=split_lab: expected a task on images"):
        Chain("chain", "input", STAGES, options, 1, 4)


def test_further_blocks_keep_the_front_end():
    images = tf.random.stateless_uniform([3, 9, 9, 3], [1, 2])
    backbone = _chain(front_end="sobel")
    widened = WidenedBackbone(backbone, 1, seed=3)
    plain = backbone(images, seeds=SEEDS)["conv2"]
    np.testing.assert_array_equal(widened(images, seeds=SEEDS)["conv2"], plain)
    shuffled = images[..., ::-1]
    np.testing.assert_allclose(widened(shuffled, seeds=SEEDS)["conv2"], plain, atol=1e-5)
