"""Tests of the figure of the permutation matrix."""

import pytest

from tfcolor.analysis.permutations import PermutationsOptions, show_permutations
from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options


def test_matrix_is_the_published_one():
    found = show_permutations(PermutationsOptions())
    rows = ["012345", "120453", "201534", "345012", "453120", "534201"]
    assert ["".join(map(str, row)) for row in found.numbers["matrix"]] == rows
    assert (found.numbers["num_rotations"], found.numbers["num_polarities"]) == (3, 2)
    assert found.headline == "6 permutations of 6 blocks (R = 3, T = 2)"


def test_size_of_the_group_is_limited():
    with pytest.raises(UsageError, match="permutations_num_polarities=3: expected at most 2"):
        check_options(PermutationsOptions(num_polarities=3), "permutations_")
