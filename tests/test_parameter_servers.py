"""Clusters that lose processes, that do not wait for a slow one, and whose workers do not wait."""

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tfcolor.config.command import execute
from tests.loopback import Loopback
from tfcolor.train import COMMAND

pytestmark = pytest.mark.slow

NUM_STEPS = 24
LONGER = (
    f"--num_steps={NUM_STEPS}",
    f"--evaluate_every_steps={NUM_STEPS}",
    # Which takes time, so that there is a middle of the run to kill processes in.
    "--checkpoint_every_steps=1",
    "--alexnet_use_batch_norm=false",
    "--batch_size=5",
)
# Sums over shares of a batch round otherwise than the sum over all of it.
TOLERANCE = 1e-4


def figures(run: Path) -> np.ndarray:
    """Returns losses and gradient norm of every step, float64 [steps, 4]."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, NUM_STEPS + 1))
    names = ("loss", "loss_hue", "loss_chroma", "gradient_norm")
    return np.array([[line[name] for name in names] for line in lines])


def wait_for_steps(chief, run: Path, count: int) -> None:
    """Waits until a run has logged so many steps."""
    log, deadline = run / "metrics.jsonl", time.monotonic() + 200
    while not log.exists() or len(log.read_text().splitlines()) < count:
        assert chief.returncode is None, chief.shown()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_kills_of_a_worker_and_of_a_server_change_nothing(tiny_flags, tmp_path, start_command):
    arguments = [*tiny_flags, *LONGER]
    one, shared = tmp_path / "one", tmp_path / "shared"
    cluster = Loopback(start_command, num_workers=2, num_servers=2)
    flags = [*arguments, f"--run_dir={shared}"]
    server, _, worker, _, chief = cluster.start(flags)
    wait_for_steps(chief, shared, 3)
    worker.send_signal(signal.SIGKILL)
    wait_for_steps(chief, shared, 8)
    server.send_signal(signal.SIGKILL)
    assert "start it and this command again" in chief.wait().splitlines()[-1]
    assert chief.returncode == 1
    restarted = [cluster.start_one("ps", 0, flags), cluster.start_one("worker", 0, flags)]
    chief = cluster.start_one("chief", 0, flags)
    shown = chief.wait()
    assert chief.returncode == 0, shown
    assert "resuming" in shown
    assert execute(COMMAND, [*arguments, f"--run_dir={one}"]) == 0
    np.testing.assert_allclose(figures(shared), figures(one), rtol=TOLERANCE)
    (group,) = json.loads((shared / "result.json").read_text())["groups"]
    assert group["updates"] == NUM_STEPS
    assert group["contributions"] == NUM_STEPS * 2
    assert group["attempts"] >= NUM_STEPS * 2
    for process in restarted:
        assert "the run is over" in process.wait()
        assert process.returncode == 0


def groups_of(run: Path) -> list[dict]:
    """Returns what became of the gradients of each group of workers."""
    return json.loads((run / "result.json").read_text())["groups"]


def test_two_tasks_lose_no_gradient_with_a_worker_or_a_server(tiny_flags, tmp_path, start_command):
    """Two groups of two workers, whose tasks have batch norm statistics of their own."""
    tasks = ["--task=colorization,colorization", "--task_workers=2,2", "--optimizer=rmsprop"]
    flags = [*tiny_flags, *LONGER, "--alexnet_use_batch_norm=true", *tasks]
    flags += ["--learning_rate=1e-4", f"--run_dir={tmp_path}"]
    cluster = Loopback(start_command, num_workers=4)
    server, worker, *others, chief = cluster.start(flags)
    wait_for_steps(chief, tmp_path, 3)
    worker.send_signal(signal.SIGKILL)
    wait_for_steps(chief, tmp_path, 8)
    server.send_signal(signal.SIGKILL)
    assert "start it and this command again" in chief.wait().splitlines()[-1]
    restarted = [cluster.start_one("ps", 0, flags), cluster.start_one("worker", 0, flags)]
    chief = cluster.start_one("chief", 0, flags)
    shown = chief.wait()
    assert chief.returncode == 0, shown
    assert "resuming" in shown
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, NUM_STEPS + 1))
    assert all(np.isfinite(value) for line in lines for value in line.values())
    groups = groups_of(tmp_path)
    assert sum(group["updates"] for group in groups) == NUM_STEPS
    for group in groups:
        assert group["updates"] > 0
        assert group["contributions"] == group["updates"] * 2
    for process in (*others, *restarted):
        assert "the run is over" in process.wait()


def test_a_worker_that_hangs_is_not_waited_for(tiny_flags, tmp_path, start_command):
    # Nothing is saved meanwhile: TensorFlow tells every process of the graph of a checkpoint.
    few_looks = [f"--{one}_every_steps=1000" for one in ("checkpoint", "evaluate")]
    flags = [*tiny_flags, *LONGER, *few_looks, "--num_steps=150", "--num_backups=1"]
    flags.append(f"--run_dir={tmp_path}")
    _, worker, _, _, chief = Loopback(start_command, num_workers=3).start(flags)
    wait_for_steps(chief, tmp_path, 3)
    worker.send_signal(signal.SIGSTOP)
    wait_for_steps(chief, tmp_path, 100)
    worker.send_signal(signal.SIGCONT)
    shown = chief.wait()
    assert chief.returncode == 0, shown
    (group,) = groups_of(tmp_path)
    assert group["updates"] == 150
    # One process held the contribution of one place in the group.
    assert 2 * 150 <= group["contributions"] < 2 * 150 + 60
    assert group["contributions"] <= group["attempts"]


def test_workers_that_wait_for_nobody_make_every_update_once(tiny_flags, tmp_path, start_command):
    flags = [*tiny_flags, *LONGER, "--synchronization=asynchronous", f"--run_dir={tmp_path}"]
    *_, chief = Loopback(start_command, num_workers=2).start(flags)
    shown = chief.wait()
    assert chief.returncode == 0, shown
    assert np.all(np.isfinite(figures(tmp_path)))
    groups = groups_of(tmp_path)
    assert [group["contributions"] for group in groups] == [one["updates"] for one in groups]
    assert sum(group["updates"] for group in groups) == NUM_STEPS
    assert min(group["updates"] for group in groups) > 0


def test_the_mistake_of_a_worker_is_told_by_the_chief(tiny_flags, tmp_path, start_command):
    flags = [*tiny_flags, f"--run_dir={tmp_path}"]
    cluster = Loopback(start_command, num_workers=2)
    chief = cluster.start_one("chief", 0, flags)
    for job, index in (("ps", 0), ("worker", 0)):
        cluster.start_one(job, index, flags)
    cluster.start_one("worker", 1, [*flags, "--seed=99"])
    shown = chief.wait()
    assert chief.returncode == 1
    assert "waiting for 3 processes of the cluster: ps 0 at localhost:" in shown
    assert "a worker was started with other flags than the chief" in shown.splitlines()[-1]
    assert "Graph execution error" not in shown  # nor what the coordinator logs
