import pytest

from tfcolor.core.errors import UsageError
from tfcolor.data.sources import builtin_digits
from tfcolor.data.sources.builtin import COLLECTIONS, open_builtin


@pytest.mark.parametrize("name", COLLECTIONS)
def test_every_collection_has_a_split_to_train_on(name, monkeypatch):
    monkeypatch.setattr(builtin_digits, "NUM_DIGITS", 10)
    whole, train = open_builtin(name), open_builtin(f"{name}:train")
    assert whole.num_examples >= train.num_examples > 0
    assert bool(whole.class_names) == (name != "depth_scenes")


def test_unknown_collections_list_the_known():
    with pytest.raises(
        UsageError, match="unknown builtin collection 'photo'; known: depth_scenes, "
    ):
        open_builtin("photo:train")
