import functools

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.backbones.resnet_v2 import ResNet101V2, ResNetV2Options
from tfcolor.core.errors import UsageError, UserError
from tfcolor.models.freezing import freeze_through
from tfcolor.models.kmeans import initialize_by_kmeans
from tfcolor.models.surgery import transfer_backbone

EPSILON = 1e-5
UNITS = (2, 3, 3)


def _narrow(**options):
    """A small network whose every number is random, also those that start as 0 or 1."""
    options = {"width_multiplier": 1 / 16, "block_units": UNITS, **options}
    network = ResNet101V2(ResNetV2Options(**options), 1, 5)
    random = np.random.default_rng(8)
    for variable in network.variables:
        if variable.dtype.is_floating:
            start = 1.0 if variable.name.startswith(("scale", "moving_variance")) else 0.0
            variable.assign(start + 0.1 * random.normal(size=variable.shape))
    return network


def _images(size, batch=2):
    return np.random.default_rng(2).uniform(size=(batch, *size, 1)).astype(np.float32)


@functools.lru_cache(maxsize=2)
def _full(name):
    """Counts of a network at full width, of which only the shapes are made."""
    with tf.Graph().as_default():
        return BACKBONES[name](ResNetV2Options(), 3, 0)


def test_parameter_counts_are_those_of_the_specification():
    network = _full("resnet101_v2")  # Golden 19 of spec/pretext.md, and the counts of 1.1.
    assert sum(int(np.prod(one.shape)) for one in network.trainable_variables) == 27_558_016
    assert len(network.convolutions) == 94
    assert sum(not name.endswith("shortcut") for name in network.convolutions) == 91
    assert network.tap_channels == {
        "conv1": 64,
        "block1_unit3": 256,
        "block2_unit4": 512,
        "block3_unit23": 1024,
    }


def test_the_shallower_network_lacks_seventeen_units_of_block_three():
    counts = []
    for name in ("resnet101_v2", "resnet50_v2"):
        network = _full(name)
        counts.append(sum(int(np.prod(one.shape)) for one in network.trainable_variables))
    # Batch norm before, 1x1, batch norm, 3x3, batch norm, 1x1 and its bias.
    unit = 2 * 1024 + 1024 * 256 + 2 * 256 + 9 * 256 * 256 + 2 * 256 + 256 * 1024 + 1024
    assert counts[0] - counts[1] == 17 * unit


@pytest.mark.parametrize(
    ("size", "cells"), [((96, 96), (12, 12)), ((256, 256), (32, 32)), ((240, 320), (30, 40))]
)
def test_stride_8_gives_the_published_sizes(size, cells):
    network = _narrow(width_multiplier=1 / 64, block_units=(1, 1, 2), output_stride=8)
    features = network(_images(size, 1))
    assert features["top"].shape[1:3] == cells  # Golden 19.
    assert {tap.stride for tap in network.taps(*size).values()} == {2, 8}


