from pathlib import Path

import pytest

from tfcolor.core.errors import UserError
from tfcolor.data.sources.places import split_place


@pytest.mark.parametrize(
    ("place", "folder", "split"),
    [
        ("set", "set", "train"),
        ("set:val", "set", "val"),
        ("a:b", "a:b", "train"),
        ("a:b:val", "a:b", "val"),
    ],
)
def test_the_split_follows_the_folder(tmp_path, monkeypatch, place, folder, split):
    (tmp_path / "set").mkdir()
    (tmp_path / "a:b").mkdir()
    monkeypatch.chdir(tmp_path)
    assert split_place(place, "train") == (Path(folder), split)


@pytest.mark.parametrize("place", ["gone", "gone:val", "set:", ":val"])
def test_what_is_no_folder_is_named(tmp_path, monkeypatch, place):
    (tmp_path / "set").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no such folder: "):
        split_place(place, "train")


def test_the_home_folder_may_be_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert split_place("~:val", "train") == (tmp_path, "val")
