import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf

from tfcolor.server.batching import BatchingParameters
from tfcolor.server.scheduler import Scheduler
from tfcolor.server.servable import ServedSignature, TensorDescription
from tfcolor.server.status import RequestError, invalid
from tfcolor.server.task_queue import Task

NUMBERS = TensorDescription(tf.float32, (None,))
CULPRIT = 13.0


class FakeModel:
    """Doubles numbers, notes its batches, fails on 13, and waits while held."""

    def __init__(self):
        self.batches, self.go = [], threading.Event()
        self.started = threading.Event()
        self.go.set()
        self.signature = ServedSignature("s", "", {"x": NUMBERS}, {"y": NUMBERS}, self.run)
        self.error = invalid("thirteen")

    def run(self, inputs):
        self.batches.append(inputs["x"].tolist())
        self.started.set()
        assert self.go.wait(10)
        if CULPRIT in inputs["x"]:
            raise self.error
        return {"y": 2 * inputs["x"]}

    def task(self, *values, timeout=10.0):
        return Task(self.signature, {"x": np.float32(values)}, time.monotonic() + timeout)


@pytest.fixture
def model():
    return FakeModel()


@pytest.fixture
def build():
    built = []

    def build(**parameters):
        parameters = {"max_batch_size": 8, "num_batch_threads": 1, **parameters}
        built.append(Scheduler(BatchingParameters(**parameters) if parameters else None))
        return built[-1]

    yield build
    for scheduler in built:
        scheduler.close()


def submit_while_held(scheduler, model, tasks):
    """Queues tasks behind one that is being computed, so that they form a batch."""
    model.go.clear()
    first = model.task(0.0)
    scheduler.submit(first)
    assert model.started.wait(10)
    for task in tasks:
        scheduler.submit(task)
    return first


def test_waiting_requests_are_computed_together(build, model):
    scheduler, tasks = build(), [model.task(1, 2), model.task(3)]
    submit_while_held(scheduler, model, tasks)
    model.go.set()
    assert [scheduler.wait(task)["y"].tolist() for task in tasks] == [[2, 4], [6]]
    assert model.batches == [[0], [1, 2, 3]]
    assert {task.batch_rows for task in tasks} == {3}


def test_batches_have_allowed_sizes(build, model):
    scheduler, task = build(allowed_batch_sizes=(4, 8)), model.task(1, 2)
    scheduler.submit(task)
    assert scheduler.wait(task)["y"].tolist() == [2, 4]
    assert model.batches == [[1, 2, 1, 1]]


def test_only_the_culprit_of_a_batch_fails(build, model):
    scheduler, tasks = build(), [model.task(1), model.task(CULPRIT), model.task(2)]
    submit_while_held(scheduler, model, tasks)
    model.go.set()
    assert scheduler.wait(tasks[0])["y"].tolist() == [2]
    assert scheduler.wait(tasks[2])["y"].tolist() == [4]
    with pytest.raises(RequestError, match="thirteen"):
        scheduler.wait(tasks[1])


def test_an_unexpected_error_is_internal_and_the_thread_lives_on(build, model, caplog):
    scheduler, task, next_task = build(), model.task(CULPRIT), model.task(1)
    model.error = ZeroDivisionError("secret")
    scheduler.submit(task)
    with pytest.raises(RequestError, match="the model failed: ZeroDivisionError") as error:
        scheduler.wait(task)
    assert error.value.code == grpc.StatusCode.INTERNAL
    assert "secret" in caplog.text
    scheduler.submit(next_task)
    assert scheduler.wait(next_task)["y"].tolist() == [2]


def test_requests_whose_client_has_given_up_are_not_computed(build, model):
    scheduler = build()
    late, cancelled, good = model.task(1, timeout=0.05), model.task(2), model.task(3)
    submit_while_held(scheduler, model, [late, cancelled, good])
    cancelled.result.cancel()
    with pytest.raises(RequestError, match="deadline") as error:
        scheduler.wait(late)
    assert error.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    with pytest.raises(RequestError, match="cancelled by the client"):
        scheduler.wait(cancelled)
    model.go.set()
    scheduler.wait(good)
    assert model.batches == [[0], [3]]


def test_without_batching_each_is_computed_alone(model):
    scheduler, tasks = Scheduler(None), [model.task(1), model.task(2)]
    for task in tasks:
        scheduler.submit(task)
    assert [scheduler.wait(task)["y"].tolist() for task in tasks] == [[2], [4]]
    assert sorted(model.batches) == [[1], [2]]
    scheduler.close()


def test_closing_refuses_what_waits_and_finishes_what_runs(build, model):
    scheduler, waiting = build(), model.task(1)
    running = submit_while_held(scheduler, model, [waiting])
    scheduler.close()
    with pytest.raises(RequestError, match="shutting down"):
        scheduler.wait(waiting)
    with pytest.raises(RequestError, match="shutting down"):
        scheduler.submit(model.task(2))
    model.go.set()
    assert scheduler.wait(running)["y"].tolist() == [0]
