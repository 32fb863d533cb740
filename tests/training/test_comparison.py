import numpy as np
import pytest
import tensorflow as tf

from tfcolor.training.comparison import compare_gradients


def _flat(tensors):
    return np.concatenate([np.ravel(one) for one in tensors]).astype(np.float64)


def test_figures_agree_with_numpy():
    rng = np.random.default_rng(0)
    gradients, updates = (
        {name: [rng.normal(size=(2, 3)), rng.normal(size=4)] for name in "abc"} for _ in range(2)
    )
    as_tensors = [
        {name: [tf.constant(one, tf.float32) for one in each] for name, each in group.items()}
        for group in (gradients, updates)
    ]
    figures = {name: float(value) for name, value in compare_gradients(*as_tensors).items()}
    flat = {name: _flat(each) for name, each in gradients.items()}
    total = sum(_flat(each) for each in updates.values())
    for name in "abc":
        assert figures.pop(f"gradient_norm_{name}") == pytest.approx(np.linalg.norm(flat[name]))
        share = _flat(updates[name]) @ total / (total @ total)
        assert figures.pop(f"update_share_{name}") == pytest.approx(share, rel=1e-4)
    for one, other in ("ab", "ac", "bc"):
        expected = flat[one] @ flat[other]
        expected /= np.linalg.norm(flat[one]) * np.linalg.norm(flat[other])
        found = figures.pop(f"gradient_cosine_{one}_{other}")
        assert found == pytest.approx(expected, rel=1e-4)
    assert not figures


def test_shares_sum_to_one_and_a_gradient_of_zero_has_none():
    gradients = {"a": [tf.constant([3.0, 4.0])], "b": [tf.zeros([2])]}
    figures = compare_gradients(gradients, gradients)
    assert float(figures["update_share_a"]) == pytest.approx(1)
    assert float(figures["update_share_b"]) == 0
    assert float(figures["gradient_cosine_a_b"]) == 0
    assert float(figures["gradient_norm_a"]) == pytest.approx(5)
