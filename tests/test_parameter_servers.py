"""A cluster that loses a worker and a parameter server learns what one device learns."""

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
    cluster = Loopback(start_command, num_workers=2)
    flags = [*arguments, f"--run_dir={shared}"]
    server, worker, _, chief = cluster.start(flags)
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
    assert group["contributions"] == [NUM_STEPS] * 2
    assert min(group["attempts"]) >= NUM_STEPS
    for process in restarted:
        assert "the run is over" in process.wait()
        assert process.returncode == 0
