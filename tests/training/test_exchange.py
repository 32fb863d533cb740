"""Exchanges on one device: a coordinator that computes at once, and images of this process."""

import dataclasses
import itertools
import threading
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from tests.training.parameter_simulation import ParameterSimulation, SimulatedTask
from tfcolor.layers.batch_norm import TrainableBatchNorm
from tfcolor.tasks.base import count_examples
from tfcolor.training.exchange import Crew, Exchange, Link
from tfcolor.training.members import Member
from tfcolor.training.optimizers import SharedNetwork, Update
from tfcolor.training.options import JointOptions, OptimizationOptions
from tfcolor.training.synchronization import order_updates, plan_groups
from tfcolor.training.worker_server import BatchSource

RATE, BATCH_SIZES = 0.1, (5, 4)
OPTIMIZATION = OptimizationOptions(
    learning_rate=RATE, momentum=0.0, weight_decay=0.0, bias_rate_multiplier=1.0
)


class WaveTask:
    """Squared distance to a wave; example i is a function of i alone."""

    name, splits, score = "wave", ("train",), None
    count_samples = staticmethod(count_examples)

    def __init__(self, frequency):
        self.frequency = frequency

    def make_dataset(self, split, plan):
        steps = tf.data.Dataset.counter(plan.first_batch).take(plan.num_batches)
        begin, end = plan.shards[0]

        def make(step):
            index = tf.cast(
                step * plan.batch_size + tf.range(begin, end, dtype=tf.int64), tf.float32
            )
            x = tf.stack([tf.sin(index), tf.cos(0.7 * index), tf.ones_like(index)], axis=-1)
            return {"x": x}, {"y": tf.sin(self.frequency * index)[:, None]}

        return steps.map(make)

    def compute_losses(self, targets, outputs):
        return {"squared": tf.reduce_sum((targets["y"] - outputs["y"]) ** 2, axis=-1) / 2}


class Dense(tf.keras.layers.Layer):
    """A kernel alone."""

    def __init__(self, value):
        super().__init__()
        value = np.asarray(value, np.float32)
        self.kernel = self.add_weight("kernel", value.shape, initializer=lambda *_, **__: value)

    def call(self, inputs):
        return inputs @ self.kernel


