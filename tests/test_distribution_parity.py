"""Devices and workers share the work without changing what is learned."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.config.command import execute
from tests.loopback import free_addresses
from tfcolor.evaluate import COMMAND as EVALUATE
from tfcolor.train import COMMAND

pytestmark = pytest.mark.slow

LONGER = ("--num_steps=20", "--evaluate_every_steps=20", "--checkpoint_every_steps=10")
# Dropout is on in both. Where so few values are normalized, rounding grows some
# threefold per step at a higher rate, and after ten steps hides everything.
CASES = {
    "unequal_shards": ("--alexnet_use_batch_norm=false", "--batch_size=5"),
    "batch_norm": (
        "--alexnet_synchronize_batch_norm=true",
        "--learning_rate=0.0001",
        "--batch_size=8",
    ),
}
# Sums over two replicas round otherwise than sums over one. After 20 steps this
# was measured as 3e-7 of the losses and 7e-6 of the gradient norm.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def train_with_workers(start_command):
    """Trains in several processes that reach each other over loopback."""

    def train(arguments: list[str], count: int = 2) -> None:
        addresses = free_addresses(count)
        processes = []
        for index in range(count):
            place = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            flags = [*arguments, "--strategy=multi_worker"]
            processes.append(start_command("train", flags, TF_CONFIG=json.dumps(place)))
        shown = [process.wait() for process in processes]
        assert [process.returncode for process in processes] == [0] * count, shown

    return train


@pytest.fixture(scope="module", params=CASES)
def runs(request, tiny_flags, tmp_path_factory, train_with_workers) -> dict[str, Path]:
    """The same run on one replica, on two devices and by two workers."""
    folder = tmp_path_factory.mktemp(request.param)
    arguments = [*tiny_flags, *LONGER, *CASES[request.param]]
    paths = {name: folder / name for name in ("one", "devices", "workers")}
    assert execute(COMMAND, [*arguments, f"--run_dir={paths['one']}"]) == 0
    devices = ["--strategy=mirrored", "--num_virtual_devices=2"]
    assert execute(COMMAND, [*arguments, *devices, f"--run_dir={paths['devices']}"]) == 0
    train_with_workers([*arguments, f"--run_dir={paths['workers']}"])
    return paths


def figures(run: Path) -> np.ndarray:
    """Returns losses and gradient norm of every step, float64 [steps, 4]."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 21))
    names = ("loss", "loss_hue", "loss_chroma", "gradient_norm")
    return np.array([[line[name] for name in names] for line in lines])


def checkpoint_values(prefix: Path) -> dict[str, np.ndarray]:
    """Reads every variable of a checkpoint."""
    reader = tf.train.load_checkpoint(str(prefix))
    names = [name for name in reader.get_variable_to_shape_map() if "VARIABLE_VALUE" in name]
    return {name: reader.get_tensor(name) for name in names}


@pytest.mark.parametrize("shared", ["devices", "workers"])
def test_every_step_has_the_figures_of_one_replica(runs, shared):
    started = json.loads((runs[shared] / "run.json").read_text())
    assert started["num_replicas"] == 2
    one, other = figures(runs["one"]), figures(runs[shared])
    assert np.ptp(one[:, 0]) > 0.5
    np.testing.assert_allclose(other, one, rtol=TOLERANCE)


@pytest.mark.parametrize("shared", ["devices", "workers"])
def test_measurement_and_best_step_are_those_of_one_replica(runs, shared):
    one, other = (json.loads((runs[name] / "result.json").read_text()) for name in ("one", shared))
    assert other["best_step"] == one["best_step"]
    for name in ("train/loss", "heldout/loss", "best_loss", "heldout/constant_loss"):
        assert other[name] == pytest.approx(one[name], rel=TOLERANCE), name


@pytest.mark.parametrize("shared", ["devices", "workers"])
@pytest.mark.parametrize("folder", ["checkpoints", "checkpoints/best"])
def test_checkpoints_hold_the_values_of_one_replica(runs, shared, folder):
    prefixes = [tf.train.latest_checkpoint(str(runs[name] / folder)) for name in ("one", shared)]
    assert len({Path(prefix).name for prefix in prefixes}) == 1
    one, other = (checkpoint_values(prefix) for prefix in prefixes)
    assert set(one) == set(other)
    for name, value in one.items():
        # Small entries of a variable carry the rounding of its large ones. A bias
        # before a normalization has no gradient: what it holds is rounding.
        small = max(1e-3 * np.abs(value).max(), 1e-7)
        np.testing.assert_allclose(other[name], value, rtol=0.01, atol=small, err_msg=name)


def test_workers_leave_nothing_but_the_run(runs):
    names = {path.name for path in runs["workers"].iterdir()}
    assert names == {path.name for path in runs["one"].iterdir()}
    hidden = list(runs["workers"].rglob(".*"))
    assert hidden == []


def test_shared_run_is_evaluated_as_any_other(runs, photos, capsys):
    capsys.readouterr()
    results = []
    for run in (runs["one"], runs["workers"]):
        flags = [f"--model={run}", f"--images={photos}", "--network_min_side=32"]
        assert execute(EVALUATE, [*flags, "--colorization_num_images=2"]) == 0
        results.append(json.loads(capsys.readouterr().out))
    one, workers = results
    assert set(one) == set(workers)
    for name, figure in one.items():
        np.testing.assert_allclose(workers[name], figure, rtol=1e-3, err_msg=name)
