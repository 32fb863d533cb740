import itertools
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from tests.loopback import free_addresses
from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.service import start_dispatcher
from tfcolor.training import data_service
from tfcolor.training.data_service import OTHER, DataService
from tfcolor.training.synchronization import Place

FULL_SECS = 0.3
"""After which a worker that nobody reads from has made all that it keeps."""

SERVICE = tf.data.experimental.service
SPECIFICATION = ({"x": tf.TensorSpec([2], tf.float32)}, {"y": tf.TensorSpec([2], tf.string)})


@pytest.fixture(autouse=True)
def held(monkeypatch):
    """Takes what a run would hold for ever."""
    held = []
    monkeypatch.setattr(data_service, "_hold", held.extend)
    yield held
    held.clear()


@pytest.fixture
def dispatcher():
    """The address of a dispatcher with one worker, whose functions are those of the test."""
    server = start_dispatcher(0)
    address = server.target.removeprefix("grpc://")
    port = int(free_addresses(1)[0].rpartition(":")[2])
    worker = SERVICE.WorkerServer(SERVICE.WorkerConfig(address, f"localhost:{port}", port, "grpc"))
    yield address, worker
    # It waits, with Python's lock held, for a batch in the making, which needs the lock.
    time.sleep(FULL_SECS)
    worker.stop()
    server.stop()


@pytest.fixture
def answer_with(monkeypatch):
    """Makes a function from a batch's number to the answer's what the workers call."""
    graphs = []

    def start(renumber):
        def answer(worker, message):
            number = renumber(int(message[-1]))
            return [np.array(number, np.int64), np.full([2], number, np.float32), ["a", "b"]]

        graphs.append(tf.Graph())
        with graphs[-1].as_default():
            question = [tf.constant(""), tf.zeros([5], tf.int64)]
            types = [tf.int64, tf.float32, tf.string]
            operation = tf.numpy_function(answer, question, types)[0].op
        monkeypatch.setattr(data_service, "FIRST_TOKEN", operation.get_attr("token").decode())

    return start


def read(address, plan):
    service = DataService(address, 0)
    return service.watch(service.make_dataset(Place(0, 0, 1), plan, SPECIFICATION))


def test_batches_come_in_order_from_the_first_one_asked_for(dispatcher, answer_with):
    answer_with(lambda number: number)
    batches = itertools.islice(read(dispatcher[0], BatchPlan(2, 0, first_batch=3)), 20)
    found = [(inputs["x"].numpy()[0], targets["y"].numpy().tolist()) for inputs, targets in batches]
    assert found == [(number, [b"a", b"b"]) for number in range(3, 23)]


def test_shards_are_cut_out_of_a_batch(dispatcher, answer_with):
    answer_with(lambda number: number)
    batches = read(dispatcher[0], BatchPlan(2, 0, shards=((0, 1), (1, 2))))
    found = [targets["y"].numpy().tolist() for _, targets in itertools.islice(batches, 4)]
    assert found == [[b"a"], [b"b"], [b"a"], [b"b"]]


def test_a_worker_that_begins_anew_is_noticed(dispatcher, answer_with):
    answer_with(lambda number: number if number < 3 else number - 3)
    batches = read(dispatcher[0], BatchPlan(2, 0))
    assert len(list(itertools.islice(batches, 3))) == 3
    with pytest.raises(UserError, match=r"batches are missing: .* from the last checkpoint"):
        next(batches)


def test_a_worker_that_is_no_longer_itself_is_noticed(dispatcher, answer_with):
    answer_with(lambda number: OTHER)
    with pytest.raises(UserError, match="ended: batches are missing"):
        next(read(dispatcher[0], BatchPlan(2, 0)))


def test_the_error_of_a_worker_is_told_in_its_words(dispatcher, answer_with):
    def refuse(number):
        raise ValueError("none of the 3 images could be read")

    answer_with(refuse)
    with pytest.raises(UserError, match="failed: none of the 3 images could be read; start"):
        next(read(dispatcher[0], BatchPlan(2, 0)))


def test_a_worker_that_has_died_is_named_and_held_on_to(dispatcher, monkeypatch, held):
    address, worker = dispatcher
    service = DataService(address, 0)
    (name,) = data_service.list_workers(address)
    worker.stop()
    monkeypatch.setattr(data_service, "REACH_SECS", 0.2)
    never = iter(threading.Event().wait, True)
    batches = service.watch(never)
    with pytest.raises(UserError, match=f"the workers {name} of the data service do not answer"):
        next(batches)
    assert held == [never]


def test_a_slow_worker_is_waited_for(dispatcher, monkeypatch):
    service, slow = DataService(dispatcher[0], 0), threading.Event()
    monkeypatch.setattr(data_service, "REACH_SECS", 0.1)
    assert next(service.watch(iter(lambda: slow.wait(0.5), True))) is False


def test_other_errors_stay_what_they_are(dispatcher):
    def fail():
        yield 1
        raise ZeroDivisionError

    batches = DataService(dispatcher[0], 0).watch(fail())
    assert next(batches) == 1
    with pytest.raises(ZeroDivisionError):
        next(batches)


def test_what_is_no_address_is_refused():
    with pytest.raises(UsageError, match="--data_service=here"):
        DataService("here", 0)
