"""Runs that are killed, stopped or damaged end where an undisturbed run ends."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.config.command import execute
from tfcolor.train import COMMAND

pytestmark = pytest.mark.slow

NUM_STEPS = 40
LONGER = (f"--num_steps={NUM_STEPS}", "--evaluate_every_steps=20", "--checkpoint_every_steps=3")


def logged_steps(run: Path) -> list[int]:
    """Returns the steps of the whole lines of the log."""
    log = run / "metrics.jsonl"
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    return [json.loads(line)["step"] for line in lines if line.endswith("\n")]


def saved_steps(run: Path) -> list[int]:
    """Returns the steps of the run's checkpoints, in order."""
    return sorted(int(path.stem.split("-")[1]) for path in (run / "checkpoints").glob("*.index"))


def last_values(run: Path) -> dict[str, np.ndarray]:
    """Reads the last checkpoint: weights, statistics, momentum, plateau, step."""
    reader = tf.train.load_checkpoint(str(run / "checkpoints" / f"ckpt-{NUM_STEPS}"))
    names = [name for name in reader.get_variable_to_shape_map() if "VARIABLE_VALUE" in name]
    # TensorFlow counts how often this process saved.
    return {name: reader.get_tensor(name) for name in names if "save_counter" not in name}


def assert_same_end(run: Path, other: Path) -> None:
    """Checks that two runs ended in the same bits after the same steps."""
    values, others = last_values(run), last_values(other)
    assert set(values) == set(others)
    assert len(values) > 40
    for name, value in values.items():
        np.testing.assert_array_equal(value, others[name], err_msg=name)
    logs = [
        [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
        for path in (run, other)
    ]
    assert [line["step"] for line in logs[0]] == list(range(1, NUM_STEPS + 1))
    assert [line["loss"] for line in logs[0]] == [line["loss"] for line in logs[1]]


@pytest.fixture(scope="module")
def train_to_end(start_command):
    """Trains in processes side by side; returns what each showed.

    The tests' own process has other devices, with which sums round otherwise.
    """

    def train(*commands: list[str]) -> list[str]:
        processes = [start_command("train", arguments) for arguments in commands]
        shown = [process.wait() for process in processes]
        assert [process.returncode for process in processes] == [0] * len(commands), shown
        return shown

    return train


@pytest.fixture(scope="module")
def whole_run(tiny_flags, tmp_path_factory) -> Path:
    """A run that nothing disturbed, in a process as a user starts it."""
    run = tmp_path_factory.mktemp("faults") / "whole"
    command = [sys.executable, "-m", "tfcolor.train", *tiny_flags, *LONGER, f"--run_dir={run}"]
    subprocess.run(command, cwd=Path(__file__).parents[1], check=True, timeout=300)
    return run


def copy_unfinished(run: Path, copy: Path) -> Path:
    """Copies a run without its result; returns the data file of its last checkpoint."""
    shutil.copytree(run, copy)
    (copy / "result.json").unlink()
    return copy / "checkpoints" / f"ckpt-{NUM_STEPS}.data-00000-of-00001"


def wait_for_step(process, run: Path, step: int) -> None:
    """Waits until a training process has logged a step."""
    deadline = time.monotonic() + 200
    while max(logged_steps(run), default=0) < step:
        assert process.returncode is None, process.shown()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_run_ends_in_the_same_bits_however_it_is_interrupted(
    whole_run, tiny_flags, tmp_path, start_command, train_to_end
):
    random_numbers = np.random.default_rng(20160330)
    run = tmp_path / "run"
    arguments = [*tiny_flags, *LONGER, f"--run_dir={run}"]
    killers = [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGKILL]
    for killer in killers:
        seen = max(logged_steps(run), default=0)
        process = start_command("train", arguments)
        wait_for_step(process, run, seen + int(random_numbers.integers(1, 7)))
        time.sleep(random_numbers.uniform(0, 0.03))
        process.send_signal(killer)
        shown = process.wait()
        if killer == signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
            continue
        assert process.returncode == 128 + killer
        last = max(logged_steps(run))
        assert saved_steps(run)[-1] == last
        assert shown.splitlines()[-1].startswith("tfcolor train: stopped by a signal")
        assert f"step {last} is saved" in shown
    train_to_end(arguments)
    assert_same_end(run, whole_run)


def test_damaged_last_checkpoint_is_passed_over_aloud(
    whole_run, tiny_flags, tmp_path, train_to_end
):
    cut = copy_unfinished(whole_run, tmp_path / "cut")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    copy_unfinished(whole_run, tmp_path / "half").with_name(f"ckpt-{NUM_STEPS}.index").unlink()
    shown = train_to_end(
        *([*tiny_flags, *LONGER, f"--run_dir={tmp_path}/{name}"] for name in ("cut", "half"))
    )
    assert f"ckpt-{NUM_STEPS} is damaged" in shown[0]
    for name, text in zip(("cut", "half"), shown, strict=True):
        assert "from step 39" in text
        assert_same_end(tmp_path / name, whole_run)


def test_run_without_a_whole_checkpoint_is_an_error(whole_run, tiny_flags, tmp_path, capfd):
    run = tmp_path / "run"
    for data in copy_unfinished(whole_run, run).parent.glob("*.data-*"):
        data.write_bytes(b"")
    assert execute(COMMAND, [*tiny_flags, *LONGER, f"--run_dir={run}"]) == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("tfcolor train: none of the ")
    assert len(logged_steps(run)) == NUM_STEPS
