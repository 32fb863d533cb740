import numpy as np
import pytest
import scipy.special

from tfcolor.losses.presence import presence_cross_entropy


def test_published_example():
    # Spec of chapters 3 and 4, golden 13: the third object is difficult.
    loss = presence_cross_entropy([1, 0, 255], [2.0, -1.0, 0.5]).numpy()
    np.testing.assert_allclose(loss, [0.1269280110, 0.3132616875, 0.0], rtol=1e-6)
    assert loss.sum() == pytest.approx(0.4401896986, rel=1e-6)


def test_agrees_with_numpy_and_ignores_every_other_label():
    random_numbers = np.random.default_rng(0)
    logits = random_numbers.normal(scale=5, size=(4, 6)).astype(np.float32)
    presence = random_numbers.choice([1, 0, -1, 255, 2], size=(4, 6)).astype(np.int32)
    probability = scipy.special.expit(logits.astype(np.float64))
    expected = -np.log(np.where(presence == 1, probability, 1 - probability))
    expected[(presence != 0) & (presence != 1)] = 0
    np.testing.assert_allclose(
        presence_cross_entropy(presence, logits), expected, rtol=1e-4, atol=1e-6
    )
    assert presence_cross_entropy([1], [-200.0]).numpy() == pytest.approx(200)
