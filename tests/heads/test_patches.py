import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.taps import Tap
from tfcolor.heads.patches import PatchHead
from tfcolor.models.network import kernel_and_bias_variables

TAPS = {"conv1": Tap("conv1", 2, 0.5, 3), "top": Tap("top", 8, 3.5, 5)}
B, T = 2, 4


@pytest.fixture
def batch():
    """Features of B examples of T patches, and their images."""
    top = np.random.default_rng(0).normal(size=(B * T, 2, 3, 5)).astype(np.float32)
    return {"top": tf.constant(top)}, {"image": tf.zeros([B, T, 9, 9, 1])}


def _kernels(head):
    return [one.numpy().astype(np.float64) for one in kernel_and_bias_variables(head)[0]]


def test_joint_logits_are_those_of_the_codes_in_order(batch):
    features, inputs = batch
    head = PatchHead(TAPS, 7, num_joined=T, code_size=6, hidden_sizes=(9, 8), seed=3)
    code, hidden1, hidden2, labels = _kernels(head)
    values = features["top"].numpy().mean(axis=(1, 2)).reshape(B, T, 5)
    values = np.maximum(values @ code, 0).reshape(B, T * 6)
    values = np.maximum(np.maximum(values @ hidden1, 0) @ hidden2, 0)
    logits = head(features, inputs, TAPS)["logits"]
    np.testing.assert_allclose(logits, values @ labels, rtol=1e-4, atol=1e-5)
    assert logits.shape == (B, 7)


def test_orders_are_answered_as_if_the_patches_came_in_them(batch):
    features, inputs = batch
    head = PatchHead(TAPS, 7, num_joined=T, code_size=6, seed=3)
    orders = np.array([[[0, 1, 2, 3], [2, 0, 3, 1], [1, 1, 0, 2]], [[3, 2, 1, 0]] * 3])
    logits = head(features, {**inputs, "slots": tf.constant(orders)}, TAPS)["logits"]
    assert logits.shape == (B, 3, 7)
    top = features["top"].numpy().reshape(B, T, 2, 3, 5)
    for number in range(3):
        moved = np.stack([top[example][orders[example, number]] for example in range(B)])
        alone = head({"top": moved.reshape(B * T, 2, 3, 5)}, inputs, TAPS)["logits"]
        np.testing.assert_allclose(logits[:, number], alone, atol=1e-5)


def test_patches_are_answered_one_by_one(batch):
    features, inputs = batch
    head = PatchHead(TAPS, 7, seed=3)
    (labels,) = _kernels(head)
    values = features["top"].numpy().mean(axis=(1, 2)).reshape(B, T, 5)
    logits = head(features, inputs, TAPS)["logits"]
    np.testing.assert_allclose(logits, values @ labels, rtol=1e-4, atol=1e-5)
    assert logits.shape == (B, T, 7)


def test_a_collapsed_top_is_read_as_it_is(batch):
    features, inputs = batch
    average = {"top": tf.reduce_mean(features["top"], [1, 2])}
    head = PatchHead(TAPS, 7, num_joined=T, seed=3)
    logits = [head(one, inputs, TAPS)["logits"] for one in (features, average)]
    np.testing.assert_allclose(*logits, rtol=1e-5)


def test_small_kernels_start_at_guessing(batch):
    features, inputs = batch
    head = PatchHead(TAPS, 24, num_joined=T, code_size=128, kernel_deviation=1e-4, seed=3)
    code, labels = _kernels(head)
    np.testing.assert_allclose([code.std(), labels.std()], 1e-4, rtol=0.1)
    assert np.abs(head(features, inputs, TAPS)["logits"]).max() < 1e-5
    large = _kernels(PatchHead(TAPS, 24, num_joined=T, code_size=128, seed=3))
    np.testing.assert_allclose(large[0].std(), np.sqrt(2 / 5), rtol=0.1)


def test_kernels_derive_from_the_seed():
    first, same, other = (
        _kernels(PatchHead(TAPS, 7, hidden_sizes=(5,), seed=s)) for s in (3, 3, 4)
    )
    tf.nest.map_structure(np.testing.assert_array_equal, first, same)
    assert all(np.any(a != b) for a, b in zip(first, other, strict=True))
    assert np.any(first[0] != first[1][:, :5])
