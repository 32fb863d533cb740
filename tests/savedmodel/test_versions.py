import threading

import pytest

from tfcolor.core.errors import UserError
from tfcolor.savedmodel.versions import PREFIX, write_version


def _write(folder):
    (folder / "file").write_text("whole")


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_each_is_one_more_than_the_largest(tmp_path):
    folder = tmp_path / "new/models"
    assert [write_version(folder, _write).name for _ in range(2)] == ["1", "2"]
    (folder / "10").mkdir()
    (folder / "12.old").mkdir()
    assert write_version(folder, _write) == folder / "11"
    assert (folder / "11/file").read_text() == "whole"
    assert (folder / "11").stat().st_mode == folder.stat().st_mode


def test_a_failure_leaves_nothing(tmp_path):
    def fail(folder):
        _write(folder)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_version(tmp_path, fail)
    assert _names(tmp_path) == []


def test_leftovers_of_killed_exports_are_removed(tmp_path):
    (tmp_path / f"{PREFIX}old/variables").mkdir(parents=True)
    write_version(tmp_path, _write)
    assert _names(tmp_path) == ["1"]


def test_the_folder_of_a_running_export_is_kept(tmp_path):
    inside = threading.Event(), threading.Event()

    def write_slowly(folder):
        inside[0].set()
        assert inside[1].wait(10)
        assert folder.exists()
        _write(folder)

    slow = threading.Thread(target=write_version, args=(tmp_path, write_slowly))
    slow.start()
    assert inside[0].wait(10)
    assert write_version(tmp_path, _write).name == "1"
    assert [name.startswith(PREFIX) for name in _names(tmp_path)] == [True, False]
    inside[1].set()
    slow.join()
    assert _names(tmp_path) == ["1", "2"]
    assert (tmp_path / "2/file").exists()


def test_exports_at_once_take_different_numbers(tmp_path):
    barrier = threading.Barrier(4)

    def write_together(folder):
        _write(folder)
        barrier.wait(10)

    threads = [
        threading.Thread(target=write_version, args=(tmp_path, write_together)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _names(tmp_path) == ["1", "2", "3", "4"]


def test_a_file_in_the_way_is_a_user_error(tmp_path):
    (tmp_path / "models").touch()
    with pytest.raises(UserError, match=f"cannot write in {tmp_path / 'models'}"):
        write_version(tmp_path / "models", _write)
