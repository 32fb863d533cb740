"""A run of two groups whose workers are threads of this process."""

import json
import threading

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


class SpoilingCoordinator(Coordinator):
    """Outdates the stamps of the first group after its first contributions are there."""

    exchange = None

    def __init__(self):
        super().__init__()
        self.times, self.is_asked_again = 0, threading.Event()

    def schedule(self, graph, args):
        if graph not in self.exchange._graphs.values():
            assert self.is_asked_again.wait(30)
            return super().schedule(graph, args)
        value = super().schedule(graph, args)
        if int(args[0]) == 1:
            self.times += 1
            if self.times == 1:
                # As by the graph of a worker that was taken for dead and still writes.
                self.exchange._stamps.assign_sub([0, 1])
            else:
                self.is_asked_again.set()
        return value


class MistakenCoordinator(Coordinator):
    """One worker makes a mistake; what the others compute is cancelled, and reported first."""

    first = None

    def __init__(self, is_first, number):
        super().__init__()
        self.mistaken, self.is_cancelled = (is_first, number), threading.Event()

    def schedule(self, graph, args):
        is_first = graph in self.first._graphs.values()
        is_mistaken = (is_first, int(args[0])) == self.mistaken
        return self.Value(self._tell_mistake if is_mistaken else self._cancel)

    def _tell_mistake(self):
        assert self.is_cancelled.wait(30)
        text = "Graph execution error:\n\nUserError: no image could be read\nTraceback (most recent"
        raise tf.errors.UnknownError(None, None, text)

    def _cancel(self):
        self.is_cancelled.set()
        raise tf.errors.CancelledError(None, None, "ClusterCoordinator")


@pytest.fixture
def trainer(tmp_path, monkeypatch):
    """Returns what builds a trainer, as of a new process, and its cluster."""
    monkeypatch.setattr(ClusterTrainer, "_look_figures", lambda self: {"heldout/0/loss": 1.0})
    monkeypatch.setattr(ClusterTrainer, "_watched", lambda self, figures: -1.0)

    def make(coordinator=None, request=None, mode="hybrid", workers=(2, 1)):
        exchanges, crews, trunk = build(mode, workers)
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
        assert group["contributions"] == group["updates"] * len(exchange.group.places)
    for line in lines:
        label = str(int(line["group"]))
        assert line[f"{label}/loss"] == line["loss"] == line[f"{label}/loss_squared"]
        assert f"{1 - int(label)}/loss" not in line
    assert json.loads((tmp_path / "result.json").read_text())["groups"] == result["groups"]


def test_a_step_that_is_not_whole_is_made_again(trainer, tmp_path, caplog):
    caplog.set_level("INFO")
    coordinator = SpoilingCoordinator()
    training, cluster = trainer(coordinator)
    coordinator.exchange = cluster.exchanges[0]
    result = training.train()
    assert "a step of group 0 is not whole; computing it again" in caplog.text
    assert [line["step"] for line in logged(tmp_path)] == list(range(1, 11))
    assert sum(group["updates"] for group in result["groups"]) == 10
    spoiled = result["groups"][0]
    assert spoiled["contributions"] == 2 * spoiled["updates"]
    assert spoiled["attempts"] > spoiled["contributions"]


def test_lost_server_is_an_error_and_the_run_goes_on_from_the_checkpoint(trainer, tmp_path):
    with pytest.raises(UserError, match="a parameter server has died"), report_lost_servers():
        trainer(FailingCoordinator())[0].train()
    last = max((line["step"] for line in logged(tmp_path)), default=0)
    result = trainer()[0].train()
    assert last < 10
    assert sum(group["updates"] for group in result["groups"]) == 10
    assert [line["step"] for line in logged(tmp_path)] == list(range(1, 11))


def test_mistake_found_by_a_worker_is_told_in_its_words():
    text = "Graph execution error:\n\nUserError: no image could be read\nTraceback (most recent"
    with pytest.raises(UserError) as raised, report_lost_servers():
        raise tf.errors.UnknownError(None, None, text)
    assert str(raised.value) == (
        "a process of the cluster cannot go on: no image could be read; mend that and start it"
        " and this command again"
    )


@pytest.mark.parametrize("mistaken", [(True, 1), (False, 0)])
def test_mistake_is_told_although_the_others_are_cancelled(trainer, mistaken):
    coordinator = MistakenCoordinator(*mistaken)
    training, cluster = trainer(coordinator)
    coordinator.first = cluster.exchanges[0]
    with pytest.raises(UserError, match="no image could be read"), report_lost_servers():
        training.train()


def test_error_of_an_operation_stays_what_it_is():
    with pytest.raises(tf.errors.InvalidArgumentError), report_lost_servers():
        raise tf.errors.InvalidArgumentError(None, None, "Incompatible shapes: [3] vs. [4]")


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


def test_a_run_goes_on_with_another_number_of_workers(trainer, tmp_path, stop_after):
    with pytest.raises(StoppedError):
        trainer(request=stop_after(5))[0].train()
    done = len(logged(tmp_path))
    before = trainer()
    before[0]._begin()
    result = trainer(workers=(3, 1))[0].train()
    assert 0 < done < 10
    assert [line["step"] for line in logged(tmp_path)] == list(range(1, 11))
    assert sum(group["updates"] for group in result["groups"]) == 10
    first, after = int(before[1].exchanges[0].steps), result["groups"][0]
    assert after["contributions"] == 2 * first + 3 * (after["updates"] - first)


@pytest.mark.parametrize("workers", [(1, 1), (2, 2)])
def test_a_run_of_workers_for_themselves_needs_as_many_again(trainer, stop_after, workers):
    with pytest.raises(StoppedError):
        trainer(request=stop_after(5), mode="asynchronous")[0].train()
    message = f"begun with 3 groups of workers and there are {sum(workers)} now.*with 3 workers"
    with pytest.raises(UserError, match=message):
        trainer(mode="asynchronous", workers=workers)[0].train()
