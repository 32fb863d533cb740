import numpy as np
import pytest

from tfcolor.core.columns import WHOLE, Column, parse_column
from tfcolor.core.errors import UsageError


@pytest.mark.parametrize("num_channels", [3, 10, 64, 192])
@pytest.mark.parametrize("count", [1, 4, 10])
def test_columns_are_those_of_numpy(num_channels, count):
    channels = np.arange(num_channels)
    expected = np.array_split(channels, count)
    for index, share in enumerate(expected):
        column = Column(index, count)
        np.testing.assert_array_equal(channels[column.slice(num_channels)], share)
        assert column.width(num_channels) == len(share)


def test_ten_columns_of_64_channels():
    assert [Column(index, 10).width(64) for index in range(10)] == [7, 7, 7, 7, *[6] * 6]


def test_nothing_given_is_the_whole():
    assert parse_column("", "segment") is WHOLE
    assert WHOLE.slice(5) == slice(0, 5)


@pytest.mark.parametrize("text", ["4/4", "1", "-1/4", "a/b", "1/0", "1/4 "])
def test_what_is_no_column_is_refused(text):
    with pytest.raises(UsageError, match=r"--segment=.*expected INDEX/COUNT, as 0/4"):
        parse_column(text, "segment")


def test_a_column_outside_is_an_error():
    with pytest.raises(ValueError, match="column 2 of 2: expected 0 <= index < count"):
        Column(2, 2)
