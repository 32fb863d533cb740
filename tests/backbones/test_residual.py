import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.backbones.residual import EXPANSION, ResidualBackbone

SMALL = {
    "resnet50": {"stage_blocks": (1, 2, 1, 1)},
    "resnet50_v2": {"block_units": (1, 2, 1)},
}


@pytest.fixture(params=SMALL)
def backbone(request):
    class_ = BACKBONES[request.param]
    assert issubclass(class_, ResidualBackbone)
    options = class_.Options(width_multiplier=1 / 16, **SMALL[request.param])
    return class_(options, 3, seed=0)


@pytest.mark.parametrize("size", [(64, 64), (45, 71)])
def test_maps_have_the_size_and_channels_of_their_taps(backbone, size):
    found = backbone(tf.zeros([1, *size, 3]))
    taps = backbone.taps(*size)
    assert [*taps] == [*backbone.tap_channels] == [name for name in found if name != "top"]
    for name, tap in taps.items():
        _, height, width, channels = found[name].shape
        assert (height, width) == tuple(-(-side // tap.stride) for side in size)
        assert channels == tap.channels == backbone.tap_channels[name]


def test_a_visitor_changes_what_the_next_unit_reads(backbone):
    images = tf.random.stateless_uniform([1, 40, 40, 3], [1, 2])
    seen = []

    def silence_first(name, current):
        seen.append(name)
        return tf.zeros_like(current) if name == "conv1" else current

    found = backbone(images, visitor=silence_first)
    assert seen == [*backbone.tap_channels]
    assert not np.any(found["conv1"])
    assert np.abs(found["top"] - backbone(images)["top"]).max() > 0


def test_units_end_with_four_times_their_width_and_the_top_is_a_mean(backbone):
    assert all(unit.channels == EXPANSION * unit.width for unit in backbone.units)
    images = tf.random.stateless_uniform([2, 224, 224, 3], [3, 4])
    collapsed = backbone(images, convolutional=False)["top"]
    whole = backbone(images)["top"]
    np.testing.assert_allclose(collapsed, tf.reduce_mean(whole, [1, 2]), rtol=1e-5, atol=1e-6)
