import itertools
import time

import numpy as np
import pytest
import tensorflow as tf

from tests.loopback import free_addresses
from tfcolor.core.errors import UserError
from tfcolor.data.pipeline import BatchPlan, split_batch
from tfcolor.data.service import start_dispatcher
from tfcolor.training import data_service, data_worker
from tfcolor.training.data_service import OTHER, DataService
from tfcolor.training.data_worker import DataWorker
from tfcolor.training.synchronization import Place
from tfcolor.training.worker_server import BatchSource

FLAGS = 7
FULL_SECS = 0.5
"""After which a worker that nobody reads from has made all that it keeps."""


class CountingTask:
    """Example i is [i, i]; its seed is the plan's."""

    splits = ("train",)

    def make_dataset(self, split, plan):
        slots = tf.constant(plan.slots, tf.int64)

        def make(batch):
            index = batch * plan.batch_size + slots
            pairs = tf.stack([index, index], axis=1)
            return {"x": tf.ensure_shape(pairs, [len(plan.slots), 2])}, {
                "seed": tf.fill([len(plan.slots)], plan.seed)
            }

        batches = tf.data.Dataset.counter(plan.first_batch).map(make)
        if plan.num_batches is not None:
            batches = batches.take(plan.num_batches)
        return batches.flat_map(lambda *batch: split_batch(batch, plan.sizes))


@pytest.fixture
def worker(monkeypatch):
    """A worker in this process, which has defined other functions before."""
    with tf.Graph().as_default():
        before = tf.numpy_function(lambda: 0, [], tf.int64).op.get_attr("token").decode()
    token = f"pyfunc_{int(before.removeprefix('pyfunc_')) + 1}"
    for module in (data_service, data_worker):
        monkeypatch.setattr(module, "FIRST_TOKEN", token)
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "1")
    monkeypatch.setattr(tf.config.threading, "set_inter_op_parallelism_threads", lambda count: None)
    return DataWorker()


@pytest.fixture
def dispatcher(worker):
    """The address of a dispatcher with that worker."""
    server = start_dispatcher(0)
    address = server.target.removeprefix("grpc://")
    source = BatchSource([CountingTask(), CountingTask()], (5, 4), (3, 8))
    _, kept = worker.start(address, "localhost", 0, source, FLAGS)
    yield address
    # It waits, with Python's lock held, for a batch in the making, which needs the lock.
    time.sleep(FULL_SECS)
    kept.stop()
    server.stop()


def read(dataset, count):
    return [
        tf.nest.map_structure(lambda tensor: tensor.numpy(), batch)
        for batch in itertools.islice(dataset, count)
    ]


@pytest.mark.parametrize(
    ("place", "plan"),
    [
        (Place(0, 0, 1), BatchPlan(5, 3)),
        (Place(0, 0, 1), BatchPlan(5, 3, first_batch=2, shards=((0, 2), (2, 5)))),
        (Place(1, 1, 2), BatchPlan(4, 8, first_batch=1, shards=((2, 4),))),
    ],
)
def test_served_batches_are_the_local_ones(dispatcher, place, plan):
    local = CountingTask().make_dataset("train", plan)
    service = DataService(dispatcher, FLAGS)
    served = service.make_dataset(place, plan, local.element_spec)
    assert served.element_spec == local.element_spec
    found, expected = read(service.watch(served), 7), read(local, 7)
    for one, other in zip(found, expected, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, one, other)


def test_a_run_with_other_flags_is_refused(dispatcher, monkeypatch):
    monkeypatch.setattr(data_service, "_hold", list)
    plan = BatchPlan(5, 3)
    specification = CountingTask().make_dataset("train", plan).element_spec
    service = DataService(dispatcher, FLAGS + 1)
    batches = service.watch(service.make_dataset(Place(0, 0, 1), plan, specification))
    with pytest.raises(UserError, match="started with other flags for the examples than the run;"):
        next(batches)


def test_what_another_worker_was_asked_for_is_not_answered(worker):
    worker._address, worker._flags = "localhost:1", FLAGS
    worker._source = BatchSource([CountingTask()], (5,), (3,))
    message = np.array([FLAGS, 0, 0, 1, 2], np.int64)
    number, pairs, seeds = worker._answer(b"localhost:2", message)
    assert (number, pairs.shape, seeds.shape) == (OTHER, (0, 2), (0,))
    number, pairs, _ = worker._answer(b"localhost:1", message)
    assert number == 2
    np.testing.assert_array_equal(pairs[:, 0], np.arange(10, 15))


def test_a_dispatcher_that_is_not_there_is_an_error(worker, monkeypatch):
    (address,) = free_addresses(1)
    monkeypatch.setattr(
        data_worker, "list_workers", lambda one: data_service.list_workers(one, 0.2)
    )
    with pytest.raises(UserError, match=f"{address} does not answer"):
        worker.start(address, "localhost", 0, BatchSource([], (), ()), FLAGS)


def test_worker_that_is_not_first_is_refused():
    with tf.Graph().as_default():
        tf.numpy_function(lambda: 0, [], tf.int64)
    with pytest.raises(RuntimeError, match="expected pyfunc_0"):
        DataWorker()
