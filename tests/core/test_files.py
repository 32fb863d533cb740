import errno
import json
import math
import os
import stat

import pytest

from tfcolor.core.errors import UserError
from tfcolor.core.files import (
    atomic_path,
    check_writable,
    format_json,
    part_path,
    sweep_parts,
    write_bytes,
    write_json,
    write_text,
)


def test_file_appears_with_its_content_and_nothing_else(tmp_path):
    target = tmp_path / "new folder" / "notes.txt"
    write_text(target, "färbig\n")
    assert target.read_text(encoding="utf-8") == "färbig\n"
    assert os.listdir(target.parent) == ["notes.txt"]


def test_temporary_file_has_the_suffix_and_the_folder_of_the_target(tmp_path):
    with atomic_path(tmp_path / "photo.png") as temporary:
        assert (temporary.suffix, temporary.parent) == (".png", tmp_path)
        assert not (tmp_path / "photo.png").exists()


def test_failure_keeps_the_old_file_and_leaves_no_rest(tmp_path):
    target = tmp_path / "notes.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="torn"), atomic_path(target) as temporary:
        temporary.write_text("new")
        raise RuntimeError("torn")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_file_has_the_permissions_of_the_process(tmp_path):
    previous = os.umask(0o027)
    try:
        write_text(tmp_path / "notes.txt", "")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "notes.txt").stat().st_mode) == 0o640
    assert previous == os.umask(previous)


def test_json_has_null_where_a_number_is_missing(tmp_path):
    value = {"a": [math.nan, 1.5, (math.inf, -math.inf)], "b": {"c": None, "d": "nan"}}
    write_json(tmp_path / "x.json", value)
    expected = {"a": [None, 1.5, [None, None]], "b": {"c": None, "d": "nan"}}
    assert json.loads((tmp_path / "x.json").read_text()) == expected


def test_unusable_folder_is_an_error_of_the_user(tmp_path):
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "notes.txt"
    with pytest.raises(UserError, match=r"cannot write .*notes\.txt: "):
        write_text(target, "")


def test_place_for_a_file_is_checked_without_a_trace(tmp_path):
    (tmp_path / "notes.txt").write_text("old")
    check_writable(tmp_path / "notes.txt")
    assert os.listdir(tmp_path) == ["notes.txt"]
    assert (tmp_path / "notes.txt").read_text() == "old"
    message = r"cannot write .*below: a file is in the place of its folder"
    with pytest.raises(UserError, match=message):
        check_writable(tmp_path / "notes.txt/below")
    with pytest.raises(UserError, match="in the place of its folder"):
        check_writable(tmp_path / "notes.txt/deep/below")


def test_json_text_reads_back_as_the_same_value():
    value = {"b": [1, 2.5, None], "a": "ä"}
    assert json.loads(format_json(value)) == value
    assert list(json.loads(format_json(value))) == ["b", "a"]


def test_bytes_are_written_whole_over_whatever_was_left(tmp_path):
    target, victim = tmp_path / "a.png", tmp_path / "victim"
    victim.write_bytes(b"mine")
    part_path(target).symlink_to(victim)
    write_bytes(target, b"new", is_synced=True)
    assert (target.read_bytes(), victim.read_bytes()) == (b"new", b"mine")
    assert sorted(os.listdir(tmp_path)) == ["a.png", "victim"]


def test_bytes_that_cannot_be_written_leave_the_old_file_and_no_rest(tmp_path, monkeypatch):
    target = tmp_path / "a.png"
    target.write_bytes(b"old")

    def fail(source, destination):
        raise OSError(errno.ENOSPC, "No space left on device", str(source))

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match=r"No space left on device: '.*/a\.png'") as caught:
        write_bytes(target, b"new")
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == ["a.png"]
    with pytest.raises(FileNotFoundError, match="missing"):
        write_bytes(tmp_path / "missing/a.png", b"new")


@pytest.mark.parametrize("name", ["x" * 251 + ".png", os.fsdecode(b"\xff" * 251 + b".png")])
def test_longest_names_can_be_written(tmp_path, name):
    write_bytes(tmp_path / name, b"new")
    assert os.listdir(tmp_path) == [name]
    assert part_path(tmp_path / name) != part_path(tmp_path / f"y{name[1:]}")


def test_rests_of_killed_processes_are_swept(tmp_path):
    for name in (".a.png.tfcolor-part", ".b.tfcolor-part", "c.tfcolor-part", ".a.png"):
        (tmp_path / name).touch()
    assert sweep_parts(tmp_path) == 2
    assert sorted(os.listdir(tmp_path)) == [".a.png", "c.tfcolor-part"]
    assert sweep_parts(tmp_path / "missing") == 0
