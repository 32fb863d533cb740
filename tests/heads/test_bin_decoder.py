import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.core.errors import UsageError
from tfcolor.heads.bin_decoder import MAP_SIDE, BinDecoderHead
from tfcolor.models.network import kernel_and_bias_variables

BINS = 5


def _backbone(name):
    kind = BACKBONES[name]
    return kind(kind.Options(width_multiplier=1 / 32), 3, seed=0)


def test_every_cell_of_the_map_depends_on_the_top():
    taps = _backbone("alexnet").canonical_taps()
    head = BinDecoderHead(taps, "speed", BINS, seed=0)
    top = tf.Variable(tf.random.stateless_normal([2, taps["fc7"].channels], [0, 1]))
    with tf.GradientTape() as tape:
        logits = head({"top": top}, {}, taps, training=True)["speed_logits"]
        loss = tf.reduce_sum(tf.square(logits))
    assert logits.shape == [2, MAP_SIDE, MAP_SIDE, BINS]
    assert logits.dtype == tf.float32
    assert np.all(np.std(logits, axis=0) > 0)
    kernels, _ = kernel_and_bias_variables(head)
    assert all(float(tf.norm(one)) > 0 for one in tape.gradient(loss, [top, *kernels]))


def test_the_map_has_the_published_size():
    # 27 cells of conv2, by a transposed kernel of 5 and stride 2: 57, one is cut off.
    taps = _backbone("alexnet").canonical_taps()
    head = BinDecoderHead(taps, "speed", BINS, seed=0)
    maps = tf.zeros([1, taps["fc7"].channels])
    sides = []
    for stage in head.stages:
        maps = stage(maps, "code")
        sides.append(maps.shape[1])
    assert sides[-2:] == [27, MAP_SIDE + 1]


def test_other_networks_have_no_such_decoder():
    with pytest.raises(UsageError, match="expected --backbone=alexnet"):
        BinDecoderHead(_backbone("vgg16").canonical_taps(), "speed", BINS, seed=0)
