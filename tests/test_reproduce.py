"""`reproduce` as a user runs it, on tiny networks."""

import json
import struct

import numpy as np
import pytest
from PIL import Image

from tfcolor.config.command import execute
from tfcolor import evaluate, fit_parts, train
from tfcolor.config.reproduction import jobs
from tfcolor.data.sources.builtin_digits import draw_digit
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
COMMANDS = {main.COMMAND.name: main.COMMAND for main in (evaluate, fit_parts, train)}


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
def digits(tmp_path):
    """A folder with MNIST's four files: 992 drawn digits, of which 160 are to learn from."""
    folder, generator = tmp_path / "digits" / "mnist", np.random.default_rng(0)
    folder.mkdir(parents=True)
    for prefix, count in (("train", 900), ("t10k", 92)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        drawn = [draw_digit(int(label), 12.0, generator)[..., :1] for label in labels]
        images = np.stack(drawn).reshape(count, 28, 28)
        for name, values in (("images", images), ("labels", labels)):
            sizes = struct.pack(f">{values.ndim}I", *values.shape)
            content = bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes()
            (folder / f"{prefix}-{name}-idx{values.ndim}-ubyte").write_bytes(content)
    return folder.parent


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


@pytest.mark.slow
def test_parts_are_fitted_once_for_all_labels_and_for_a_few(digits, in_this_process, tmp_path):
    output = tmp_path / "out"
    flags = ["--table=1.2", f"--data={digits}", "--seeds=1", "--rows=ours,ours_10"]
    flags += ["--columns=basic", f"--output={output}"]
    assert execute(COMMAND, flags) == 0
    assert in_this_process == ["fit_parts", "fit_parts"]
    records = json.loads((output / "report.json").read_text())
    measured = {record["row"]: record for record in records if record["mean"] is not None}
    assert set(measured) == {"Our model, all labels", "Our model, 10 per class"}
    assert measured["Our model, 10 per class"]["published"] == 8.8
    assert 0 <= measured["Our model, all labels"]["mean"] < 50
    # Those to measure on are coded once; both samples of the others are.
    codes = output / "runs" / "plain_basic_seed0" / "codes"
    assert len(list(codes.iterdir())) == 3
    assert execute(COMMAND, flags) == 0
    assert len(in_this_process) == 2


def test_usage_errors_have_status_2(capsys):
    assert execute(COMMAND, ["--table=9.9"]) == 2
    assert "--table=9.9" in capsys.readouterr().err
