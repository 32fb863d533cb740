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


def _classes(source):
    return [source.label_of(index) for index in range(source.num_examples)]


def test_sub_folders_are_classes_in_the_order_of_their_names(tmp_path):
    for name in ["zoo/b.png", "Zoo/a.png", "10/c.png", "9/deep/er/a.png", "9/b.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    source = open_images(str(tmp_path))
    assert source.class_names == ("10", "9", "Zoo", "zoo")
    folders = [os.path.relpath(source.name_of(index), tmp_path).split("/")[0] for index in range(5)]
    assert [source.class_names[label] for label in _classes(source)] == folders


def test_an_image_beside_the_sub_folders_leaves_all_without_class(album):
    for place in (str(album), str(album / "a.jpg"), f"{album}/*.jpg"):
        source = open_images(place)
        assert source.class_names == ()
        assert set(_classes(source)) == {None}


@pytest.mark.parametrize(
    ("lines", "names", "labels"),
    [
        (["a b.png\tsea", "c.png \t hill ", "d.png\tsea"], ("hill", "sea"), [1, 0, 1]),
        (["a b.png\t3", "c.png\t0", "d.png\t3"], ("0", "1", "2", "3"), [3, 0, 3]),
        (["a b.png\t3", "c.png\t0a", "d.png\t3"], ("0a", "3"), [1, 0, 1]),
        (["a b.png", "c.png", "d.png"], (), [None, None, None]),
    ],
)
def test_a_list_may_name_or_number_classes(tmp_path, lines, names, labels):
    (tmp_path / "list.txt").write_text("# path, class\n" + "\n".join(lines))
    source = open_images(str(tmp_path / "list.txt"))
    assert _names(source, tmp_path) == ["a b.png", "c.png", "d.png"]
    assert source.class_names == names
    assert _classes(source) == labels


def test_a_list_with_some_classes_is_refused(tmp_path):
    (tmp_path / "list.txt").write_text("a.png\tsea\nb.png\n")
    with pytest.raises(UserError, match=r"a class for some images but none for b\.png"):
        open_images(str(tmp_path / "list.txt"))
