import dataclasses
import errno
import fcntl
import json
import logging
import os
import threading
from pathlib import Path

import pytest

from tfcolor.core.errors import UserError
from tfcolor.inference.jobs import Job
from tfcolor.inference.manifest import (
    DONE,
    FAILED,
    Manifest,
    Outcome,
    ResultFile,
    SourceState,
    format_outcome,
    parse_outcome,
    read_manifest,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out/manifest.jsonl"


def _outcome(folder, name="a", **changes):
    target = folder / f"{name}.png"
    outcome = Outcome(
        source=folder / f"../in/{name}.jpg",
        target=target,
        status=DONE,
        seconds=1.5,
        settings="5e",
        state=SourceState(7, 1_795_343_615_209_205_133, "ab"),
        results=(ResultFile(target, 9, "cd"),),
        lightness_deviation=0.0,
        doubt=0.25,
    )
    return dataclasses.replace(outcome, **changes)


def _write(path, *outcomes):
    with Manifest(path) as manifest:
        for outcome in outcomes:
            manifest.add(outcome)


@pytest.mark.parametrize("name", ["deep/a", "日本\n語", os.fsdecode(b"\xff{}"), 'x"\\'])
@pytest.mark.parametrize(
    "changes",
    [{}, {"status": FAILED, "error": "a\nb", "results": (), "doubt": None}],
    ids=["done", "failed"],
)
def test_an_outcome_is_one_line_of_ascii_and_comes_back(name, changes, tmp_path):
    outcome = _outcome(tmp_path, name, **changes)
    line = format_outcome(outcome, tmp_path)
    assert line.isascii()
    assert line.index("\n") == len(line) - 1
    assert json.loads(line)["path"] == f"../in/{name}.jpg"
    assert parse_outcome(line, tmp_path) == outcome


def test_names_are_relative_to_the_manifest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = json.loads(format_outcome(_outcome(Path("out")), Path("out")))
    assert (record["path"], record["target"]) == ("../in/a.jpg", "a.png")
    assert record["results"] == [{"path": "a.png", "size": 9, "sha256": "cd"}]


def test_the_last_line_of_a_target_counts(path):
    first, other = _outcome(path.parent, seconds=1.0), _outcome(path.parent, "b")
    last = _outcome(path.parent, seconds=2.0)
    _write(path, first, other, last)
    with Manifest(path) as manifest:
        assert manifest.find(Job(Path("in/a.jpg"), path.parent / "a.png")) == last
        assert manifest.find(Job(Path("in/c.jpg"), path.parent / "c.png")) is None
        assert list(manifest.outcomes()) == read_manifest(path) == [last, other]
    assert len(path.read_text().splitlines()) == 3


def test_one_line_for_each_photograph_is_left_in_the_end(path):
    folder = path.parent
    with Manifest(path) as manifest:
        manifest.add(_outcome(folder, "b"))
        manifest.add(_outcome(folder, "a", status=FAILED))
        manifest.add(_outcome(folder, "a"))
        manifest.compact()
        assert read_manifest(path) == [_outcome(folder, "a"), _outcome(folder, "b")]
    assert os.listdir(folder) == ["manifest.jsonl"]


@pytest.mark.parametrize("length", [1, 5, 40, -1])
def test_a_torn_last_line_is_cut_off(path, length):
    _write(path, _outcome(path.parent), _outcome(path.parent, "b"))
    first, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + last[:length])
    assert read_manifest(path) == [_outcome(path.parent)]
    _write(path, _outcome(path.parent, "c"))
    assert read_manifest(path) == [_outcome(path.parent), _outcome(path.parent, "c")]
    path.write_bytes(last[:length])
    _write(path, _outcome(path.parent, "c"))
    assert read_manifest(path) == [_outcome(path.parent, "c")]


def test_a_damaged_line_is_passed_over_aloud(path, caplog):
    caplog.set_level(logging.INFO)
    _write(path, _outcome(path.parent), _outcome(path.parent, "b"))
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = [b'{"path": "x"}\n', b"\0\0\0\n", b"[" * 100_000 + b"\n", b'{"results": 3}\n', b"\n"]
    path.write_bytes(lines[0] + b"".join(damaged) + lines[1])
    with Manifest(path) as manifest:
        assert len(list(manifest.outcomes())) == 2
    assert f"{path}: 5 damaged lines, whose photographs are colored again" in caplog.messages
    assert len(read_manifest(path)) == 2


def test_another_file_is_not_taken_for_a_manifest(path, tmp_path):
    photograph = tmp_path / "a.jpg"
    photograph.write_bytes(b"\xff\xd8 no line break")
    with pytest.raises(UserError, match=r"a\.jpg is no manifest; choose another --manifest"):
        Manifest(photograph)
    assert photograph.read_bytes() == b"\xff\xd8 no line break"


def test_two_processes_do_not_write_one_manifest(path):
    with Manifest(path), pytest.raises(UserError, match=r"another process writes .*\.jsonl"):
        Manifest(path)
    with Manifest(path) as manifest:
        manifest.compact()  # which replaces the file
        manifest.add(_outcome(path.parent))
    with Manifest(path) as manifest:
        assert list(manifest.outcomes()) == []


def test_a_lock_on_a_file_that_was_replaced_counts_for_nothing(path, monkeypatch):
    _write(path, _outcome(path.parent))
    lock, others = fcntl.flock, [path.read_bytes()]

    def replace_then_lock(file, operation):
        if others:
            path.unlink()
            path.write_bytes(others.pop())
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", replace_then_lock)
    with Manifest(path) as manifest:
        manifest.add(_outcome(path.parent, "b"))
    assert len(read_manifest(path)) == 2


def test_threads_write_whole_lines(path):
    with Manifest(path) as manifest:
        threads = [
            threading.Thread(
                target=lambda start=start: [
                    manifest.add(_outcome(path.parent, str(start + index))) for index in range(50)
                ]
            )
            for start in (0, 50, 100)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(read_manifest(path)) == len(path.read_bytes().splitlines()) == 150


def test_a_line_that_does_not_fit_on_the_disk_leaves_no_rest(path):
    class FullDisk:
        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, line):
            return self.file.write(line[:10])

    with Manifest(path) as manifest:
        manifest.add(_outcome(path.parent))
        manifest._file = FullDisk(manifest._file)
        with pytest.raises(OSError, match=r"No space left on device: '.*\.jsonl'") as caught:
            manifest.add(_outcome(path.parent, "b"))
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes().endswith(b"}\n")
    assert read_manifest(path) == [_outcome(path.parent)]


def test_a_manifest_that_cannot_be_written_or_read_is_an_error_of_the_user(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*m\.jsonl: "):
        Manifest(tmp_path / "file/m.jsonl")
    with pytest.raises(UserError, match=r"cannot write .*: Is a directory"):
        Manifest(tmp_path)
    with pytest.raises(UserError, match=r"cannot read .*x\.jsonl: No such file"):
        read_manifest(tmp_path / "x.jsonl")
