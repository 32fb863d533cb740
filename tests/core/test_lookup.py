import pytest

from tfcolor.core.errors import UsageError
from tfcolor.core.lookup import lookup


def test_known_name_gives_its_entry():
    entry = object()
    assert lookup({"vgg16": entry, "alexnet": None}, "vgg16", "backbone") is entry


def test_unknown_name_lists_the_known_ones_in_order():
    with pytest.raises(UsageError, match="unknown backbone 'vgg'; known: alexnet, vgg16"):
        lookup({"vgg16": 1, "alexnet": 2}, "vgg", "backbone")
