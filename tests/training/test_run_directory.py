import json
import math
import os

import pytest
import tensorflow as tf

import tfcolor
from tfcolor.core.errors import UserError
from tfcolor.training.run_directory import RunDirectory


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(tmp_path / "runs" / "first")


def _logged(directory):
    lines = (directory.path / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=pytest.fail) for line in lines]


def test_folder_is_made_and_may_exist(directory):
    assert directory.checkpoints.is_dir()
    RunDirectory(directory.path)


def test_a_file_in_the_way_is_a_user_error(tmp_path):
    (tmp_path / "run").touch()
    with pytest.raises(UserError, match=f"cannot create {tmp_path / 'run'}"):
        RunDirectory(tmp_path / "run")


def test_a_folder_that_cannot_be_written_is_a_user_error(directory, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match=r"cannot write in .* choose another --run_dir"):
        RunDirectory(directory.path)


def test_start_is_recorded(directory, two_devices):
    directory.record_start(two_devices, seed=3)
    record = json.loads((directory.path / "run.json").read_text())
    assert record["tfcolor"] == tfcolor.__version__
    assert record["packages"]["tensorflow"] == tf.__version__
    assert record["strategy"] == "MirroredStrategy"
    assert (record["num_replicas"], record["seed"]) == (2, 3)
    assert {"git_commit", "devices", "start_time", "argv", "python"} <= set(record)


def test_steps_are_logged_one_a_line(directory):
    directory.log_step({"step": 1, "loss": 0.5})
    directory.log_step({"step": 2, "loss": 0.25})
    assert _logged(directory) == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]


def test_numbers_that_json_lacks_are_logged_as_null(directory):
    directory.log_step({"step": 1, "gradient_norm": math.inf, "loss": math.nan})
    assert _logged(directory) == [{"step": 1, "gradient_norm": None, "loss": None}]


def test_steps_after_the_checkpoint_and_torn_lines_are_forgotten(directory):
    for step in (10, 20, 30):
        directory.log_step({"step": step})
    with (directory.path / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 2')
    directory.forget_after(20)
    assert [line["step"] for line in _logged(directory)] == [10, 20]
    directory.log_step({"step": 30})
    assert [line["step"] for line in _logged(directory)] == [10, 20, 30]


def test_a_run_without_a_log_has_nothing_to_forget(directory):
    directory.forget_after(0)
    assert not (directory.path / "metrics.jsonl").exists()


def test_result_marks_the_run_as_finished(directory):
    assert directory.read_result() is None
    directory.write_result({"steps": 2, "best_loss": math.inf})
    assert directory.read_result() == {"steps": 2, "best_loss": None}
    assert list(directory.path.glob(".*")) == []