class Trunk(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = Dense(np.arange(6).reshape(3, 2) / 7)


class Tower(tf.keras.Model):
    """trunk, maybe normalized, and a head."""

    def __init__(self, trunk, head, *, is_normalized=False, penalty=0.0):
        super().__init__()
        self.trunk, self.head = trunk, Dense(head)
        if penalty:
            self.add_loss(lambda: penalty * tf.reduce_sum(self.head.kernel**2) / 2)
        self.norm = TrainableBatchNorm() if is_normalized else None
        if is_normalized:
            self.norm.build([None, 2])

    def call(self, inputs, training=False):
        features = self.trunk.dense(inputs["x"])
        features = features if self.norm is None else self.norm(features, training)
        return {"y": self.head(features)}


class Coordinator:
    """Computes at once what is scheduled, some of it twice, and some of it late."""

    def __init__(self, late=()):
        self.repeats, self.error = False, None
        self._gates = {one: threading.Event() for one in late}

    def release(self, number, step):
        self._gates[number, step].set()

    def schedule(self, graph, args):
        gate = self._gates.get((int(args[0]), int(args[3])))
        if gate is not None:
            return self.Value(lambda: self._compute_late(gate, graph, args))
        values = self._compute(graph, args)
        return self.Value(lambda: values)

    def _compute_late(self, gate, graph, args):
        gate.wait()
        if self.error is not None:
            raise self.error
        return self._compute(graph, args)

    def _compute(self, graph, args):
        values = graph(*args)
        if self.repeats:
            values = graph(*args)
        return {name: value.numpy() for name, value in values.items()}

    @dataclasses.dataclass
    class Value:
        fetch: Callable[[], dict]


def build(mode, workers, *, kind=Tower, is_normalized=False, penalty=0.0, num_backups=0):
    """Returns exchanges, their crews and the trunk of two tasks that share it."""
    tasks = [WaveTask(0.3), WaveTask(1.1)]
    strategy, trunk = tf.distribute.OneDeviceStrategy("/cpu:0"), Trunk()
    heads = ([[1.0], [0.5]], [[-0.5], [2.0]])
    masters = [kind(trunk, head, is_normalized=is_normalized) for head in heads]
    source = BatchSource(tasks, BATCH_SIZES, (0, 0))

    def ask(message, types):
        def read(numbers):
            _, task, index, count, batch = (int(number) for number in numbers)
            edges = [BATCH_SIZES[task] * share // count for share in range(count + 1)]
            numbers = batch * BATCH_SIZES[task] + np.arange(edges[index], edges[index + 1])
            y = np.sin(tasks[task].frequency * numbers)[:, None]
            return waves(numbers).astype(np.float32), y.astype(np.float32)

        return tf.numpy_function(read, [message], types)

    updates = [
        Update(
            SharedNetwork(trunk, (master,), (str(task),)),
            OPTIMIZATION,
            JointOptions(),
            use_loss_scaling=False,
        )
        for task, master in enumerate(masters)
    ]
    exchanges, crews = [], []
    for group in plan_groups(mode, workers):
        own = {}
        for task in group.tasks:
            copy = kind(Trunk(), heads[task], is_normalized=is_normalized, penalty=penalty)
            member = Member(tasks[task], copy, BATCH_SIZES[task], 0, str(task))
            own[task] = Crew(member, masters[task], updates[task], source.specification(task))
        exchanges.append(
            Exchange(strategy, group, own, Link(ask=ask, server="/cpu:0"), num_backups)
        )
        exchanges[-1].read()
        crews += own.values()
    return exchanges, crews, trunk


def update(exchange, coordinator, step):
    """Makes an update by whoever is in time; returns what these found."""
    found = exchange.contribute(coordinator, step)
    assert exchange.apply(is_frozen=False, numbers=found)
    return found


def waves(index):
    """Returns the inputs of examples, float64 [B, 3]."""
    return np.stack([np.sin(index), np.cos(0.7 * index), np.ones(len(index))], -1)


def gradient_of(frequency, size, place, step, trunk, head):
    """Returns the gradients of a worker's mean loss, computed with NumPy alone."""
    edges = [size * share // place.num_workers for share in range(place.num_workers + 1)]
    index = step * size + np.arange(edges[place.worker], edges[place.worker + 1])
    x = waves(index)
    error = x @ trunk @ head - np.sin(frequency * index)[:, None]
    # Workers have shares of unequal size: the mean over workers of these is the
    # mean over the batch.
    factor = place.num_workers / size
    return factor * x.T @ error @ head.T, factor * (x @ trunk).T @ error


def simulated(groups):
    tasks = []
    for task, (frequency, head) in enumerate(
        zip((0.3, 1.1), ([[1.0], [0.5]], [[-0.5], [2.0]]), strict=True)
    ):

        def gradient(trunk, head, place, step, task=task, frequency=frequency):
            return gradient_of(frequency, BATCH_SIZES[task], place, step, trunk, head)

        tasks.append(SimulatedTask(np.array(head), gradient, lambda one, _: -RATE * one))
    return ParameterSimulation(groups, tasks, np.arange(6).reshape(3, 2) / 7), tasks


@pytest.mark.parametrize("mode", ["hybrid", "synchronous"])
def test_updates_are_those_of_the_simulation_in_the_same_order(mode):
    workers = (2, 3)
    exchanges, crews, trunk = build(mode, workers)
    groups = plan_groups(mode, workers)
    simulation, tasks = simulated(groups)
    coordinator = Coordinator()
    seconds = lambda place, step: 1.0 + 1.7 * place.task  # noqa: E731
    begun = {
        number: exchange.contribute(coordinator, 0) for number, exchange in enumerate(exchanges)
    }
    for event in itertools.islice(order_updates(groups, seconds), 9):
        simulation.apply(event)
        exchange = exchanges[event.group]
        found = begun[event.group]
        assert [*found] == [*range(len(exchange.group.places))]
        assert exchange.apply(is_frozen=False, numbers=found)
        begun[event.group] = exchange.contribute(coordinator, event.step + 1)
        np.testing.assert_allclose(trunk.dense.kernel, simulation.trunk, rtol=1e-4, atol=1e-6)
    for crew, task in zip(crews, tasks, strict=True):
        np.testing.assert_allclose(crew.master.head.kernel, task.head, rtol=1e-4, atol=1e-6)


def test_losses_of_workers_add_up_to_those_of_the_batch():
    (exchange, _), _, _ = build("hybrid", (2, 1))
    found = exchange.contribute(Coordinator(), 3)
    index = 3 * 5 + np.arange(5)
    x = waves(index)
    y = x @ (np.arange(6).reshape(3, 2) / 7) @ [[1.0], [0.5]]
    total = np.sum((y[:, 0] - np.sin(0.3 * index)) ** 2) / 2
    assert sum(one["squared"] for one in found.values()) == pytest.approx(total, rel=1e-4)
    assert {number: one["samples"] for number, one in found.items()} == {0: 2, 1: 3}


def test_a_penalty_counts_once_whatever_the_number_of_workers():
    heads, found = [], []
    for penalty in (0.0, 0.5):
        (exchange, _), crews, _ = build("hybrid", (2, 1), penalty=penalty)
        found = update(exchange, Coordinator(), 0)
        heads.append(crews[0].master.head.kernel.numpy())
    before = np.array([[1.0], [0.5]])
    np.testing.assert_allclose(heads[1] - heads[0], -RATE * 0.5 * before, rtol=1e-4)
    assert sum(one["penalty"] for one in found.values()) / 5 == pytest.approx(
        0.5 * 1.25 / 2, rel=1e-5
    )


def test_work_done_twice_counts_once():
    results = []
    for repeats in (False, True):
        (exchange, _), _, trunk = build("hybrid", (2, 1))
        coordinator = Coordinator()
        coordinator.repeats = repeats
        for step in range(3):
            update(exchange, coordinator, step)
        results.append(trunk.dense.kernel.numpy())
        assert exchange.contributions.numpy() == 6
        assert exchange.attempts.numpy() == (12 if repeats else 6)
        assert int(exchange.steps) == 3
    np.testing.assert_array_equal(*results)


def test_late_work_is_not_written_and_missing_work_is_noticed():
    (exchange, _), _, trunk = build("hybrid", (2, 1))
    coordinator = Coordinator()
    update(exchange, coordinator, 0)
    late = exchange.contribute(coordinator, 0)
    before = trunk.dense.kernel.numpy()
    assert exchange.apply(is_frozen=False, numbers=late) == {}
    np.testing.assert_array_equal(trunk.dense.kernel, before)
    found = exchange.contribute(coordinator, 1)
    exchange.contribute(coordinator, 0)
    assert exchange.apply(is_frozen=False, numbers=found)
    assert int(exchange.steps) == 2


@pytest.mark.parametrize("stamp", [-1, 0, 2])
def test_an_update_changes_nothing_unless_all_of_its_contributions_are_of_its_step(stamp):
    """A worker that was taken for dead writes into the row of the one that took its place."""
    results = []
    for is_spoiled in (False, True):
        exchanges, (crew, *_), trunk = build("hybrid", (2, 1), is_normalized=True)
        exchange, coordinator = exchanges[0], Coordinator()
        update(exchange, coordinator, 0)
        found = exchange.contribute(coordinator, 1)
        held = [*trunk.variables, *crew.member.network.variables, *crew.update.variables]
        if is_spoiled:
            before = [variable.numpy() for variable in held]
            exchange._stamps.assign([1, stamp])
            for rows in (*exchange._rows[0], exchange._counts[0]):
                rows.assign(tf.concat([rows[:1], 3 * rows[1:]], axis=0))
            assert exchange.apply(is_frozen=False, numbers=found) == {}
            for variable, value in zip(held, before, strict=True):
                np.testing.assert_array_equal(variable, value)
            assert int(exchange.steps) == 1
            assert exchange.contributions.numpy() == 2
            found = exchange.contribute(coordinator, 1)
        assert exchange.apply(is_frozen=False, numbers=found)
        assert exchange.contributions.numpy() == 4
        results.append([variable.numpy() for variable in held])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_update_does_not_wait_for_backups_and_is_the_mean_of_those_in_time():
    (exchange, _), crews, trunk = build("hybrid", (3, 1), num_backups=1)
    coordinator = Coordinator(late={(2, 0), (1, 2)})
    values, head = np.arange(6).reshape(3, 2) / 7, np.array([[1.0], [0.5]])
    examples = ([0, 1, 2], [5, 6, 7], [10, 13, 14])  # shares are 1, 2 and 2 of 5
    in_time = ([0, 1], [0, 1], [0, 2])
    for step, (own, numbers) in enumerate(zip(examples, in_time, strict=True)):
        if step == 2:
            # Worker 1 will be late, so that worker 2 is waited for; its old answer comes first.
            coordinator.release(2, 0)
        assert [*update(exchange, coordinator, step)] == numbers
        x, y = waves(np.array(own)), np.sin(0.3 * np.array(own))[:, None]
        error = (x @ values @ head - y) / len(own)
        changes = x.T @ error @ head.T, (x @ values).T @ error
        values, head = values - RATE * changes[0], head - RATE * changes[1]
        np.testing.assert_allclose(trunk.dense.kernel, values, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(crews[0].master.head.kernel, head, rtol=1e-5, atol=1e-6)
    assert exchange.contributions.numpy() == 3 + 2 + 1
    assert exchange.attempts.numpy() == 3 + 2 + 2
    coordinator.release(1, 2)


def test_what_a_late_worker_had_half_written_is_not_in_an_update():
    (exchange, _), _, trunk = build("hybrid", (2, 1), num_backups=1)
    for rows in (*exchange._rows[0], exchange._counts[0]):
        rows.assign(tf.fill(rows.shape, tf.constant(np.nan, rows.dtype)))
    coordinator = Coordinator(late={(1, 0)})
    update(exchange, coordinator, 0)
    assert np.all(np.isfinite(trunk.dense.kernel))
    coordinator.release(1, 0)


def test_an_error_of_a_late_worker_is_raised():
    (exchange, _), _, _ = build("hybrid", (2, 1), num_backups=1)
    coordinator = Coordinator(late={(1, 0), (0, 1)})
    update(exchange, coordinator, 0)
    coordinator.error = tf.errors.UnavailableError(None, None, "Socket closed")
    coordinator.release(1, 0)
    with pytest.raises(tf.errors.UnavailableError, match="Socket closed"):
        exchange.contribute(coordinator, 1)


def test_groups_keep_what_they_read():
    (first, second), (_, other), trunk = build("hybrid", (1, 1))
    before = other.member.network.trunk.dense.kernel.numpy()
    update(first, Coordinator(), 0)
    assert not np.array_equal(trunk.dense.kernel, before)
    np.testing.assert_array_equal(other.member.network.trunk.dense.kernel, before)
    second.read()
    np.testing.assert_array_equal(other.member.network.trunk.dense.kernel, trunk.dense.kernel)
