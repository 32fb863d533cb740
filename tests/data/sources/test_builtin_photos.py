import pytest

from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.images import read_rgb
from tfcolor.data.sources import builtin_photos
from tfcolor.data.sources.builtin_photos import open_backgrounds, open_photos


def _names(source):
    return {source.name_of(index) for index in range(source.num_examples)}


def test_train_and_heldout_are_a_partition():
    train, heldout = _names(open_photos("photos:train")), _names(open_photos("photos:heldout"))
    assert not train & heldout
    assert train | heldout == _names(open_photos("photos"))
    assert (len(train), len(heldout)) == (8, 2)


def test_photographs_are_readable_and_in_color():
    source = open_photos("photos:heldout")
    for index in range(source.num_examples):
        image = read_rgb(source.read_bytes(index), source.name_of(index)).astype(int)
        assert min(image.shape[:2]) >= 256
        assert (image.max(-1) - image.min(-1)).mean() > 5


def test_backgrounds_are_twenty_different_files():
    source = open_backgrounds()
    assert len(_names(source)) == source.num_examples == 20
    assert source.class_names == ()


def test_unknown_selections_list_the_known():
    with pytest.raises(UsageError, match="collection 'photo'; known: photos"):
        open_photos("photo")
    with pytest.raises(UsageError, match="'test'; known: all, heldout, train"):
        open_photos("photos:test")


def test_missing_package_and_photograph_are_named(monkeypatch):
    monkeypatch.setattr(builtin_photos, "_FOLDERS", (("sklearn", "datasets/images"),))
    with pytest.raises(UserError, match=r"chelsea\.png is neither in .*sklearn"):
        open_photos("photos:heldout")
    monkeypatch.setattr(builtin_photos, "_FOLDERS", (("no_such_package", ""),))
    with pytest.raises(UserError, match="needs the package no_such_package"):
        open_photos("photos")


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_both_classes_are_in_both_splits(split):
    source = open_photos(f"photos:{split}")
    labels = {
        source.name_of(index).split("/")[-1]: source.label_of(index)
        for index in range(source.num_examples)
    }
    assert set(labels.values()) == {0, 1}
    assert labels.get("flower.jpg", 1) == labels.get("chelsea.png", 1) == 1
    assert labels.get("rocket.jpg", 0) == labels.get("coffee.png", 0) == 0
    assert source.class_names == ("made", "grown")
