import pytest

from tfcolor.analysis.titles import read_titles
from tfcolor.core.errors import UsageError


def test_titles_are_read():
    assert read_titles([":a:b", "x:c"], "mixtures") == {"": "a:b", "x": "c"}


@pytest.mark.parametrize(
    ("mixtures", "words"),
    [
        ((), "--mixtures is not given: name runs as TITLE:FOLDER"),
        (("x",), "--mixtures=x: expected TITLE:FOLDER"),
        (("x:",), "--mixtures=x:: expected TITLE:FOLDER"),
        (("x:a", "y:b", "x:c"), "a and c are both called 'x'; expected another title"),
        ((":a", ":b"), "a and b are both called ''"),
    ],
)
def test_mistake_in_the_titles_is_explained(mixtures, words):
    with pytest.raises(UsageError, match=words):
        read_titles(mixtures, "mixtures")
