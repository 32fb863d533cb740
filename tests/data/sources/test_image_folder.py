import os

import pytest

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.sources.image_folder import FileSource, open_images


@pytest.fixture
def album(tmp_path):
    folder = tmp_path / "an album"
    for name in ["b.PNG", "a.jpg", "sub/c.tif", "notes.txt", ".hidden.jpg", ".thumbs/d.jpg"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def _names(source, folder):
    return [os.path.relpath(source.name_of(index), folder) for index in range(source.num_examples)]


def test_a_folder_is_searched_recursively_in_sorted_order(album):
    source = open_images(str(album))
    assert _names(source, album) == ["a.jpg", "b.PNG", "sub/c.tif"]
    assert source.read_bytes(2) == b"sub/c.tif"


def test_a_glob_takes_what_it_names(album):
    assert _names(open_images(f"{album}/*.jpg"), album) == ["a.jpg"]
    assert _names(open_images(f"{album}/**/*.[tj][ip]*"), album) == ["a.jpg", "sub/c.tif"]


def test_one_image_is_a_source(album):
    assert _names(open_images(str(album / "a.jpg")), album) == ["a.jpg"]


def test_a_list_keeps_its_order_and_resolves_relative_paths(album, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    (here / "e.jpg").write_bytes(b"e")
    monkeypatch.chdir(here)
    lines = ["\ufeff# my photos", "sub/c.tif", "", "  a.jpg  ", "e.jpg", str(album / "b.PNG")]
    (album / "list.txt").write_text("\r\n".join([*lines, "gone.jpg"]), encoding="utf-8")
    source = open_images(str(album / "list.txt"))
    expected = ["sub/c.tif", "a.jpg", "../here/e.jpg", "b.PNG", "gone.jpg"]
    assert _names(source, album) == expected
    monkeypatch.chdir(tmp_path)  # reading must not depend on where we are now
    assert source.read_bytes(2) == b"e"
    with pytest.raises(UnreadableImageError, match=r"gone\.jpg: no such file"):
        source.read_bytes(4)


def test_what_cannot_be_opened_is_named(album, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "none.txt").write_text("# nothing\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x80")
    for place, message in [
        (tmp_path / "missing", r"no such folder.*missing"),
        (empty, r"no image in the folder .*empty; looked for \.bmp, .*\.webp"),
        (album / "*.webp", r"no file matches .*\*\.webp"),
        (tmp_path / "none.txt", r"the list .*none\.txt names no image"),
        (tmp_path / "bytes.txt", r"cannot read .*bytes\.txt as a list"),
    ]:
        with pytest.raises(UserError, match=message):
            open_images(str(place))


def test_paths_may_be_given_directly(album):
    source = FileSource([album / "a.jpg", album / "b.PNG"])
    assert source.num_examples == 2
    assert source.read_bytes(1) == b"b.PNG"
