import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.models.weights.assign import assign_values, compare_tensors

FOUND = {"a/0": (2, 3), "a/1": (2,), "b/0": (4, 4), "odd/0": (1,), "fc8/0": (9,)}
EXPECTED = {"a/0": [(2, 3)], "a/1": [(1, 2), (2,)], "b/0": [(4, 5)], "c/0": [(7,)]}


def test_every_tensor_falls_into_one_group():
    comparison = compare_tensors(FOUND, EXPECTED, ["fc8/*"])
    assert comparison.matched == {"a/0": (2, 3), "a/1": (2,)}
    assert comparison.missing == {"c/0": (7,)}
    assert comparison.unexpected == {"odd/0": (1,)}
    assert comparison.misshaped == {"b/0": ((4, 4), (4, 5))}


def test_table_has_a_line_for_each_and_leaves_out_the_ignored():
    lines = compare_tensors(FOUND, EXPECTED, ["fc8/*"]).table()
    assert [line.split()[:2] for line in lines] == [
        ["matched", "a/0"],
        ["matched", "a/1"],
        ["missing", "c/0"],
        ["unexpected", "odd/0"],
        ["mis-shaped", "b/0"],
    ]
    assert lines[-1].endswith("[4, 4], expected [4, 5]")


def test_an_incomplete_file_is_refused_by_the_names_of_its_tensors():
    comparison = compare_tensors(FOUND, EXPECTED)
    with pytest.raises(UserError) as error:
        comparison.check_complete("w.h5")
    text = str(error.value)
    for part in ("w.h5", "missing c/0 [7]", "unexpected odd/0 [1]", "unexpected fc8/0"):
        assert part in text
    assert "mis-shaped b/0 [4, 4], expected [4, 5]" in text and "a/0" not in text


def test_a_complete_file_passes():
    compare_tensors({"a/0": (2, 3)}, {"a/0": [(2, 3)]}).check_complete("w.h5")


@pytest.mark.parametrize("bad", [np.zeros(4), np.array([0, np.nan, 1])])
def test_nothing_is_assigned_if_one_value_is_wrong(bad):
    first, second = tf.Variable([1.0, 2.0], name="first"), tf.Variable(tf.zeros(3), name="second")
    with pytest.raises(ValueError, match="second"):
        assign_values([(first, np.array([5.0, 6.0])), (second, bad)])
    np.testing.assert_array_equal(first, [1, 2])


def test_all_values_are_assigned():
    variables = [tf.Variable(tf.zeros(2)), tf.Variable(tf.zeros([1, 3]))]
    values = [np.array([1.0, 2.0]), np.ones([1, 3])]
    assign_values(list(zip(variables, values, strict=True)))
    for variable, value in zip(variables, values, strict=True):
        np.testing.assert_array_equal(variable, value)
