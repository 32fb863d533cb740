import json

import pytest

from tfcolor.config.reproduction.reproduction import ReproduceOptions, run_reproduction
from tfcolor.core.errors import UsageError, UserError


def reproduce(figure, data, output, **options):
    return run_reproduction(
        ReproduceOptions(figure=figure, data=str(data), output=str(output), **options)
    )


def test_feature_shift_compares_before_and_after(data, commands, tmp_path):
    report = reproduce("3.3", data, tmp_path / "out", rows=("colorization",))
    assert [command[0] for command in commands] == ["train", "train", "analyze"]
    runs = tmp_path / "out" / "runs"
    assert f"--model={runs}/cifar_scenes_10_epochs_seed0" in commands[2]
    after = f"{runs}/cifar_scenes_10_epochs+cifar_scenes_segmentation_fov_seed0"
    assert f"--other_model={after}" in commands[2] and "--checkpoint=last" in commands[2]
    page = report.read_text()
    assert "![Colorization](colorization/feature_shift.png)" in page
    (record,) = json.loads((tmp_path / "out" / "report.json").read_text())
    assert record["numbers"] == "colorization/feature_shift.json"
    reproduce("3.3", data, tmp_path / "out", rows=("colorization",))
    assert len(commands) == 3


def test_a_learning_curve_trains_from_the_snapshots_that_are_nearest(data, commands, tmp_path):
    report = reproduce("3.4", data, tmp_path / "out")
    words = [word for command in commands for word in command]
    starts = [int(word[21:]) for word in words if word.startswith("--initial_checkpoint=")]
    # The run without drops has one more from its end.
    assert starts == [20, 100, 200, 220, 300, 300]
    (curve, _) = [command for command in commands if command[0] == "analyze"]
    (results,) = [flag for flag in curve if flag.startswith("--downstream=")]
    assert [one.split(":")[0] for one in results[13:].split(",")] == [
        *("0", "20", "100", "200", "220", "300")
    ]
    assert "| 220 | 50.0 |" in report.read_text()
    assert [command[0] for command in commands].count("evaluate") == 7


def test_top_activations_need_no_fine_tuning(data, commands, tmp_path):
    reproduce("3.5", data, tmp_path / "out", rows=("classification",))
    assert [command[0] for command in commands] == ["train", "analyze"]
    assert f"--images={data}/photos/val" in commands[1]


def test_what_cannot_be_shown_is_said(data, commands, tmp_path):
    (data / "cifar-100-python").rmdir()
    page = reproduce("3.3", data, tmp_path / "out").read_text()
    assert f"Left out: Classification: there is no {data}/cifar-100-python." in page
    (data / "photos" / "val").rmdir()
    with pytest.raises(UserError, match="nothing can be shown"):
        reproduce("3.3", data, tmp_path / "out")
    with pytest.raises(UsageError, match="--rows=x: expected some of colorization, classification"):
        reproduce("3.3", data, tmp_path / "out", rows=("x",))
