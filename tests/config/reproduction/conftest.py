"""Processes and data sets that are not there."""

import json
from pathlib import Path

import pytest

from tfcolor.config.reproduction import jobs

FIGURES = {
    "psnr_db": 24.0,
    "rmse_alphabeta": 0.3,
    "rmse_alphabeta_eps_0.05": 0.25,
    "mean_iou": 0.5,
    "mean_average_precision": 0.25,
    "top5_accuracy": 0.125,
    "top1_error_rate": 0.0625,
    "top1_accuracy": 0.1875,
    "curve": [{"accuracy_mean": 0.0625}],
    "layers": {"block3": {"top1_accuracy": 0.125, "top5_accuracy": 0.3125}},
    "mean_average_precision_50": 0.25,
    "mean_average_precision_75": 0.125,
    "delta_1": 0.375,
    "delta_2": 0.5,
    "delta_3": 0.75,
    "mae": 0.5,
    "mre": 0.25,
}


def values_of(command) -> dict[str, str]:
    """Returns the flags of a command, the last of each name."""
    return dict(flag.removeprefix("--").split("=", 1) for flag in command if "=" in flag)


@pytest.fixture
def commands(monkeypatch):
    """Replaces the processes by files as they would leave them; collects the commands."""
    made = []

    def run(arguments, log):
        made.append(list(arguments))
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"{jobs._header(arguments)}\n")
        values = values_of(arguments)
        if arguments[0] == "fit_parts":
            folder = Path(values["run_dir"])
            folder.mkdir(parents=True, exist_ok=True)
            result = {"wall_seconds": 30.0, "heldout_error_rate": 0.03125}
            (folder / "result.json").write_text(json.dumps(result))
        elif arguments[0] == "train":
            folder = Path(values["run_dir"])
            (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
            result = {"wall_seconds": 60.0, "steps": 300, "heldout/top1_accuracy": 0.4375}
            (folder / "result.json").write_text(json.dumps(result))
            for step in range(20, 301, 20):
                (folder / "checkpoints" / f"ckpt-{step}.index").touch()
        elif arguments[0] == "evaluate":
            path = Path(values["output_json"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(FIGURES))
        else:
            folder = Path(values["output"])
            folder.mkdir(parents=True, exist_ok=True)
            results = [one.split(":", 1) for one in values.get("downstream", "").split(",") if one]
            numbers = {
                "downstream": [{"step": int(s), "value": 0.5, "file": f} for s, f in results],
                "verdict": "undecided, nothing was measured",
                "scratch": [{"count": 500, "accuracies": [0.25, 0.125]}],
                "tuned": [{"count": 500, "accuracies": [0.375]}],
                "utilities": [{"count": 500, "text": "> 3.00"}],
            }
            (folder / f"{values['analysis']}.json").write_text(json.dumps(numbers))

    monkeypatch.setattr(jobs, "run_command", run)
    return made


@pytest.fixture
def data(tmp_path):
    """The folder of all data sets of small scale, without a file in it."""
    for name in (
        "photos/train",
        "photos/val",
        "camvid/train",
        "cifar-100-python",
        "VOC2007",
        "mnist",
        "raccoon",
        "video",
    ):
        (tmp_path / "data" / name).mkdir(parents=True)
    return tmp_path / "data"
