import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.core.features import FeatureExtractor


@pytest.mark.parametrize("name", BACKBONES)
def test_backbone_is_what_every_evaluation_asks_for(name):
    options = BACKBONES[name].Options(width_multiplier=0.0625)
    network: FeatureExtractor = BACKBONES[name](options, input_channels=1, seed=0)
    maps = network(tf.zeros([1, 48, 64, 1]), training=False)
    taps = network.taps(48, 64)
    assert network.canonical_size > 0
    assert taps.keys() <= maps.keys()
    assert {key: tap.channels for key, tap in taps.items()} == {
        key: maps[key].shape[-1] for key in taps
    }
