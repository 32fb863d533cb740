import hashlib
import itertools

import numpy as np
import pytest

from tfcolor.data.permutation_sets import permutation_set

NINE = "012345678 103254786 230167845 321078564 456780123 547806231 678412350 785631402 864523017"


def _distances(rows):
    """Returns the Hamming distances of all pairs."""
    distances = np.sum(rows[:, np.newaxis] != rows, axis=-1)
    return distances[np.triu_indices(len(rows), 1)]


def _texts(rows):
    return ["".join(map(str, row)) for row in rows]


def test_all_permutations_come_in_lexicographic_order():
    rows = permutation_set(4, 24)
    assert _texts(rows) == sorted("".join(one) for one in itertools.permutations("0123"))
    assert _distances(rows).min() == 2
    np.testing.assert_allclose(_distances(rows).mean(), 3.1304, atol=5e-5)


def test_subsets_of_four_are_far_from_each_other():
    assert set(_texts(permutation_set(4, 4))) == {"0123", "1032", "2301", "3210"}
    assert _distances(permutation_set(4, 6)).min() == 3


def test_sets_of_nine_tiles_are_those_of_the_specification():
    rows = permutation_set(9, 1000)
    goldens = {
        64: ("641327058", 7, 8.1230, "32853621e2c05c05"),
        100: ("706152348", 6, 8.0796, "ff58c19c07acdfc3"),
        1000: ("147680532", 5, 8.0080, "00bb0efedc5b12c8"),
    }
    assert _texts(rows)[:9] == NINE.split()
    for count, (last, least, mean, digest) in goldens.items():
        texts, distances = _texts(rows[:count]), _distances(rows[:count])
        assert texts[-1] == last
        assert hashlib.sha256(";".join(texts).encode()).hexdigest().startswith(digest)
        assert distances.min() == least
        np.testing.assert_allclose(distances.mean(), mean, atol=5e-5)


def test_the_mean_rule_tolerates_near_duplicates():
    rows = permutation_set(9, 64, "mean")
    assert _texts(rows)[:9] == NINE.split()
    assert _texts(rows)[-1] == "012346587"
    assert _distances(rows).min() == 2
    assert _distances(rows).sum() == 16380 > _distances(permutation_set(9, 64)).sum() == 16376


def test_each_choice_is_the_best_one_left():
    everything = list(itertools.permutations(range(5)))
    chosen = []
    for row in permutation_set(5, 17).tolist():
        ranks = {}
        for one in everything:
            to_chosen = [sum(a != b for a, b in zip(one, other, strict=True)) for other in chosen]
            ranks[one] = (min(to_chosen, default=0), sum(to_chosen))
        best = max(ranks.values())
        assert tuple(row) == min(one for one, rank in ranks.items() if rank == best)
        chosen.append(row)


def test_wrong_requests_name_what_is_possible():
    with pytest.raises(ValueError, match="count=25: expected 1 to 4! = 24"):
        permutation_set(4, 25)
    with pytest.raises(ValueError, match="rule='max': expected one of min, mean"):
        permutation_set(4, 3, "max")
