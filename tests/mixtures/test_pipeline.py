import numpy as np
import tensorflow as tf

from tfcolor.mixtures.pipeline import ChunkPipeline, chunk_pipeline

SIGNATURE = tf.TensorSpec([None], tf.float32)


def scaled(factor, values):
    return factor * values


def test_results_come_in_order_for_every_run():
    pipeline = ChunkPipeline(tf.reduce_sum, SIGNATURE)
    items = [np.full(size, size, np.float32) for size in (3, 1, 5, 2)]
    for _ in range(2):
        assert list(pipeline.run(items)) == [9, 1, 25, 4]
    assert list(pipeline.run(items[:1])) == [9]


def test_two_runs_may_alternate():
    pipeline = ChunkPipeline(tf.reduce_sum, SIGNATURE)
    first = pipeline.run([np.float32([1]), np.float32([2])])
    second = pipeline.run([np.float32([3]), np.float32([4])])
    assert [next(first), next(second), next(first), next(second)] == [1, 3, 2, 4]


def test_a_pipeline_is_built_once():
    assert chunk_pipeline(scaled, 2.0, SIGNATURE) is chunk_pipeline(scaled, 2.0, SIGNATURE)
    (result,) = chunk_pipeline(scaled, 3.0, SIGNATURE).run([np.float32([1, 2])])
    assert result.tolist() == [3, 6]
