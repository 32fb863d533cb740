import grpc
import numpy as np
import pytest
import tensorflow as tf

from tfcolor.server.batching import BatchingParameters
from tfcolor.server.servable import ServedSignature, TensorDescription
from tfcolor.server.status import RequestError
from tfcolor.server.task_queue import Task, TaskQueue

VECTORS = TensorDescription(tf.float32, (None, None))
SCALAR = TensorDescription(tf.float32, ())


def signature(inputs=VECTORS):
    return ServedSignature("s", "", {"x": inputs}, {"y": VECTORS}, dict)


FIRST, SECOND, ALONE = signature(), signature(), signature(SCALAR)


def task(rows=1, width=2, called=FIRST):
    return Task(called, {"x": np.zeros((rows, width))})


def parameters(**changes):
    return BatchingParameters(
        **{"max_batch_size": 4, "batch_timeout_micros": 10_000_000, **changes}
    )


def test_a_full_batch_is_due_at_once():
    queue = TaskQueue(parameters())
    tasks = [task(2), task(1), task(1), task(3)]
    for number, one in enumerate(tasks):
        queue.add(one, now=float(number))
    assert queue.take(3.0) == tasks[:3]
    assert [one.queue_secs for one in tasks[:3]] == [3.0, 2.0, 1.0]
    assert {one.batch_rows for one in tasks[:3]} == {4}
    assert len(queue) == 1
    assert queue.take(3.0) == []


def test_a_small_batch_is_due_after_the_timeout():
    queue = TaskQueue(parameters())
    one, other = task(), task()
    queue.add(one, 5.0)
    queue.add(other, 7.0)
    assert queue.next_due() == 15.0
    assert queue.take(14.9) == []
    assert queue.take(15.0) == [one, other]
    assert queue.next_due() is None


def test_a_batch_is_never_larger_than_allowed():
    queue = TaskQueue(parameters())
    tasks = [task(3), task(2), task(2)]
    for one in tasks:
        queue.add(one, 0.0)
    assert queue.take(0.0) == tasks[:1]
    assert queue.take(0.0) == tasks[1:]


def test_only_equal_shapes_of_one_signature_are_joined():
    queue = TaskQueue(parameters(batch_timeout_micros=0))
    tasks = [task(), task(width=3), task(called=SECOND), task()]
    for number, one in enumerate(tasks):
        queue.add(one, float(number))
    assert [queue.take(9.0) for _ in range(4)] == [[tasks[0], tasks[3]], [tasks[1]], [tasks[2]], []]


def test_padding_joins_different_shapes():
    queue = TaskQueue(parameters(pad_variable_length_inputs=True, batch_timeout_micros=0))
    tasks = [task(), task(width=3)]
    for one in tasks:
        queue.add(one, 0.0)
    assert queue.take(0.0) == tasks


@pytest.mark.parametrize(("batching", "called"), [(None, FIRST), (parameters(), ALONE)])
def test_some_requests_are_computed_alone(batching, called):
    queue = TaskQueue(batching)
    tasks = [task(5, called=called), task(5, called=called)]
    for number, one in enumerate(tasks):
        queue.add(one, float(number))
    assert [queue.take(1.0), queue.take(1.0)] == [[tasks[0]], [tasks[1]]]


def test_the_queue_is_bounded_for_each_signature():
    queue = TaskQueue(parameters(max_enqueued_batches=2))
    for _ in range(4):
        queue.add(task(2), 0.0)
    with pytest.raises(RequestError, match=r"queue .* is full: 8 of 8 rows") as error:
        queue.add(task(1), 0.0)
    assert error.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    queue.add(task(4, called=SECOND), 0.0)
    queue.take(0.0)
    queue.add(task(4), 0.0)


def test_a_request_larger_than_a_batch_is_refused():
    with pytest.raises(RequestError, match="Task size 5 is larger than maximum input batch size 4"):
        TaskQueue(parameters()).add(task(5), 0.0)


def test_taking_all_empties_the_queue():
    queue = TaskQueue(parameters())
    tasks = [task(), task(width=3)]
    for one in tasks:
        queue.add(one, 0.0)
    assert queue.take_all() == tasks
    assert len(queue) == 0
