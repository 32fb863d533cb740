import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.columns import Column
from tfcolor.core.taps import Tap
from tfcolor.heads.classifier import ClassifierHead

TAPS = {"data": Tap("data", 1, 0.0, 1), "fc7": Tap("fc7", 32, 15.5, 5)}
SEEDS = tf.constant([[1, 2], [3, 4], [5, 6]], tf.int64)


def _head(**options):
    return ClassifierHead(TAPS, 4, **{"seed": 2, **options})


def _call(head, top, **options):
    return head({"top": tf.constant(top)}, {"seed": SEEDS}, TAPS, **options)["logits"]


def test_logits_are_a_linear_layer_on_the_top():
    head, top = _head(), np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    head.classes.bias.assign([1.0, 2.0, 3.0, 4.0])
    expected = top @ head.classes.kernel.numpy() + [1, 2, 3, 4]
    np.testing.assert_allclose(_call(head, top), expected, rtol=1e-5)


def test_a_map_is_averaged():
    head, top = _head(), np.random.default_rng(0).normal(size=(3, 2, 7, 5)).astype(np.float32)
    np.testing.assert_allclose(
        _call(head, top), _call(head, top.mean(axis=(1, 2))), rtol=1e-4, atol=1e-6
    )


def test_the_first_kernel_is_glorot_uniform_and_follows_the_seed():
    taps = {"top": Tap("top", 1, 0.0, 300)}
    kernel = ClassifierHead(taps, 100, seed=1).classes.kernel.numpy()
    limit = np.sqrt(6 / 400)
    assert limit * 0.99 < np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
    np.testing.assert_array_equal(kernel, ClassifierHead(taps, 100, seed=1).classes.kernel)
    assert np.any(kernel != ClassifierHead(taps, 100, seed=2).classes.kernel.numpy())


def test_dropout_follows_the_seeds_and_training():
    head, top = _head(dropout_rate=0.5), np.ones((3, 5), np.float32)
    plain, dropped = _call(head, top), _call(head, top, training=True)
    assert np.any(plain != dropped)
    np.testing.assert_array_equal(dropped, _call(head, top, training=True))
    np.testing.assert_array_equal(plain, _call(_head(), top, training=True))


def test_logits_are_float32_in_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        head = _head()
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    logits = _call(head, tf.ones([3, 5], tf.bfloat16), training=True)
    assert logits.dtype == tf.float32


def test_a_top_of_another_layer_is_an_error():
    with pytest.raises(ValueError, match=r"shape \(3, 6, 6, 2\); expected 5 features"):
        _call(_head(), np.zeros((3, 6, 6, 2), np.float32))


def test_one_class_is_an_error():
    with pytest.raises(ValueError, match="num_classes=1; expected at least 2"):
        ClassifierHead(TAPS, 1, seed=0)


MAP = {"conv4b": Tap("conv4b", 8, 3.5, 7), "top": Tap("top", 32, 15.5, 42)}


def test_a_segment_is_a_share_of_the_channels_in_all_cells():
    top = np.random.default_rng(0).normal(size=(3, 2, 3, 7)).astype(np.float32)
    for index, channels in enumerate([slice(0, 3), slice(3, 5), slice(5, 7)]):
        head = ClassifierHead(MAP, 4, segment=Column(index, 3), seed=2)
        share = top[..., channels].reshape(3, -1)
        assert head.classes.kernel.shape == [share.shape[1], 4]
        logits = _call(head, top.reshape(3, 42))
        np.testing.assert_allclose(
            logits, share @ head.classes.kernel.numpy(), rtol=1e-4, atol=1e-5
        )


def test_no_gradient_leaves_a_segment():
    head = ClassifierHead(MAP, 4, 0.5, segment=Column(1, 3), seed=2)
    top = tf.ones([3, 42])
    with tf.GradientTape() as tape:
        tape.watch(top)
        outputs = head({"top": top}, {"seed": SEEDS}, MAP, training=True)
    touched = np.any(tape.gradient(outputs, top).numpy().reshape(18, 7) != 0, axis=0)
    np.testing.assert_array_equal(np.flatnonzero(touched), [3, 4])


def test_a_segment_of_an_averaged_map_is_one_of_its_channels():
    head = ClassifierHead(TAPS, 4, segment=Column(1, 2), seed=2)
    top = np.random.default_rng(0).normal(size=(3, 2, 6, 5)).astype(np.float32)
    expected = top.mean(axis=(1, 2))[:, 3:] @ head.classes.kernel.numpy()
    np.testing.assert_allclose(_call(head, top), expected, rtol=1e-4, atol=1e-6)


def test_an_empty_segment_is_an_error():
    with pytest.raises(
        ValueError, match=r"index=7, count=8\) of 7 channels; expected at least one"
    ):
        ClassifierHead(MAP, 4, segment=Column(7, 8), seed=0)
