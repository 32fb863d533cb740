"""Work on chunks of samples: several at once, each in one thread, results in order."""

import functools
import itertools
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
        self._idle: list[_Lane] = []

    def run(self, read: Callable[[int], Any], count: int, constants: Any) -> Iterator[Any]:
        """Yields the results for every chunk of a source, as NumPy arrays.

        Several runs may be under way at a time.

        Args:
          read: returns a chunk by its number, an empty one for `count`; called by
            several threads.
          count: of the chunks.
          constants: like their signature.

        Yields:
          Results in the order of the chunks.
        """
        lane = self._idle.pop() if self._idle else self._make()
        yield from lane.run(read, count, constants)
        self._idle.append(lane)


class _Lane:
    """A graph that goes on from run to run, one at a time.

    To start it takes as long as to work on several chunks. So it never ends: it asks
    for more than a run has, is given empty chunks, and what comes of them is skipped.
    """

    def __init__(self, work: Callable[..., Any], signature: Any) -> None:
        self._work, self._signature = work, signature
        self._lock = threading.Lock()
        self._run = 0
        self._numbers: Iterator[int] = itertools.count()
        self._read: Callable[[int], list[np.ndarray]] = lambda number: []
        num_threads = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
        options = tf.data.Options()
        options.autotune.enabled = False
        options.threading.max_intra_op_parallelism = 1
        self._results = (
            tf.data.Dataset.range(tf.int64.max)
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
        beyond = _flatten(read(count)) + held
        with self._lock:
            self._run += 1
            self._numbers = itertools.count()
            self._read = lambda number: _flatten(read(number)) + held if number < count else beyond
        finished: dict[int, Any] = {}
        for number in range(count):
            while number not in finished:
                run, found, result = next(self._results)
                if run == self._run:
                    finished[int(found)] = result
            yield finished.pop(number)
        # The samples may be let go.
        self._read = lambda number: beyond

    def _answer(self, index: tf.Tensor) -> Any:
        """Returns the run, the number of a chunk of it and what the work finds there."""
        specs = tf.nest.flatten(self._signature, expand_composites=True)
        dtypes = [tf.int64, tf.int64, *(spec.dtype for spec in specs)]
        run, number, *parts = tf.numpy_function(self._take, [index], dtypes)
        shaped = [tf.ensure_shape(one, spec.shape) for one, spec in zip(parts, specs, strict=True)]
        chunk, constants = tf.nest.pack_sequence_as(self._signature, shaped, expand_composites=True)
        return run, number, self._work(chunk, constants)

    def _take(self, _index: int) -> list[Any]:
        """Returns the run, the next number of it, a chunk and the constants."""
        with self._lock:
            run, number, read = self._run, next(self._numbers), self._read
        return [np.int64(run), np.int64(number), *read(number)]


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
