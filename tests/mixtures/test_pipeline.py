import gc
import threading
import weakref

import numpy as np
import pytest
import tensorflow as tf

from tests.command_process import FORKING
from tfcolor.mixtures.pipeline import ChunkPipeline, chunk_pipeline

CHUNK, FACTOR = tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.float32)


def weighted_sum(values, factor):
    return factor * tf.reduce_sum(values)


def raised(exponent, values, factor):
    return factor * values**exponent


def reader(chunks):
    """Returns what reads chunks of float32 [n] by number, an empty one beyond the last."""
    return lambda index: np.float32(chunks[index] if index < len(chunks) else [])


def run(pipeline, chunks, constants):
    return pipeline.run(reader(chunks), len(chunks), constants)


def test_results_come_in_order_for_every_run():
    pipeline = ChunkPipeline(weighted_sum, CHUNK, FACTOR)
    chunks = [[3] * 3, [1], [5] * 5, [2] * 2]
    for factor in (1.0, 2.0):
        expected = [factor * sum(one) for one in chunks]
        assert list(run(pipeline, chunks, np.float32(factor))) == expected
    assert list(run(pipeline, chunks[:1], np.float32(1))) == [9]


def test_two_runs_may_alternate_with_constants_of_their_own():
    pipeline = ChunkPipeline(weighted_sum, CHUNK, FACTOR)
    first = run(pipeline, [[1], [2]], np.float32(1))
    second = run(pipeline, [[3], [4]], np.float32(10))
    assert [next(first), next(second), next(first), next(second)] == [1, 30, 2, 40]


def test_the_next_run_is_undisturbed_by_one_that_was_left():
    pipeline = ChunkPipeline(weighted_sum, CHUNK, FACTOR)
    left = run(pipeline, [[1]] * 100, np.float32(1))
    assert next(left) == 1
    left.close()
    assert list(run(pipeline, [[3], [4]], np.float32(10))) == [30, 40]


def test_samples_are_let_go_after_a_run():
    pipeline = ChunkPipeline(weighted_sum, CHUNK, FACTOR)
    read = Reader(np.ones(6, np.float32))
    samples = weakref.ref(read.values)
    assert list(pipeline.run(read, 2, np.float32(1))) == [3, 3]
    del read
    gc.collect()
    assert samples() is None


class Reader:
    """Reads three numbers of an array at a time."""

    def __init__(self, values):
        self.values = values

    def __call__(self, index):
        return self.values[3 * index : 3 * index + 3]


def test_chunks_are_worked_on_at_once_in_a_deterministic_tensorflow():
    process = FORKING.Process(target=meet_in_pairs)
    process.start()
    process.join(120)
    assert process.exitcode == 0


def meet_in_pairs():
    """Runs four chunks whose work waits for that on another one."""
    tf.config.threading.set_intra_op_parallelism_threads(2)
    tf.config.threading.set_inter_op_parallelism_threads(4)
    tf.config.experimental.enable_op_determinism()
    barrier = threading.Barrier(2)

    def meet(values):
        barrier.wait(timeout=30)
        return values

    def work(values, factor):
        (met,) = tf.numpy_function(meet, [values], [tf.float32], stateful=False)
        return factor * tf.reduce_sum(tf.ensure_shape(met, [None]))

    pipeline = ChunkPipeline(work, CHUNK, FACTOR)
    assert list(run(pipeline, [[1], [2], [3], [4]], np.float32(2))) == [2, 4, 6, 8]


def test_chunks_and_constants_may_be_any_structure():
    chunk = tf.SparseTensorSpec([None, 2], tf.float32)
    pipeline = ChunkPipeline(
        lambda rows, held: tf.sparse.to_dense(rows) * held[0]["factor"] + held[1],
        chunk,
        ({"factor": FACTOR}, CHUNK),
    )
    rows = tf.SparseTensor([[0, 1], [1, 0]], [1.0, 2.0], [2, 2])
    constants = ({"factor": np.float32(2)}, tf.constant([10.0, 20.0]))
    (result,) = pipeline.run(lambda index: rows, 1, constants)
    assert result.tolist() == [[10, 22], [14, 20]]


def test_what_reading_raises_is_told():
    def read(index):
        if not index:
            raise OSError("the disk is gone")
        return np.float32([])

    pipeline = ChunkPipeline(weighted_sum, CHUNK, FACTOR)
    with pytest.raises(tf.errors.OpError, match="the disk is gone"):
        list(pipeline.run(read, 1, np.float32(1)))


def test_a_pipeline_is_built_once():
    pipeline = chunk_pipeline(raised, 2.0, CHUNK, FACTOR)
    assert pipeline is chunk_pipeline(raised, 2.0, CHUNK, FACTOR)
    (result,) = run(chunk_pipeline(raised, 3.0, CHUNK, FACTOR), [[1, 2]], np.float32(10))
    assert result.tolist() == [10, 80]
