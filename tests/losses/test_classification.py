import numpy as np
import pytest
import scipy.special
import sklearn.metrics
import tensorflow as tf

from tfcolor.losses.classification import CLASSIFICATION_LOSSES

NUM_EXAMPLES, NUM_CLASSES = 5, 4
LABELS = np.array([3, 0, 2, 2, 1], np.int32)
LOGITS = np.random.default_rng(0).normal(scale=2, size=(NUM_EXAMPLES, NUM_CLASSES))


def _loss(name, labels, logits, dtype=tf.float32):
    return CLASSIFICATION_LOSSES[name](tf.constant(labels), tf.constant(logits, dtype)).numpy()


@pytest.mark.parametrize(
    ("name", "scale", "expected"),
    [
        ("kl", 1, 0.2413112967),
        ("l2", 1, 0.75),
        ("l1", 1, 0.8333333333),
        ("multilabel", 1, 0.4714222276),
        ("multihinge", 1, 0.5),
        ("hinge", 1, 0.0),
        ("l2b", 1, 1.4166666667),
        ("kl", 2, 0.0509457635),
    ],
)
def test_published_example(name, scale, expected):
    # Spec of chapters 3 and 4, golden 17.
    logits = scale * np.array([[2.0, -1.0, 0.5]])
    found = _loss(name, [0], logits, tf.float64)
    np.testing.assert_allclose(found, [expected], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(_loss(name, [0], logits), [expected], rtol=1e-5)


def _cross_entropy(label, logits):
    return sklearn.metrics.log_loss([label], [scipy.special.softmax(logits)], labels=range(4))


def _independent_cross_entropy(label, logits):
    presence = np.arange(NUM_CLASSES) == label
    probabilities = scipy.special.expit(logits)
    pairs = zip(presence, probabilities, strict=True)
    return np.mean([sklearn.metrics.log_loss([one], [p], labels=[0, 1]) for one, p in pairs])


def _independent_hinge(label, logits):
    signs = [1 if number == label else -1 for number in range(NUM_CLASSES)]
    return sklearn.metrics.hinge_loss(signs, logits)


def _hinge(label, logits):
    return sklearn.metrics.hinge_loss([label], [logits], labels=range(NUM_CLASSES))


def _squared_error(label, logits):
    return sklearn.metrics.mean_squared_error(np.eye(NUM_CLASSES)[label], logits)


def _absolute_error(label, logits):
    return sklearn.metrics.mean_absolute_error(np.eye(NUM_CLASSES)[label], logits)


def _balanced_squared_error(label, logits):
    # As if the true class had been there once for each class.
    repeats = [NUM_CLASSES if number == label else 1 for number in range(NUM_CLASSES)]
    errors = np.repeat((np.eye(NUM_CLASSES)[label] - logits) ** 2, repeats)
    return errors.sum() / NUM_CLASSES


REFERENCES = {
    "kl": _cross_entropy,
    "l2": _squared_error,
    "l1": _absolute_error,
    "multilabel": _independent_cross_entropy,
    "multihinge": _independent_hinge,
    "hinge": _hinge,
    "l2b": _balanced_squared_error,
}


def test_each_loss_agrees_with_its_reference_example_by_example():
    assert set(REFERENCES) == set(CLASSIFICATION_LOSSES)
    for name, reference in REFERENCES.items():
        expected = [reference(label, row) for label, row in zip(LABELS, LOGITS, strict=True)]
        found = _loss(name, LABELS, LOGITS)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", CLASSIFICATION_LOSSES)
def test_gradients_are_the_numeric_ones(name):
    loss, labels = CLASSIFICATION_LOSSES[name], tf.constant(LABELS)
    with tf.GradientTape() as tape:
        logits = tf.Variable(LOGITS, dtype=tf.float64)
        total = tf.reduce_sum(loss(labels, logits))
    step, numeric = 1e-6, np.zeros_like(LOGITS)
    for place in np.ndindex(LOGITS.shape):
        moved = np.zeros_like(LOGITS)
        moved[place] = step
        sides = [np.sum(_loss(name, LABELS, LOGITS + sign * moved, tf.float64)) for sign in (1, -1)]
        numeric[place] = (sides[0] - sides[1]) / (2 * step)
    found = tape.gradient(total, logits)
    assert np.abs(numeric).max() > 0.05
    np.testing.assert_allclose(found, numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", CLASSIFICATION_LOSSES)
def test_extreme_logits_stay_finite(name):
    logits = tf.Variable(
        np.where(np.eye(NUM_CLASSES)[[0, 1, 2, 0, 0]], 1e4, -1e4), dtype=tf.float32
    )
    with tf.GradientTape() as tape:
        losses = CLASSIFICATION_LOSSES[name](tf.constant(LABELS), logits)
    assert np.all(np.isfinite(losses))
    assert np.all(np.isfinite(tape.gradient(losses, logits)))
    assert losses[0] > 1e3  # the true class is the last one, the best the first
