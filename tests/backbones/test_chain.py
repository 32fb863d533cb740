import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones.chain import ChainBackbone, ChainOptions, Conv, Pool
from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options

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


def test_dropout_follows_fully_connected_layers_only():
    features = _chain(dropout_rate=0.5)(
        tf.random.uniform([3, 11, 14, 3]), seeds=SEEDS, training=True
    )
    kept = _chain(dropout_rate=0.0)(
        tf.random.uniform([3, 11, 14, 3], seed=1), seeds=None, training=True
    )
    assert np.mean(features["fc3"] == 0) > 0.6 > np.mean(kept["fc3"] == 0)
    np.testing.assert_array_equal(features["top"], features["fc3"])


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
        ({"batch_norm_statistics": "frozen"}, "expected one of batch, moving"),
    ],
)
def test_illegal_options_are_usage_errors(options, message):
    with pytest.raises(UsageError, match=message):
        check_options(ChainOptions(**options), prefix="vgg16_")
