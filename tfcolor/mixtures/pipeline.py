"""Work on chunks of samples: several at once, each in one thread, results in order."""

import functools
import os
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

import tensorflow as tf


class ChunkPipeline:
    """A graph that runs on every item of a source.

    A matrix product rounds differently when several threads share it. So each
    item is worked on by a single thread and the items are shared among threads:
    results do not depend on how many there are, and it is faster besides.

    Args:
      work: from the tensors of an item to tensors.
      signature: what an item is.
    """

    def __init__(self, work: Callable[..., Any], signature: Any) -> None:
        self._source: Iterable[Any] = ()
        self._lock = threading.Lock()
        num_threads = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
        options = tf.data.Options()
        options.autotune.enabled = False
        options.threading.max_intra_op_parallelism = 1
        self._results = (
            tf.data.Dataset.from_generator(lambda: self._source, output_signature=signature)
            .map(
                tf.function(work, autograph=False),
                num_parallel_calls=num_threads,
                deterministic=True,
            )
            .with_options(options)
        )

    def run(self, source: Iterable[Any]) -> Iterator[Any]:
        """Yields the results for every item of a source, as NumPy arrays.

        Args:
          source: items like the signature, not empty.

        Yields:
          Results in the order of the items.
        """
        with self._lock:
            self._source = source
            results = self._results.as_numpy_iterator()
            first = next(results)
        yield first
        yield from results


@functools.lru_cache(maxsize=16)
def chunk_pipeline(work: Callable[..., Any], owner: Hashable, signature: Any) -> ChunkPipeline:
    """Returns the pipeline for one kind of work, built once.

    Args:
      work: function of a module, from `owner` and the tensors of an item.
      owner: what the work depends on besides.
      signature: what an item is, hashable.

    Returns:
      The pipeline.
    """
    return ChunkPipeline(functools.partial(work, owner), signature)
