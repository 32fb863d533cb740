import threading

from tfcolor.server.watcher import (
    Repeater,
    describe_missing_versions,
    find_versions,
    fingerprint,
)


def test_versions_are_folders_named_by_numbers(tmp_path):
    for name in ("1", "00000123", "x", ".exporting_1", "-3", "1.5", "٣"):
        (tmp_path / name).mkdir()
    (tmp_path / "7").touch()
    versions = find_versions(tmp_path)
    assert versions == {1: tmp_path / "1", 123: tmp_path / "00000123"}
    assert find_versions(tmp_path / "missing") == {}


def test_fingerprints_change_with_any_file(tmp_path):
    (tmp_path / "variables").mkdir()
    file = tmp_path / "variables/data"
    file.write_bytes(b"12")
    before = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == before
    file.write_bytes(b"123")
    grown = fingerprint(tmp_path)
    (tmp_path / "more").touch()
    assert len({before, grown, fingerprint(tmp_path)}) == 3


def test_errors_are_logged_once_and_do_not_end_the_thread(caplog):
    calls, enough = [], threading.Event()

    def work():
        calls.append(len(calls))
        if len(calls) == 4:
            enough.set()
        raise OSError("the disk sleeps" if len(calls) < 3 else "the disk is gone")

    repeater = Repeater(work, 0.001, "watcher")
    repeater.start()
    assert enough.wait(10)
    repeater.stop()
    assert [line.split(": ")[-1] for line in caplog.messages] == [
        "the disk sleeps",
        "the disk is gone",
    ]


def test_no_interval_means_no_thread():
    repeater = Repeater(lambda: None, 0.0, "watcher")
    repeater.start()
    repeater.stop()
    assert "watcher" not in {thread.name for thread in threading.enumerate()}


def test_a_folder_without_versions_says_where_there_are_some(tmp_path):
    (tmp_path / "models/a/1").mkdir(parents=True)
    (tmp_path / "models/a/1/saved_model.pb").touch()
    (tmp_path / "empty").mkdir()
    tell = describe_missing_versions
    assert tell(tmp_path / "empty") == f"there is no version in {tmp_path}/empty yet"
    assert tell(tmp_path / "models").endswith(f"did you mean {tmp_path}/models/a?")
    assert "name the folder above it" in tell(tmp_path / "models/a/1")
