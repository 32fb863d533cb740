import json

import pytest

from tfcolor.config.command import execute
from tfcolor.shard import COMMAND


def test_help_teaches(capsys):
    assert execute(COMMAND, ["--help"]) == 0
    shown = capsys.readouterr().out
    assert "--num_shards=" in shown
    assert "shared file system" in shown


def test_photographs_become_a_data_set(photos, tmp_path, capsys):
    pytest.importorskip("apache_beam")
    flags = [f"--images={photos}", f"--output={tmp_path}/shards", "--num_shards=2"]
    assert execute(COMMAND, flags) == 0
    assert json.loads((tmp_path / "shards/dataset.json").read_text())["num_images"] == 6
    assert not (tmp_path / "shards/unreadable.jsonl").exists()
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == f"tfcolor shard: wrote 6 images in 2 shards to {tmp_path}/shards"


@pytest.mark.parametrize(
    ("status", "arguments", "words"),
    [
        (2, ["--images={photos}"], "--output"),
        (2, ["--images={photos}", "--output={folder}/x", "--num_shards=7"], "at most 6"),
        (2, ["--images={photos}", "--output={folder}/x", "--encoding=gif"], "keep, jpeg"),
        (1, ["--images={folder}/none", "--output={folder}/x"], "no such folder"),
    ],
)
def test_mistake_is_one_line(photos, tmp_path, capsys, status, arguments, words):
    places = {"photos": photos, "folder": tmp_path}
    assert execute(COMMAND, [text.format(**places) for text in arguments]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tfcolor shard: ")
    assert words in line
    assert not (tmp_path / "x").exists()


def test_a_folder_that_cannot_be_made_is_named(photos, tmp_path, capsys):
    pytest.importorskip("apache_beam")
    (tmp_path / "file").touch()
    flags = [f"--images={photos}", f"--output={tmp_path}/file/x", "--num_shards=2"]
    assert execute(COMMAND, flags) == 1
    assert f"cannot write to {tmp_path}/file/x" in capsys.readouterr().err