@pytest.mark.parametrize("size", [(33, 47), (64, 48), (96, 96), (7, 70)])
def test_atrous_network_equals_the_strided_one_at_every_second_position(size):
    strided, atrous = (_narrow(output_stride=stride, tapped_units=("all",)) for stride in (16, 8))
    images = _images(size)
    coarse, fine = strided(images), atrous(images)
    for name in ("block2_unit3", "block3_unit1", "block3_unit2", "block3_unit3", "top"):
        np.testing.assert_allclose(
            fine[name][:, ::2, ::2], coarse[name], rtol=1e-5, atol=1e-6, err_msg=name
        )
        assert fine[name].shape[1] == -(-size[0] // 8)
    for name in ("conv1", "block1_unit2"):
        np.testing.assert_array_equal(fine[name], coarse[name])
    centers = [network.taps(*size)["block3_unit3"].centers(0, 3) for network in (strided, atrous)]
    assert float(centers[0][0]) == float(centers[1][0])
    assert float(centers[0][1]) == float(centers[1][2])


class _Reference:
    """The network in float64 NumPy, from the tables of the paper and of TF-Slim."""

    def __init__(self, network):
        self.network = network

    def convolve(self, name, inputs, stride=1, dilation=1):
        layer = self.network.convolutions[name]
        kernel = layer.kernel.numpy().astype(np.float64)
        reach = dilation * (kernel.shape[0] // 2)
        padded = np.pad(inputs, [(0, 0), (reach, reach), (reach, reach), (0, 0)])
        height, width = inputs.shape[1:3]
        total = layer.bias.numpy() if layer.use_bias else 0.0
        for row in range(kernel.shape[0]):
            for column in range(kernel.shape[1]):
                rows = slice(row * dilation, row * dilation + height, stride)
                columns = slice(column * dilation, column * dilation + width, stride)
                total = total + padded[:, rows, columns] @ kernel[row, column]
        return total

    def activate(self, name, inputs):
        norm = self.network.batch_norms[name]
        deviation = np.sqrt(norm.moving_variance.numpy().astype(np.float64) + EPSILON)
        values = (inputs - norm.moving_mean.numpy()) / deviation
        return np.maximum(values * norm.scale.numpy() + norm.bias.numpy(), 0)

    def unit(self, name, inputs, stride, dilation):
        first = self.activate(f"{name}_conv1_before", inputs)
        second = self.activate(f"{name}_conv1", self.convolve(f"{name}_conv1", first))
        second = self.convolve(f"{name}_conv2", second, stride, dilation)
        branch = self.convolve(f"{name}_conv3", self.activate(f"{name}_conv2", second))
        shortcut = inputs
        if name.endswith("unit1"):
            shortcut = self.convolve(f"{name}_shortcut", first)
        return branch + shortcut[:, ::stride, ::stride]

    def features(self, images):
        current = self.convolve("conv1", images.astype(np.float64) - 114.451 / 255, stride=2)
        features = {"conv1": current}
        height, width = current.shape[1:3]
        # SAME at odd sizes puts a cell on each side, at even ones only at the end.
        around = [(side % 2, 1) for side in (height, width)]
        padded = np.pad(current, [(0, 0), *around, (0, 0)], constant_values=-np.inf)
        rows, columns = ((side + 1) // 2 for side in (height, width))
        windows = [
            padded[:, row : row + 2 * rows - 1 : 2, column : column + 2 * columns - 1 : 2]
            for row in range(3)
            for column in range(3)
        ]
        current, dilation = np.max(windows, axis=0), 1
        is_atrous = self.network.options.output_stride == 8
        for block, count in enumerate(UNITS, 1):
            for index in range(1, count + 1):
                ends = index == count and block < 3
                stride = 2 if ends and not (is_atrous and block == 2) else 1
                name = f"block{block}_unit{index}"
                current = features[name] = self.unit(name, current, stride, dilation)
            dilation = 2 if is_atrous and block == 2 else 1
        return features


@pytest.mark.parametrize("output_stride", [8, 16])
def test_every_unit_agrees_with_numpy(output_stride):
    network = _narrow(output_stride=output_stride, tapped_units=("all",))
    images = _images((37, 50))
    features, expected = network(images), _Reference(network).features(images)
    for name in network.tap_channels:
        np.testing.assert_allclose(
            features[name], expected[name], rtol=1e-3, atol=1e-4, err_msg=name
        )
    np.testing.assert_array_equal(features["top"], features["block3_unit3"])


@pytest.mark.parametrize("size", [(63, 64), (65, 97), (101, 35), (7, 1), (225, 110)])
def test_cells_lie_where_every_layer_puts_them(size):
    """The reference follows the pixel under each cell through the layers."""
    network = _narrow(width_multiplier=1 / 64, block_units=(1, 1, 1))
    features, taps = network(_images(size)), network.taps(*size)
    for axis, side in enumerate(size):
        centers = {"conv1": np.arange(0, side, 2)}
        cells = len(centers["conv1"])
        pooled = -(-cells // 2)
        before = max((pooled - 1) * 2 + 3 - cells, 0) // 2
        pool = 2 * (2 * np.arange(pooled) - before + 1)
        centers["block1_unit1"] = pool[::2]
        centers["block2_unit1"] = centers["block3_unit1"] = pool[::4]
        for name, expected in centers.items():
            found = taps[name].centers(axis, features[name].shape[1 + axis])
            np.testing.assert_array_equal(found, expected, err_msg=name)


def test_canonical_mode_averages_the_last_map():
    network = _narrow(block_units=(1, 1, 1))
    images = _images((224, 224), 1)
    features = network(images, convolutional=False)
    np.testing.assert_allclose(
        features["top"], tf.reduce_mean(network(images)["top"], [1, 2]), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("tapped_units", "names"),
    [
        ((), ["block1_unit2", "block2_unit3", "block3_unit3"]),
        (("block2_unit1",), ["block1_unit2", "block2_unit1", "block2_unit3", "block3_unit3"]),
        (
            ("all",),
            ["block1_unit2", "block2_unit3", "block3_unit1", "block3_unit2", "block3_unit3"],
        ),
    ],
)
def test_chosen_units_are_tapped_in_their_order(tapped_units, names):
    network = _narrow(tapped_units=tapped_units)
    assert list(network.tap_channels) == ["conv1", *names]
    assert list(network(_images((33, 40)))) == ["conv1", *names, "top"]


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("center", [False, True])
def test_batch_norms_have_the_chosen_parameters(scale, center):
    network = _narrow(batch_norm_scale=scale, batch_norm_center=center, batch_norm_ramp=True)
    num_units = sum(UNITS)
    assert len(network.batch_norms) == 3 * num_units
    assert sum(layer.use_bias for layer in network.convolutions.values()) == 1 + num_units + 3
    num_biased = 1 + num_units + 3
    expected = len(network.convolutions) + num_biased + (scale + center) * 3 * num_units
    assert len(network.trainable_variables) == expected
    assert all(norm.use_ramp for norm in network.batch_norms.values())


def test_a_frozen_tap_freezes_the_batch_norms_before_its_convolutions_too():
    network = _narrow(tapped_units=("block2_unit1",))
    freeze_through(network, "block2_unit1")
    trained = {name for name, norm in network.batch_norms.items() if norm.trainable}
    assert trained == {
        f"block{block}_unit{index}_{norm}"
        for block, index in ((2, 2), (2, 3), (3, 1), (3, 2), (3, 3))
        for norm in ("conv1_before", "conv1", "conv2")
    }
    frozen = [name for name, layer in network.convolutions.items() if not layer.trainable]
    assert frozen[-1] == "block2_unit1_conv3"
    assert len(frozen) == 1 + 2 * 3 + 3 + 2


def test_a_copy_does_the_same_and_batch_norm_cannot_be_left_out():
    source, images = _narrow(), _images((33, 40))
    target = ResNet101V2(source.options, 1, 6)
    transfer_backbone(source, target)
    np.testing.assert_array_equal(target(images)["top"], source(images)["top"])
    with pytest.raises(ValueError, match="batch norm before its convolutions"):
        transfer_backbone(source, _narrow(use_batch_norm=False))


def test_kmeans_refuses_batch_norm_that_it_would_leave_as_it_is():
    with pytest.raises(UserError, match="resnet101_v2 normalizes before its convolutions"):
        initialize_by_kmeans(_narrow(), tf.zeros([1, 33, 40, 1]), seed=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tapped_units": ("block3_unit4",)}, "unknown unit 'block3_unit4'; known: block1_unit1,"),
        ({"block_units": (1, 2)}, "--resnet101_v2_block_units=1,2: expected 3 numbers"),
    ],
)
def test_impossible_options_are_usage_errors(options, message):
    with pytest.raises(UsageError, match=message):
        _narrow(**options)
