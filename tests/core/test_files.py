import json
import math
import os
import stat

import pytest

from tfcolor.core.errors import UserError
from tfcolor.core.files import atomic_path, check_writable, format_json, write_json, write_text


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
