import functools

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.backbones.resnet import ResNet152, ResNetOptions
from tfcolor.core.errors import UsageError

# Section 3.3 of spec/ch34_selfsup.md.
STRIDES = {"conv1": 2}
STRIDES |= {f"res2{block}": 4 for block in "abc"}
STRIDES |= {f"res3b{block}": 8 for block in (1, 4, 7)}
STRIDES |= {f"res4b{block}": 16 for block in (5, 10, 15, 20, 25, 30, 35)}
STRIDES |= {"res5c": 32}


@functools.lru_cache(maxsize=1)
def _full(name, input_channels=3):
    return BACKBONES[name](ResNetOptions(batch_norm_scale=True), input_channels, 0)


def _narrow(**options):
    options = {"width_multiplier": 1 / 32, "stage_blocks": (1, 2, 1, 1), **options}
    return ResNet152(ResNetOptions(**options), 1, 5)


def _images(size):
    return np.random.default_rng(2).uniform(size=(2, *size, 1)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "input_channels", "total", "num_norms"),
    [
        # The counts that torchvision states, less its classifiers' 2,049,000.
        ("resnet50", 3, 25_557_032 - 2_049_000, 26_560),
        ("resnet101", 3, 44_549_160 - 2_049_000, 52_672),
        ("resnet152", 1, 58_143_808 - 6_272, 75_712),
        ("resnet152", 3, 57_992_384 + 2 * 75_712, 75_712),
    ],
)
def test_parameter_counts(name, input_channels, total, num_norms):
    network = _full(name, input_channels)
    weights = sum(layer.count_params() for layer in network.convolutions.values())
    assert weights == total - 2 * num_norms
    assert sum(int(np.prod(one.shape)) for one in network.trainable_variables) == total


@pytest.mark.parametrize("size", [224, 448])
def test_taps_are_those_of_the_dissertation(size):
    taps = _full("resnet152").taps(size, size)
    assert {name: tap.stride for name, tap in taps.items()} == STRIDES
    assert list(taps) == list(STRIDES)
    assert sum(tap.channels for tap in taps.values()) == 11_584
    offsets = {name: 0.0 if name == "conv1" else 2.0 for name in STRIDES}
    assert {name: tap.offset for name, tap in taps.items()} == {
        name: (offset, offset) for name, offset in offsets.items()
    }


@pytest.mark.parametrize(
    ("name", "last_blocks"),
    [
        ("resnet50", ["res2c", "res3d", "res4f", "res5c"]),
        ("resnet101", ["res2c", "res3b3", "res4b22", "res5c"]),
        ("resnet152", ["res2c", "res3b7", "res4b35", "res5c"]),
    ],
)
def test_blocks_are_called_as_in_their_files(name, last_blocks):
    network = BACKBONES[name](ResNetOptions(width_multiplier=1 / 32), 1, 5)
    layers = list(network.convolutions)
    assert layers[:3] == ["conv1", "res2a_branch1", "res2a_branch2a"]
    outputs = [layer for layer in layers if layer.endswith("branch2c")]
    ends = [
        one
        for one, after in zip(outputs, [*outputs[1:], "end"], strict=True)
        if one[3] != after[3:4]
    ]
    assert ends == [f"{block}_branch2c" for block in last_blocks]
    depth = 1 + sum(not layer.endswith("branch1") for layer in layers)  # 1 for the classifier
    assert depth == int(name.removeprefix("resnet"))


@pytest.mark.parametrize("size", [(63, 64), (65, 97), (101, 35), (7, 1), (225, 110)])
def test_cells_lie_where_every_layer_puts_them(size):
    """The reference follows the pixel under each cell through the layers."""
    network = _narrow(tapped_blocks=("res2a", "res3a", "res4a", "res5a"))
    features, taps = network(_images(size)), network.taps(*size)
    for axis, side in enumerate(size):
        centers = {"conv1": np.arange(0, side, 2)}
        cells = len(centers["conv1"])
        pooled = -(-cells // 2)
        before = max((pooled - 1) * 2 + 3 - cells, 0) // 2
        centers["res2a"] = 2 * (2 * np.arange(pooled) - before + 1)
        for name, below in (("res3a", "res2a"), ("res4a", "res3a"), ("res5a", "res4a")):
            centers[name] = centers[below][::2]
        for name, expected in centers.items():
            found = taps[name].centers(axis, features[name].shape[1 + axis])
            np.testing.assert_array_equal(found, expected, err_msg=name)


@pytest.mark.parametrize("size", [(32, 48), (33, 47)])
def test_first_kernel_lies_on_every_second_pixel(size):
    # Golden 19 of spec/ch34_selfsup.md.
    network, images = _narrow(use_batch_norm=False), _images(size)
    kernel, inputs = network.convolutions["conv1"].kernel, images - np.float32(114.451 / 255)
    every = tf.nn.relu(tf.nn.conv2d(inputs, kernel, 1, "SAME"))[:, ::2, ::2]
    found = network(images)["conv1"]
    np.testing.assert_allclose(found, every, atol=1e-5)
    same = tf.nn.relu(tf.nn.conv2d(inputs, kernel, 2, "SAME"))
    assert (np.abs(found - same).max() > 1e-2) == (size[0] % 2 == 0)


def test_canonical_mode_averages_the_last_map():
    network = _narrow()
    images = _images((224, 224))
    features = network(images, convolutional=False)
    assert features["res5a"].shape == [2, 7, 7, 64]
    expected = tf.nn.avg_pool2d(features["res5a"], 7, 1, "VALID")[:, 0, 0]
    np.testing.assert_allclose(features["top"], expected, rtol=1e-4)
    np.testing.assert_array_equal(network(images)["top"], features["res5a"])


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("center", [False, True])
def test_batch_norms_have_the_chosen_parameters(scale, center):
    network = _narrow(batch_norm_scale=scale, batch_norm_center=center)
    per_layer = 1 + scale + center
    assert len(network.trainable_variables) == per_layer * len(network.convolutions)
    assert network.batch_norms.keys() == network.convolutions.keys()
    assert not any(layer.use_bias for layer in network.convolutions.values())


def test_batch_norms_shift_with_constant_decay_by_default():
    norm = _narrow(synchronize_batch_norm=True).batch_norms["conv1"]
    assert (norm.use_scale, norm.use_center, norm.use_ramp) == (False, True, False)
    assert norm.synchronize
    norm = _narrow(batch_norm_ramp=True, batch_norm_statistics="moving").batch_norms["conv1"]
    assert norm.use_ramp
    assert norm.statistics == "moving"


def test_only_the_chosen_blocks_are_tapped_in_their_order():
    network = _narrow(tapped_blocks=("res3b1", "res2a"))
    names = ["conv1", "res2a", "res3b1", "res5a"]
    assert list(network.tap_channels) == names
    assert list(network(_images((33, 40)))) == [*names, "top"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tapped_blocks": ("res3b2",)}, "unknown block 'res3b2'; known: res2a, res3a, res3b1"),
        ({"stage_blocks": (1, 2)}, "--resnet152_stage_blocks=1,2: expected 4 numbers"),
    ],
)
def test_impossible_options_are_usage_errors(options, message):
    with pytest.raises(UsageError, match=message):
        _narrow(**options)
