import json
from pathlib import Path

import pytest

from tfcolor.config.reproduction import TABLES, jobs
from tfcolor.config.reproduction.jobs import Place, evaluate_row, run_of, train_row
from tfcolor.core.errors import UserError

ROWS = {row.name: row for row in TABLES["2.2"].rows}


@pytest.fixture
def place(tmp_path):
    return Place("train", "val", tmp_path / "out", ("configs/base/reproduction_small.cfg",))


@pytest.fixture
def commands(monkeypatch):
    """Replaces the processes; collects their commands."""
    made = []

    def run(arguments, log):
        made.append(list(arguments))
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(jobs.format_command(arguments) + "\n")
        values = dict(flag.removeprefix("--").split("=", 1) for flag in arguments if "=" in flag)
        if arguments[0] == "train":
            folder = Path(values["run_dir"])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "result.json").write_text('{"wall_seconds": 60.0}')
        else:
            Path(values["output_json"]).parent.mkdir(parents=True, exist_ok=True)
            Path(values["output_json"]).write_text('{"psnr_db": 24.0}')

    monkeypatch.setattr(jobs, "run_command", run)
    return made


def test_rows_of_one_flagfile_share_a_run(place, commands):
    assert run_of(ROWS["hue_chroma"], 1, place) == run_of(ROWS["fading"], 1, place)
    for name in ("hue_chroma", "fading"):
        train_row(ROWS[name], 1, place)
    (command,) = commands
    assert command[:3] == [
        "train",
        "--flagfile=configs/table_2_2/hue_chroma.cfg",
        "--flagfile=configs/base/reproduction_small.cfg",
    ]
    assert "--seed=1" in command


def test_a_run_by_another_command_is_left_to_train_to_refuse(place, commands):
    train_row(ROWS["fading"], 0, place)
    other = Place("elsewhere", "val", place.output, place.overrides)
    train_row(ROWS["fading"], 0, other)
    assert len(commands) == 2


def test_a_measured_row_is_read_and_not_measured_again(place, commands):
    train_row(ROWS["hue_chroma"], 0, place)
    first = evaluate_row(ROWS["hue_chroma"], 0, place)
    assert evaluate_row(ROWS["hue_chroma"], 0, place) == first
    assert [command[0] for command in commands] == ["train", "evaluate"]
    assert "--nodecoding_use_fading" in commands[1] and "--checkpoint=last" in commands[1]
    assert first["psnr_db"] == 24.0 and first["seconds"] >= 60
    assert first["command"].startswith("tfcolor evaluate --protocol=colorization --images=val")
    (kept,) = (place.output / "figures").iterdir()
    assert json.loads(kept.read_text()) == first


def test_the_baseline_needs_no_run(place, commands):
    evaluate_row(ROWS["gray"], 0, place)
    assert "--baseline=gray" in commands[0]


def test_a_failing_command_shows_its_end_and_its_log(tmp_path):
    with pytest.raises(UserError, match=r"tfcolor evaluate --protocol=none failed, see .*log: .*"):
        jobs.run_command(["evaluate", "--protocol=none"], tmp_path / "log")
    assert "expected one of" in (tmp_path / "log").read_text()
