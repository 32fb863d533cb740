import numpy as np
import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.heads.residual_patches import ResidualPatchHead, ResidualShape
from tfcolor.layers.batch_norm import EPSILON
from tfcolor.models.network import kernel_and_bias_variables

TAPS = {"conv1": Tap("conv1", 2, 0.0, 4), "block3_unit2": Tap("block3_unit2", 8, 2.0, 6)}
SHAPE = ResidualShape((5, 3), 4, 2)
B, T = 3, 2


def _batch():
    top = tf.random.stateless_normal([B * T, 5, 5, 6], [1, 2])
    return {"top": top}, {"image": tf.zeros([B, T, 36, 36, 1])}


def test_published_sizes():
    with tf.Graph().as_default():
        tap = Tap("block3_unit23", 8, 2.0, 1024)
        head = ResidualPatchHead({tap.name: tap}, 96, ResidualShape(), 8, seed=0)
        kernels = [tuple(one.shape) for one in kernel_and_bias_variables(head)[0]]
    assert head.code_size == 4608
    units = [(1, 1, 1024, 128), (3, 3, 128, 128), (1, 1, 128, 1024), (1, 1, 1024, 1024)]
    units += [(1, 1, 1024, 128), (3, 3, 128, 128), (1, 1, 128, 512), (1, 1, 1024, 512)]
    pair = [(9216, 4608), (4608, 8)]
    pair += [(1, 1, 4608, 512), (1, 1, 512, 512), (1, 1, 512, 4608)] * 3
    assert sorted(kernels) == sorted(units + pair)


def test_a_pair_is_answered_by_the_codes_in_their_order():
    head = ResidualPatchHead(TAPS, 36, SHAPE, 8, seed=1)
    features, inputs = _batch()
    assert head.code_size == 2 * 2 * 3
    current = features["top"]
    for unit in head.units:
        current = unit(current)
    codes = current.numpy().reshape(B, T, 12)
    joined = np.concatenate([codes[:, 0], codes[:, 1]], axis=1) @ head.join.kernel.numpy()
    current = joined[:, None, None]
    for unit in head.pair_units:
        current = unit(current)
    moved, scale = np.linspace(-1, 1, 12), np.linspace(0.5, 2, 12)
    head.norm.bias.assign(moved)
    head.norm.scale.assign(scale)
    answers = np.maximum(current.numpy()[:, 0, 0] / np.sqrt(1 + EPSILON) * scale + moved, 0)
    expected = answers @ head.labels.kernel.numpy()
    logits = head(features, inputs, TAPS)["logits"]
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
    turned = tf.reshape(tf.reshape(features["top"], [B, T, 5, 5, 6])[:, ::-1], [B * T, 5, 5, 6])
    assert np.abs(head({"top": turned}, inputs, TAPS)["logits"] - logits).max() > 1e-4


def test_without_labels_the_codes_are_compared():
    head = ResidualPatchHead(TAPS, 36, SHAPE, seed=1)
    features, inputs = _batch()
    embeddings = head(features, inputs, TAPS, training=True)["embeddings"]
    assert embeddings.shape == [B, T, 12]
    assert embeddings.dtype == tf.float32
    assert not head.pair_units


def test_every_number_is_trained_and_depends_on_the_seed():
    features, inputs = _batch()
    heads = [ResidualPatchHead(TAPS, 36, SHAPE, 8, seed=seed) for seed in (1, 1, 2)]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(heads[0](features, inputs, TAPS, training=True)["logits"][:, 0] ** 2)
    gradients = tape.gradient(loss, heads[0].trainable_variables)
    assert all(one is not None for one in gradients)
    kernels = [kernel_and_bias_variables(head)[0] for head in heads]
    for one, same, other in zip(*kernels, strict=True):
        np.testing.assert_array_equal(one, same)
        assert np.abs(one - other).max() > 0


def test_answers_are_float32_and_trained_in_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        head = ResidualPatchHead(TAPS, 36, SHAPE, 8, seed=1)
        features, inputs = _batch()
        half = {"top": tf.cast(features["top"], tf.bfloat16)}
        with tf.GradientTape() as tape:
            logits = head(half, inputs, TAPS, training=True)["logits"]
            total = tf.reduce_sum(logits[:, 0])
        gradients = tape.gradient(total, head.trainable_variables)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    assert logits.dtype == tf.float32
    assert all(np.all(np.isfinite(one)) for one in gradients)


def test_how_far_a_step_moves_the_answers_does_not_depend_on_the_size_of_the_sums():
    features, inputs = _batch()
    head = ResidualPatchHead(TAPS, 36, SHAPE, 8, seed=1)
    before = head(features, inputs, TAPS, training=True)["logits"]
    head.join.kernel.assign(1e4 * head.join.kernel)
    after = head(features, inputs, TAPS, training=True)["logits"]
    assert 0.1 < np.abs(after).max() / np.abs(before).max() < 10


def test_an_answer_can_start_at_guessing():
    features, inputs = _batch()
    head = ResidualPatchHead(TAPS, 36, SHAPE, 8, kernel_deviation=1e-4, seed=1)
    assert 0 < np.abs(head(features, inputs, TAPS)["logits"]).max() < 0.01
    first = ResidualPatchHead(TAPS, 36, SHAPE, 8, seed=1)
    np.testing.assert_array_equal(head.join.kernel, first.join.kernel)
