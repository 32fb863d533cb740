import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.heads.histogram import HistogramHead

TAPS = {"data": Tap("data", 1, 0.0, 1), "conv2": Tap("conv2", 8, 3.5, 5)}
OUTPUTS = {"hue": 6, "chroma": 4}
SIZE = (21, 14)
SEEDS = tf.constant([[1, 2], [3, 4]], tf.int64)


def _head(**options):
    head = HistogramHead(TAPS, OUTPUTS, hidden_units=9, seed=2, **options)
    head.hidden.kernel.assign(tf.random.normal(head.hidden.kernel.shape))
    head.hidden.bias.assign(tf.random.normal([9]))
    return head


def _features():
    return {"data": tf.random.normal([2, *SIZE, 1]), "conv2": tf.random.normal([2, 3, 2, 5])}


def _centers(grid, size):
    rows, columns = np.meshgrid(grid.centers(0, size[0]), grid.centers(1, size[1]), indexing="ij")
    return tf.constant(np.tile(np.stack([rows, columns], -1).reshape(1, -1, 2), [2, 1, 1]))


def test_logits_are_two_linear_layers_on_the_column():
    head, features = _head(), _features()
    locations = tf.random.uniform([2, 7, 2], 0, 14)
    outputs = head(features, {"locations": locations}, TAPS)
    hidden = np.maximum(head.hidden.sparse(features, locations, TAPS), 0)
    assert list(outputs) == ["hue_logits", "chroma_logits"]
    for name, num_bins in OUTPUTS.items():
        layer = head.histograms[name]
        assert outputs[f"{name}_logits"].shape == [2, 7, num_bins]
        np.testing.assert_allclose(
            outputs[f"{name}_logits"],
            hidden @ layer.kernel.numpy() + layer.bias.numpy(),
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize(("alignment", "offset"), [("centered", 1.5), ("zero", 0.0)])
def test_dense_equals_sparse_at_the_grid(alignment, offset):
    head, features = _head(), _features()
    dense, grid = head.dense(features, TAPS, SIZE, alignment=alignment)
    assert (grid.stride, grid.offset) == (4, (offset, offset))
    sparse = head(features, {"locations": _centers(grid, (6, 4))}, TAPS)
    for name, num_bins in OUTPUTS.items():
        one = dense[f"{name}_logits"]
        assert one.shape == [2, 6, 4, num_bins]
        np.testing.assert_allclose(
            tf.reshape(one, [2, 24, num_bins]), sparse[f"{name}_logits"], rtol=1e-4, atol=1e-5
        )


def test_dense_takes_tensor_sizes():
    head, features = _head(), _features()
    traced = tf.function(
        lambda size: head.dense(features, TAPS, (size[0], size[1]), grid_stride=3)[0]
    )
    expected, _ = head.dense(features, TAPS, SIZE, grid_stride=3)
    outputs = traced(tf.constant(SIZE))
    np.testing.assert_allclose(outputs["hue_logits"], expected["hue_logits"], rtol=1e-5, atol=1e-6)


def test_dropout_follows_the_seeds():
    head, features = _head(), _features()
    inputs = {"locations": tf.random.uniform([2, 7, 2], 0, 14), "seed": SEEDS}
    first = head(features, inputs, TAPS, training=True)["hue_logits"]
    again = head(features, inputs, TAPS, training=True)["hue_logits"]
    other = head(features, {**inputs, "seed": SEEDS + 1}, TAPS, training=True)["hue_logits"]
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0


def test_initial_weights_depend_on_the_seed_only():
    first, again, other = (HistogramHead(TAPS, OUTPUTS, 9, seed=seed) for seed in (2, 2, 3))
    for one, two in zip(first.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one, two)
    assert np.abs(first.hidden.kernel - other.hidden.kernel).max() > 0


def test_logits_are_float32_in_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        head = _head()
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    features = {name: tf.cast(one, tf.bfloat16) for name, one in _features().items()}
    # bfloat16 would round these coordinates to whole pixels.
    outputs = head(features, {"locations": tf.fill([2, 3, 2], 129.25)}, TAPS)
    dense, _ = head.dense(features, TAPS, SIZE)
    assert {one.dtype for one in (*outputs.values(), *dense.values())} == {tf.float32}


def test_unknown_alignment_is_an_error():
    with pytest.raises(ValueError, match="alignment='corner'; expected one of centered, zero"):
        _head().dense(_features(), TAPS, SIZE, alignment="corner")


def test_published_head_of_convolutions_has_its_size():
    with tf.Graph().as_default():
        tap = Tap("block3_unit23", 8, 2.0, 1024)
        head = HistogramHead({"top": tap}, {"ab": 313}, 4096, convolves=True, seed=0)
        sizes = [int(np.prod(one.shape)) for one in head.trainable_variables]
    assert sum(sizes) == 34_844_985  # Golden 19 of spec/pretext.md.


def test_head_of_convolutions_is_the_same_dense_and_sparse():
    head, features = HistogramHead(TAPS, OUTPUTS, 9, convolves=True, seed=2), _features()
    dense, grid = head.dense(features, TAPS, SIZE)
    sparse = head(features, {"locations": _centers(grid, (6, 4))}, TAPS)
    assert np.abs(sparse["hue_logits"]).max() > 0.01
    np.testing.assert_allclose(
        tf.reshape(dense["hue_logits"], [2, 24, 6]), sparse["hue_logits"], rtol=1e-4, atol=1e-5
    )


def test_no_outputs_are_an_error():
    with pytest.raises(ValueError, match="needs at least one"):
        HistogramHead(TAPS, {}, seed=0)
