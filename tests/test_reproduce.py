"""`reproduce` as a user runs it, on tiny networks."""

import json

import numpy as np
import pytest
from PIL import Image

from tfcolor.config.command import execute
from tfcolor import evaluate, train
from tfcolor.config.reproduction import jobs
from tfcolor.reproduce import COMMAND

TINY = """--num_steps=1
--rate_drops=
--batch_size=1
--colorization_crop_size=32
--colorization_min_side=32
--colorization_max_side=40
--colorization_num_locations=4
--colorization_edge=4
--colorization_hidden_units=8
--segmentation_crop_size=32
--segmentation_edge=4
--segmentation_hidden_units=8
--alexnet_width_multiplier=0.03125
--checkpoint_every_steps=1
--log_every_steps=1
--evaluate_every_steps=1
--evaluate_num_examples=1
"""
COMMANDS = {main.COMMAND.name: main.COMMAND for main in (evaluate, train)}


@pytest.fixture
def data(photos, tmp_path):
    """Two photographs to learn from, one to measure on, and three street scenes."""
    root, files = tmp_path / "data", sorted(photos.iterdir())
    for name, file in (("train", files[0]), ("train", files[1]), ("val", files[2])):
        (root / "photos" / name).mkdir(parents=True, exist_ok=True)
        (root / "photos" / name / file.name).write_bytes(file.read_bytes())
    labels = np.arange(40 * 48).reshape(40, 48) % 12
    for split in ("train", "val", "test"):
        for folder, pixels in ((split, labels * 20), (f"{split}annot", labels)):
            (root / "camvid" / folder).mkdir(parents=True)
            Image.fromarray(pixels.astype(np.uint8)).save(root / "camvid" / folder / "scene.png")
    return root


@pytest.fixture
def in_this_process(monkeypatch):
    """Saves the start of a process for each command, which tests of jobs cover."""
    made = []

    def run(arguments, log):
        made.append(arguments[0])
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"{jobs._header(arguments)}\n")
        assert execute(COMMANDS[arguments[0]], arguments[1:]) == 0

    monkeypatch.chdir(jobs.PROJECT)
    monkeypatch.setattr(jobs, "run_command", run)
    return made


@pytest.mark.slow
def test_a_chain_is_trained_and_measured(data, in_this_process, tmp_path):
    output = tmp_path / "out"
    (tmp_path / "tiny.cfg").write_text(TINY)
    flags = ["--table=3.4", f"--data={data}", "--seeds=1", "--rows=alexnet_3"]
    flags += ["--columns=segmentation", f"--output={output}"]
    flags.append(f"--train_flagfile={tmp_path / 'tiny.cfg'}")
    assert execute(COMMAND, flags) == 0
    assert in_this_process == ["train", "train", "evaluate"]
    records = json.loads((output / "report.json").read_text())
    (measured,) = [record for record in records if record["mean"] is not None]
    assert (measured["row"], measured["published"]) == ("AlexNet, colorization, 3 epochs", 36.2)
    assert 0 <= measured["mean"] <= 100
    # Finished work is recognized.
    assert execute(COMMAND, flags) == 0
    assert len(in_this_process) == 3


def test_usage_errors_have_status_2(capsys):
    assert execute(COMMAND, ["--table=9.9"]) == 2
    assert "--table=9.9" in capsys.readouterr().err
