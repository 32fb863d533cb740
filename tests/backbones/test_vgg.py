import pytest
import tensorflow as tf

from tfcolor.backbones.vgg import Vgg16, Vgg16Options


@pytest.mark.parametrize(("input_channels", "total"), [(3, 134_260_544), (1, 134_259_392)])
def test_parameter_counts(input_channels, total):
    with tf.Graph().as_default():  # declares the variables without allocating them
        network = Vgg16(Vgg16Options(), input_channels, 0)
        counts = [layer.count_params() for layer in network.convolutions.values()]
    assert sum(counts) == total


def test_taps_are_those_of_the_published_colorizer():
    with tf.Graph().as_default():
        taps = Vgg16(Vgg16Options(), 1, 0).taps(224, 448)
    strides = [1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32]
    assert [tap.stride for tap in taps.values()] == strides
    assert [tap.offset for tap in taps.values()] == [((s - 1) / 2,) * 2 for s in strides]
    assert sum(tap.channels for tap in taps.values()) == 12_417
    assert list(taps)[:2] == ["data", "conv1_1"]
    assert list(taps)[-3:] == ["conv5_3", "fc6", "fc7"]


def test_full_width_starts_with_the_published_kernels():
    with tf.Graph().as_default():
        network = Vgg16(Vgg16Options(), 3, 0)
    shapes = {name: tuple(layer.kernel.shape) for name, layer in network.convolutions.items()}
    assert shapes["conv1_1"] == (3, 3, 3, 64)
    assert shapes["conv5_3"] == (3, 3, 512, 512)
    assert shapes["fc6"] == (7, 7, 512, 4096)
    assert shapes["fc7"] == (1, 1, 4096, 4096)


def test_other_size_in_the_canonical_mode_is_an_error():
    network = Vgg16(Vgg16Options(width_multiplier=1 / 32), 1, 3)
    with pytest.raises(ValueError, match=r"fc6 gets a 4x7 map.*images must be 224x224"):
        network(tf.zeros([1, 128, 224, 1]), convolutional=False)
