import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones.alexnet import AlexNet, AlexNetOptions
from tfcolor.core.errors import UsageError

COUNTS = (34944, 307456, 885120, 663936, 442624, 37752832, 16781312)


def _small(**options):
    return AlexNet(AlexNetOptions(width_multiplier=1 / 32, **options), 1, 3)


@pytest.mark.parametrize(("input_channels", "total"), [(3, 56_868_224), (1, 56_844_992)])
def test_parameter_counts(input_channels, total):
    with tf.Graph().as_default():  # declares the variables without allocating them
        network = AlexNet(AlexNetOptions(), input_channels, 0)
        counts = [layer.count_params() for layer in network.convolutions.values()]
    assert sum(counts) == total
    if input_channels == 3:
        assert tuple(counts) == COUNTS


def test_taps_are_those_of_the_published_network():
    with tf.Graph().as_default():
        taps = AlexNet(AlexNetOptions(), 3, 0).taps(227, 227)
    strides = [1, 4, 8, 16, 16, 16, 32, 32]
    names = ["x", "conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]
    assert [(tap.name, tap.stride) for tap in taps.values()] == list(
        zip(names, strides, strict=True)
    )
    assert sum(tap.channels for tap in taps.values()) == 9571
    assert [tap.offset[0] for tap in taps.values()] == [0, 1, 1, 1, 1, 1, 17, 17]


def test_map_sizes_at_the_canonical_size():
    images = tf.zeros([1, 227, 227, 1])
    canonical = _small()(images, convolutional=False)
    full = _small()(images)
    assert [canonical[f"conv{i}"].shape[1] for i in range(1, 6)] == [55, 27, 13, 13, 13]
    assert [full[f"conv{i}"].shape[1] for i in range(1, 6)] == [57, 29, 15, 15, 15]
    assert full["fc6"].shape[1:3] == full["fc7"].shape[1:3] == [8, 8]


def test_small_patches_end_at_pool5():
    network = _small()
    features = network(tf.random.uniform([2, 75, 75, 1]), convolutional=False)
    assert features["top"].shape == [2, 1, 1, 8]
    pooled = tf.nn.max_pool2d(features["conv5"], 3, 2, "VALID")
    np.testing.assert_array_equal(features["top"], pooled)
    assert "fc6" not in features
    assert "fc6" in network.convolutions


def test_lrn_changes_the_second_layer_only():
    images = 5 * tf.random.uniform([1, 64, 50, 1])
    plain, normalized = (
        _small(use_lrn=flag, use_batch_norm=False)(images) for flag in (False, True)
    )
    np.testing.assert_array_equal(plain["conv1"], normalized["conv1"])
    assert np.abs(plain["conv2"] - normalized["conv2"]).max() > 0


def test_lrn_does_not_reach_across_what_is_kept_apart():
    with pytest.raises(UsageError, match="--alexnet_use_lrn with --alexnet_front_end=split_lab"):
        _small(use_lrn=True, front_end="split_lab")
