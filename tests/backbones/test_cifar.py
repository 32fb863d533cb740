import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES

DEEP = ["conv1", "conv1b", "conv2", "conv2b", "conv3", "conv3b", "conv4", "conv4b"]
SHALLOW = ["conv1", "conv2", "conv3", "conv4", "conv4b"]
SEEDS = tf.constant([[1, 2], [3, 4]], tf.int64)
# Parameters of table 4.1, section 3.4 of the specification.
PUBLISHED = [("cifar_deep", 1_480_512), ("cifar_shallow", 71_152)]


def _build(name, **options):
    return BACKBONES[name](BACKBONES[name].Options(**options), 3, 5)


@pytest.mark.parametrize(("name", "total"), PUBLISHED)
def test_parameter_counts(name, total):
    with tf.Graph().as_default():
        variables = _build(name).trainable_variables
    assert sum(variable.shape.num_elements() for variable in variables) == total


@pytest.mark.parametrize(
    ("name", "convolutions", "strides", "channels"),
    [
        ("cifar_deep", DEEP, [1, 1, 2, 2, 4, 4, 8, 8], [64, 64, 128, 128, 192, 192, 192, 192]),
        ("cifar_shallow", SHALLOW, [1, 2, 4, 8, 8], [8, 16, 32, 32, 192]),
    ],
)
def test_taps_are_the_input_and_every_convolution(name, convolutions, strides, channels):
    with tf.Graph().as_default():
        taps = _build(name).taps(32, 64)
    assert list(taps) == ["x", *convolutions]
    assert [tap.stride for tap in taps.values()] == [1, *strides]
    assert [tap.channels for tap in taps.values()] == [3, *channels]
    assert [tap.offset for tap in taps.values()] == [((s - 1) / 2,) * 2 for s in [1, *strides]]


def test_dropout_rates_are_those_of_the_table():
    with tf.Graph().as_default():
        rates = [
            {name: layer.rate for name, layer in _build(kind).dropouts.items()}
            for kind, _ in PUBLISHED
        ]
    assert rates[0] == dict(zip(DEEP[2:], [0.1, 0.1, 0.2, 0.2, 0.3, 0.3], strict=True))
    assert rates[1] == dict(zip(SHALLOW[1:], [0.1, 0.2, 0.3, 0.3], strict=True))


def test_dropout_may_be_left_out():
    with tf.Graph().as_default():
        assert not any(_build(name, use_dropout=False).dropouts for name, _ in PUBLISHED)


@pytest.mark.parametrize("name", [name for name, _ in PUBLISHED])
@pytest.mark.parametrize(("final_pool", "features"), [(False, 3072), (True, 768)])
def test_top_is_the_flat_map_before_or_after_the_last_pool(name, final_pool, features):
    backbone = _build(name, final_pool=final_pool)
    maps = backbone(tf.random.uniform([2, 32, 32, 3]), convolutional=False)
    last = maps["conv4b"].numpy()
    assert last.shape == (2, 4, 4, 192)
    if final_pool:
        last = last.reshape(2, 2, 2, 2, 2, 192).max(axis=(2, 4))
    np.testing.assert_array_equal(maps["top"], last.reshape(2, features))
    assert backbone.top_features == backbone.canonical_taps()["top"].channels == features
    wide = backbone(tf.zeros([1, 35, 50, 3]))
    assert wide["top"].shape == wide["conv4b"].shape == [1, 5, 7, 192]


def test_layers_are_rectified_without_batch_norm_by_default():
    backbone = _build("cifar_shallow")
    images = tf.random.uniform([2, 32, 32, 3])
    assert not backbone.batch_norms
    current = images - 114.451 / 255
    maps = backbone(images, seeds=SEEDS)
    for name, layer in backbone.convolutions.items():
        current = tf.nn.relu(tf.nn.conv2d(current, layer.kernel, 1, "SAME"))
        np.testing.assert_allclose(maps[name], current, rtol=1e-4, atol=1e-5)
        if name != "conv4":
            current = tf.nn.max_pool2d(current, 2, 2, "SAME")


def test_batch_norm_is_an_option():
    backbone = _build("cifar_shallow", use_batch_norm=True)
    assert list(backbone.batch_norms) == SHALLOW
    maps = backbone(tf.random.uniform([2, 32, 32, 3]), seeds=SEEDS, training=True)
    # A rectified standard normal variable has half of its second moment.
    assert float(tf.reduce_mean(maps["conv1"] ** 2)) == pytest.approx(0.5, abs=0.15)
