import json
import os
from pathlib import Path

import pytest

from tests.config.reproduction.conftest import values_of
from tfcolor.config.reproduction.reproduction import ReproduceOptions, run_reproduction
from tfcolor.core.errors import UsageError


def reproduce(data, output, **options):
    chosen = {"figure": "utility", "seeds": 2, "columns": ("5", "160"), **options}
    return run_reproduction(ReproduceOptions(data=str(data), output=str(output), **chosen))


@pytest.fixture
def made(data, commands, tmp_path):
    """Makes one series of the figure; returns the report's folder and the commands."""
    reproduce(data, tmp_path / "out", rows=("rotation",))
    return tmp_path / "out", list(commands)


def test_each_seed_is_pretrained_once_and_trained_with_each_number_of_labels(made):
    _, commands = made
    kinds = [command[0] for command in commands]
    assert (kinds.count("train"), kinds.count("evaluate"), kinds.count("analyze")) == (10, 8, 1)
    tuned = [values_of(one) for one in commands if "--images_per_class=160" in one]
    starts = [one.get("initial_weights", "").rpartition("/")[-1] for one in tuned]
    assert sorted(starts) == ["", "", "utility_rotation_seed0", "utility_rotation_seed1"]
    assert [one["data_seed"] for one in tuned] == [one["seed"] for one in tuned]
    assert {one["seed"] for one in tuned} == {"0", "1"}
    assert all(one["images"].endswith("cifar-100-python:train") for one in tuned)


def test_results_reach_the_analysis_with_their_labels(made):
    output, commands = made
    (drawn,) = [values_of(one) for one in commands if one[0] == "analyze"]
    for name in ("scratch", "tuned"):
        results = [one.split(":") for one in drawn[f"utility_{name}"].split(",")]
        assert [count for count, _ in results] == ["500", "16000"] * 2
        paths = {path for _, path in results}
        assert len(paths) == 4
        assert all(json.loads(Path(path).read_text())["top1_accuracy"] == 0.1875 for path in paths)
    page = (output / "report.md").read_text()
    assert "![Rotation](rotation/utility.png)" in page
    assert page.count("tfcolor train") == 10
    assert "--figure=utility --scale=small" in page and "--seeds=2 --columns=5,160`" in page
    assert "Outcome: undecided, nothing was measured." in page
    assert "| 500 | 18.8 ± 8.8 | 37.5 | > 3.00 |" in page


def test_what_was_done_is_not_done_again_and_scratch_is_shared(made, data, commands):
    output, before = made
    reproduce(data, output, rows=("rotation",))
    assert commands == before
    reproduce(data, output, rows=("simclr",))
    new = commands[len(before) :]
    assert [command[0] for command in new].count("train") == 2 + 4


def test_a_newer_measurement_is_drawn_again(made, data, commands):
    output, before = made
    os.utime(output / "rotation" / "tuned_5_seed0.json")
    reproduce(data, output, rows=("rotation",))
    assert [command[0] for command in commands[len(before) :]] == ["analyze"]


def test_unknown_numbers_of_labels_are_named(data, commands, tmp_path):
    with pytest.raises(UsageError, match="--columns=7: expected some of 5, 10, 20, 40, 80, 160"):
        reproduce(data, tmp_path / "out", columns=("7",))
