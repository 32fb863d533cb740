import numpy as np
import tensorflow as tf

from tfcolor.core.features import UNRECTIFIED_TOP
from tfcolor.heads.top import TopHead


def test_gives_the_top_before_its_relu_without_a_layer():
    head = TopHead()
    features = {UNRECTIFIED_TOP: tf.constant([[-1.5, 2.0]], tf.bfloat16), "top": tf.zeros([1, 2])}
    signals = head(features, {}, {}, training=True)["signals"]
    assert signals.dtype == tf.float32
    np.testing.assert_array_equal(signals, [[-1.5, 2.0]])
    assert not head.variables


def test_gives_the_top_where_no_relu_comes_last():
    top = tf.constant([[0.5, 2.0]])
    np.testing.assert_array_equal(TopHead()({"top": top}, {}, {})["signals"], top)
