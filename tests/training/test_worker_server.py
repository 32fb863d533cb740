import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.training.synchronization import Place
from tfcolor.training.worker_server import (
    BatchSource,
    ClusterServer,
    ask,
    fingerprint,
    request,
    told_reason,
)


class CountingTask:
    """Example i is i."""

    splits = ("train",)

    def make_dataset(self, split, plan):
        begin, end = plan.shards[0]

        def make(batch):
            index = batch * plan.batch_size + tf.range(begin, end, dtype=tf.int64)
            return {"x": index}, {"seed": tf.fill([end - begin], plan.seed)}

        return tf.data.Dataset.counter(plan.first_batch).take(plan.num_batches).map(make)


@pytest.fixture(scope="module")
def source():
    return BatchSource([CountingTask(), CountingTask()], (5, 4), (7, 8))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_shares_are_the_same_in_any_order_and_make_up_the_batch(source, order):
    found = {}
    for batch in order:
        shares = [source.read(Place(0, index, 2), batch) for index in range(2)]
        found[batch] = np.concatenate([share[0] for share in shares])
        assert [len(share[0]) for share in shares] == [2, 3]
        assert set(np.concatenate([share[1] for share in shares])) == {7}
    for batch, indices in found.items():
        np.testing.assert_array_equal(indices, batch * 5 + np.arange(5))


def test_specification_leaves_the_number_of_examples_open(source):
    inputs, targets = source.specification(1)
    assert inputs["x"] == tf.TensorSpec([None], tf.int64)
    assert targets["seed"].shape == [None]


def test_fingerprint_tells_flags_apart_and_not_their_order():
    flags = {"task": "rotation", "seed": "1"}
    assert fingerprint(flags) == fingerprint(dict(reversed(flags.items())))
    assert fingerprint(flags) != fingerprint({**flags, "seed": "2"})


def test_request_has_its_numbers_in_order():
    graph = tf.function(lambda index, batch: request(2**32 - 1, (1, index, 3), batch))
    numbers = graph(tf.constant(2, tf.int64), tf.constant(9, tf.int64))
    assert numbers.numpy().tolist() == [2**32 - 1, 1, 2, 3, 9]


def test_question_names_the_function_that_a_server_defines_first():
    with tf.Graph().as_default():
        (answer,) = ask(tf.zeros([5], tf.int64), [tf.float32])
        assert answer.dtype == tf.float32
        assert answer.op.get_attr("token") == b"pyfunc_0"


def test_server_that_is_not_first_is_refused():
    with tf.Graph().as_default():
        tf.numpy_function(lambda: 0, [], tf.int64)
    with pytest.raises(RuntimeError, match="expected pyfunc_0"):
        ClusterServer()


QUOTED = """Graph execution error:
UserError: no image could be read; first: a.png
Traceback (most recent call last):
  File "reading.py", line 91, in read
tfcolor.core.errors.UserError: no image could be read; first: a.png
:{"grpc_message":"UserError: no image could be read; first: a.png\\nTraceback"}"""


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (QUOTED, "no image could be read; first: a.png"),
        ("assertion failed: [batches are missing] [[{{node Assert}}]]", "batches are missing"),
        ("Incompatible shapes: [3] vs. [4]", ""),
    ],
)
def test_reason_is_what_was_said_and_nothing_around_it(message, reason):
    assert told_reason(tf.errors.UnknownError(None, None, message)) == reason


def test_reason_of_a_function_is_found_in_the_error_of_its_graph():
    def read(batch):
        raise UserError(f"batch {batch} cannot be read")

    with pytest.raises(tf.errors.UnknownError) as raised:
        tf.function(lambda: tf.numpy_function(read, [4], tf.int64))()
    assert told_reason(raised.value) == "batch 4 cannot be read"


def test_worker_with_other_flags_says_so(source):
    server = object.__new__(ClusterServer)
    server._source, server._flags = source, 5
    message = np.array([6, 0, 0, 2, 1])
    with pytest.raises(UserError, match="with other flags than the chief; expected the same"):
        server._answer(message)
    message[0] = 5
    np.testing.assert_array_equal(server._answer(message)[0], [5, 6])
