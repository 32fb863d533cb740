import numpy as np
import pytest

from tfcolor.mixtures.permutations import cyclic_permutations, fast_correlation

GROUPS = [(1, 1), (2, 1), (1, 2), (3, 2), (4, 1), (5, 3), (6, 2), (32, 1)]


def rows(text):
    return [[int(digit) for digit in row] for row in text.split("/")]


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ((3, 2), "012345/120453/201534/345012/453120/534201"),
        ((2, 2), "0123/1032/2301/3210"),
        ((4, 1), "0123/1230/2301/3012"),
    ],
)
def test_order_is_the_published_one(group, expected):
    assert cyclic_permutations(*group).tolist() == rows(expected)


@pytest.mark.parametrize("group", GROUPS)
def test_order_is_a_commutative_group(group):
    order = cyclic_permutations(*group)
    assert order.dtype == np.int32
    assert (order == order.T).all()
    assert (order[0] == np.arange(len(order))).all()
    assert (np.sort(order) == order[0]).all()
    # (a b) c = a (b c)
    assert (order[order] == order[:, order]).all()


def test_complete_sample_of_four_turns():
    image = np.array([[1, 2], [3, 4]])
    blocks = np.stack([np.rot90(image, turn) for turn in range(4)])
    assert blocks.tolist() == [
        [[1, 2], [3, 4]],
        [[2, 4], [1, 3]],
        [[4, 3], [2, 1]],
        [[3, 1], [4, 2]],
    ]
    turned = np.stack([np.rot90(image, turn + 1) for turn in range(4)])
    assert (turned == blocks[cyclic_permutations(4)[1]]).all()


@pytest.mark.parametrize("group", GROUPS)
def test_fast_correlation_equals_the_sum(group):
    order, fast = cyclic_permutations(*group), fast_correlation(*group)
    left, right = np.random.default_rng(0).normal(size=(2, len(order)))
    np.testing.assert_allclose(
        fast.results @ ((fast.left @ left) * (fast.right @ right)), (left[order] * right).sum(1)
    )


def test_fast_correlation_needs_few_products():
    assert len(fast_correlation(32).left) == 47
    assert len(fast_correlation(1).left) == 1


def test_group_without_elements_is_refused():
    with pytest.raises(ValueError, match=r"0 rotations, 1 polarities: expected at least 1"):
        cyclic_permutations(0)
