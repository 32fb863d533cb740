import math

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.losses.contrastive import (
    contrastive_logits,
    cosine_triplet,
    next_in_batch,
    nt_xent,
    unit_vectors,
)

VIEWS = np.array([[[1.0, 0.0], [0.8, 0.6]], [[0.0, 1.0], [-0.6, 0.8]]])
EYE = np.eye(2, dtype=bool)


def _reference(views, temperature):
    """The loss of each of the 2N rows, in NumPy, view by view."""
    flat = np.concatenate([views[:, 0], views[:, 1]])
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    count = len(views)
    losses = []
    for row, view in enumerate(flat):
        others = np.delete(np.arange(2 * count), row)
        terms = np.exp(flat[others] @ view / temperature)
        positive = np.exp(flat[(row + count) % (2 * count)] @ view / temperature)
        losses.append(-np.log(positive / terms.sum()))
    return np.reshape(losses, [2, count]).T


@pytest.mark.parametrize(
    ("temperature", "rows", "mean"),
    [
        (0.5, [0.233257, 0.627123, 0.627123, 0.233257], 0.430190),
        (0.1, [0.000336, 0.127223, 0.127223, 0.000336], 0.063780),
        (1.0, None, 0.673577),
    ],
)
def test_golden_nt_xent(temperature, rows, mean):
    losses = nt_xent(VIEWS, VIEWS, EYE, temperature).numpy()
    assert losses.mean() == pytest.approx(mean, abs=1e-6)
    if rows is not None:
        expected = np.reshape(rows, [2, 2]).mean(axis=0)  # rows are one view after the other
        np.testing.assert_allclose(losses, expected, atol=1e-6)


@pytest.mark.parametrize("count", [2, 256])
def test_equal_embeddings_are_at_chance(count):
    views = np.ones([count, 2, 3])
    losses = nt_xent(views, views, np.eye(count, dtype=bool), 0.1)
    np.testing.assert_allclose(losses, math.log(2 * count - 1), rtol=1e-6)


def test_nt_xent_and_its_gradient_agree_with_numpy():
    views = np.random.default_rng(0).normal(size=(5, 2, 3))
    variable = tf.Variable(views)
    with tf.GradientTape() as tape:
        losses = nt_xent(variable, variable, np.eye(5, dtype=bool), 0.3)
    np.testing.assert_allclose(losses, _reference(views, 0.3).mean(axis=1), rtol=1e-10)
    gradient = tape.gradient(losses, variable).numpy()
    for place in [(0, 0, 0), (3, 1, 2), (4, 0, 1)]:
        step = np.zeros_like(views)
        step[place] = 1e-5
        rise = _reference(views + step, 0.3).sum() - _reference(views - step, 0.3).sum()
        assert gradient[place] == pytest.approx(rise / 2 / 2e-5, rel=1e-6)


def test_a_share_of_a_batch_has_the_losses_of_the_whole():
    views = np.random.default_rng(1).normal(size=(5, 2, 3))
    whole = nt_xent(views, views, np.eye(5, dtype=bool), 0.2)
    share = nt_xent(views[3:], views, np.eye(5, dtype=bool)[3:], 0.2)
    np.testing.assert_allclose(share, whole[3:], rtol=1e-12)


def test_each_view_has_one_positive_and_no_chance_to_find_itself():
    logits, is_positive = contrastive_logits(VIEWS, VIEWS, EYE, 0.5)
    np.testing.assert_array_equal(np.sum(is_positive, axis=-1), np.ones([2, 2]))
    np.testing.assert_array_equal(np.sum(logits < -1e8, axis=-1), np.ones([2, 2]))
    assert np.max(logits) <= 2


@pytest.mark.parametrize(
    ("negative", "loss"),
    [((0, 1, 0), 0.0), ((0.6, 0.8, 0), 0.3), ((1, 0, 0), 0.7)],
)
def test_golden_triplet(negative, loss):
    anchor, positive = np.array([[1.0, 0, 0]]), np.array([[0.8, 0.6, 0]])
    found = cosine_triplet(anchor, positive, np.array([negative], float), 0.5)
    np.testing.assert_allclose(found, [loss], atol=1e-12)


def test_a_collapsed_triplet_costs_the_margin():
    for same in (np.ones([2, 3]), np.zeros([2, 3])):
        np.testing.assert_allclose(cosine_triplet(same, same, same, 0.5), [0.5, 0.5])


def test_lengths_do_not_matter_and_the_worst_triplet_is_known():
    anchor, other = np.array([[2.0, 0.0]]), np.array([[-5.0, 0.0]])
    np.testing.assert_allclose(cosine_triplet(anchor, other, 3 * anchor, 0.5), [2.5])


def test_golden_unit_vectors_are_over_the_last_axis():
    found = unit_vectors(np.array([[3.0, 4.0], [0.0, 2.0]]))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0.0, 1.0]])


def test_the_next_of_a_batch_is_rolled_by_one():
    batch = np.arange(40, 47)
    found = next_in_batch(batch[2:], batch)
    np.testing.assert_array_equal(found, np.roll(np.arange(7), -1)[2:])
    shuffled = np.array([44, 40, 46, 43, 41, 45, 42])
    np.testing.assert_array_equal(shuffled[next_in_batch(batch, shuffled)], np.roll(batch, -1))
