"""Work on chunks of samples: several at once, each in one thread, results in order."""

import collections
import functools
import os
import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf


class ChunkPipeline:
    """Runs of one kind of work over chunks, each chunk in a single thread.

    A matrix product rounds differently when several threads share it. So each
    chunk is worked on by a single thread and the chunks are shared among threads:
    results do not depend on how many there are, and it is faster besides.

    Args:
      work: from a chunk and the constants of a run to tensors.
      chunk: what a chunk is.
      constants: what the constants are.
    """

    def __init__(self, work: Callable[..., Any], chunk: Any, constants: Any) -> None:
        self._make = functools.partial(_Lane, work, (chunk, constants))
        self._idle: collections.deque[_Lane] = collections.deque()

    def run(self, read: Callable[[int], Any], count: int, constants: Any) -> Iterator[Any]:
        """Yields the results for every chunk of a source, as NumPy arrays.

        Several runs may be under way at a time.

        Args:
          read: returns a chunk by its number, an empty one for `count`; called in
            another thread, for one number after the other.
          count: of the chunks.
          constants: like their signature.

        Yields:
          Results in the order of the chunks.
        """
        try:
            lane = self._idle.pop()
        except IndexError:
            lane = self._make()
        yield from lane.run(read, count, constants)
        self._idle.append(lane)


class _Lane:
    """A graph that goes on from run to run, one at a time.

    To start it takes as long as to work on several chunks. So it never ends: it asks
    for more than a run has, and what it is given then is passed over.
    """

    def __init__(self, work: Callable[..., Any], signature: Any) -> None:
        self._work, self._signature = work, signature
        traced = tf.function(work, autograph=False).get_concrete_function(*signature)
        self._outputs = traced.structured_outputs
        self._lock = threading.Lock()
        self._run, self._next, self._count = 0, 0, 0
        self._read: Callable[[int], list[np.ndarray]] = lambda number: []
        num_threads = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
        options = tf.data.Options()
        options.autotune.enabled = False
        options.threading.max_intra_op_parallelism = 1
        options.threading.private_threadpool_size = num_threads
        # Reading is a map of its own, one chunk after the other, and says that it has no
        # state: after one with state a deterministic TensorFlow makes all maps serial.
        self._results = (
            tf.data.Dataset.range(tf.int64.max)
            .map(tf.function(self._take, autograph=False))
            .prefetch(1)
            .map(
                tf.function(self._answer, autograph=False),
                num_parallel_calls=num_threads,
                deterministic=True,
            )
            .with_options(options)
            .as_numpy_iterator()
        )

    def run(self, read: Callable[[int], Any], count: int, constants: Any) -> Iterator[Any]:
        """Yields results in order, as `ChunkPipeline.run` does."""
        held = _flatten(constants)
        # Copied: an empty part of an array would keep all of it in memory.
        beyond = [one.copy() for one in _flatten(read(count))] + held
        with self._lock:
            self._run += 1
            self._next, self._count = 0, count
            self._read = lambda number: _flatten(read(number)) + held if number < count else beyond
        for _ in range(count):
            run = 0
            while run != self._run:
                run, result = next(self._results)
            yield result
        # The samples may be let go.
        self._read = lambda number: beyond

    def _take(self, index: tf.Tensor) -> Any:
        """Returns the run, 0 beyond it, a chunk and the constants."""
        specs = tf.nest.flatten(self._signature, expand_composites=True)
        dtypes = [tf.int64, *(spec.dtype for spec in specs)]
        run, *parts = tf.numpy_function(self._next_item, [index], dtypes, stateful=False)
        shaped = [tf.ensure_shape(one, spec.shape) for one, spec in zip(parts, specs, strict=True)]
        item = tf.nest.pack_sequence_as(self._signature, shaped, expand_composites=True)
        return tf.ensure_shape(run, []), *item

    def _answer(self, run: tf.Tensor, chunk: Any, constants: Any) -> Any:
        """Returns the run and what the work finds in a chunk; nothing beyond it."""
        nothing = tf.nest.map_structure(
            lambda one: tf.zeros([0] * one.shape.rank, one.dtype), self._outputs
        )
        result = tf.cond(run > 0, lambda: self._work(chunk, constants), lambda: nothing)
        return run, result

    def _next_item(self, _index: int) -> list[Any]:
        """Returns the run, a chunk and the constants as arrays."""
        with self._lock:
            number, read = self._next, self._read
            self._next += 1
            run = self._run if number < self._count else 0
        return [np.int64(run), *read(number)]


def _flatten(structure: Any) -> list[np.ndarray]:
    """Returns the tensors and arrays of a structure as arrays, without copying them."""
    return [np.asarray(one) for one in tf.nest.flatten(structure, expand_composites=True)]


@functools.lru_cache(maxsize=16)
def chunk_pipeline(
    work: Callable[..., Any], owner: Hashable, chunk: Any, constants: Any
) -> ChunkPipeline:
    """Returns the pipeline for one kind of work, built once.

    Args:
      work: function of a module, from `owner`, a chunk and the constants.
      owner: what the work depends on besides.
      chunk: what a chunk is, hashable.
      constants: what the constants are, hashable.

    Returns:
      The pipeline.
    """
    return ChunkPipeline(functools.partial(work, owner), chunk, constants)
