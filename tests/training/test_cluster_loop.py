"""A run of two groups whose workers are threads of this process."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.training.test_exchange import Coordinator, build
from tfcolor.core.errors import UserError
from tfcolor.training.cluster_loop import Cluster, ClusterTrainer, report_lost_servers
from tfcolor.training.loop import Run
from tfcolor.training.options import JointOptions, OptimizationOptions, TrainingOptions
from tfcolor.training.run_directory import RunDirectory
from tfcolor.training.signals import StoppedError, StopRequest

TRAINING = TrainingOptions(
    num_steps=10,
    log_every_steps=1,
    checkpoint_every_steps=4,
    evaluate_every_steps=100,
    evaluate_num_examples=1,
)
OPTIMIZATION = OptimizationOptions(learning_rate=0.1, momentum=0.0, weight_decay=0.0)


class FailingCoordinator(Coordinator):
    """Loses a parameter server after some contributions."""

    left = 5

    def schedule(self, graph, args):
        self.left -= 1
        if self.left < 0:
            raise tf.errors.UnavailableError(None, None, "Socket closed")
        return super().schedule(graph, args)


@pytest.fixture
def trainer(tmp_path, monkeypatch):
    """Returns what builds a trainer, as of a new process, and its cluster."""
    monkeypatch.setattr(ClusterTrainer, "_look_figures", lambda self: {"heldout/0/loss": 1.0})
    monkeypatch.setattr(ClusterTrainer, "_watched", lambda self, figures: -1.0)

    def make(coordinator=None, request=None):
        exchanges, crews, trunk = build("hybrid", (2, 1))
        by_task = {int(crew.member.name): crew for crew in crews}
        updates = tuple(by_task[task].update for task in range(2))
        run = Run(
            members=tuple(by_task[task].member for task in range(2)),
            network=trunk,
            backbone=trunk,
            strategy=tf.distribute.OneDeviceStrategy("/cpu:0"),
            training=TRAINING,
            optimization=OPTIMIZATION,
            joint=JointOptions(),
            directory=RunDirectory(tmp_path),
            flags={},
        )
        cluster = Cluster(coordinator or Coordinator(), tuple(exchanges), tuple(crews), updates)
        return ClusterTrainer(run, request or StopRequest(), cluster), cluster

    return make


def logged(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_every_step_is_one_update_of_one_group(trainer, tmp_path):
    training, cluster = trainer()
    result = training.train()
    lines = logged(tmp_path)
    assert [line["step"] for line in lines] == list(range(1, 11))
    counts = [sum(line["group"] == group for line in lines) for group in range(2)]
    assert [group["updates"] for group in result["groups"]] == counts
    for group, exchange in zip(result["groups"], cluster.exchanges, strict=True):
        assert group["contributions"] == [group["updates"]] * len(exchange.group.places)
    for line in lines:
        label = str(int(line["group"]))
        assert line[f"{label}/loss"] == line["loss"] == line[f"{label}/loss_squared"]
        assert f"{1 - int(label)}/loss" not in line
    assert json.loads((tmp_path / "result.json").read_text())["groups"] == result["groups"]


def test_lost_server_is_an_error_and_the_run_goes_on_from_the_checkpoint(trainer, tmp_path):
    with pytest.raises(UserError, match="a parameter server has died"), report_lost_servers():
        trainer(FailingCoordinator())[0].train()
    last = max((line["step"] for line in logged(tmp_path)), default=0)
    result = trainer()[0].train()
    assert last < 10
    assert sum(group["updates"] for group in result["groups"]) == 10
    assert [line["step"] for line in logged(tmp_path)] == list(range(1, 11))


def test_signal_saves_what_each_group_had_read(trainer, tmp_path, stop_after):
    with pytest.raises(StoppedError):
        trainer(request=stop_after(5))[0].train()
    training, cluster = trainer()
    training._begin()
    assert 0 < training.step < 10
    assert sum(int(one.steps) for one in cluster.exchanges) == training.step
    kernels = [crew.member.network.trunk.dense.kernel.numpy() for crew in cluster.crews]
    master = cluster.crews[0].master.trunk.dense.kernel.numpy()
    # The group that was last has read the trained values, no other has.
    assert sum(np.array_equal(kernel, master) for kernel in kernels) >= 1
