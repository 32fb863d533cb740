"""The processes besides the chief of a cluster: variables, and workers with their images."""

import json
import os
import re
import threading
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.core.progress import say
from tfcolor.data.pipeline import BatchPlan
from tfcolor.tasks.base import Task
from tfcolor.training.distribution import shard_edges
from tfcolor.training.synchronization import Place

FIRST_TOKEN = "pyfunc_0"
"""By this name TensorFlow finds the first Python function of a process. Graphs that
the chief traces run in the workers' processes and call it there."""

END = -1
"""Instead of a task's number: the run is over."""

MIN_THREADS = 4

GRACE_SECONDS = 1.0
"""Between the answer that the end was heard and the end of the process."""

_REASONS = re.compile(r"(?:ValueError|UserError): (.*)|assertion failed: \[(.*?)\]")


class BatchSource:
    """Makes the shares of batches of some tasks, in any order.

    Each is a pure function of its place and the number of the batch, so that
    another worker can make it again.

    Args:
      tasks: by number.
      batch_sizes: examples in a batch of each, over all workers of the task.
      seeds: of each.
    """

    def __init__(
        self, tasks: Sequence[Task], batch_sizes: Sequence[int], seeds: Sequence[int]
    ) -> None:
        self._tasks, self._batch_sizes, self._seeds = tasks, batch_sizes, seeds
        self._graphs: dict[Place, Any] = {}
        self._lock = threading.Lock()

    def read(self, place: Place, batch: int) -> list[np.ndarray]:
        """Returns a share of a batch.

        Args:
          place: whose.
          batch: number of the batch, from 0.

        Returns:
          The flat inputs and targets, each [B, ...], as `specification` describes
          them.
        """
        with self._lock:
            if place not in self._graphs:
                self._graphs[place] = self._build(place)
        elements = self._graphs[place](tf.constant(batch, tf.int64))
        return [element.numpy() for element in tf.nest.flatten(elements)]

    def specification(self, task: int) -> Any:
        """Returns the types of a task's examples, with a leading axis of any length."""
        plan = BatchPlan(self._batch_sizes[task], self._seeds[task], num_batches=1)
        dataset = self._tasks[task].make_dataset(self._tasks[task].splits[0], plan)
        return tf.nest.map_structure(
            lambda one: tf.TensorSpec([None, *one.shape[1:]], one.dtype), dataset.element_spec
        )

    def _build(self, place: Place) -> Any:
        """Returns the graph that makes the share of any batch."""
        task, batch_size = self._tasks[place.task], self._batch_sizes[place.task]
        edges = shard_edges(batch_size, place.num_workers)
        shards = ((edges[place.worker], edges[place.worker + 1]),)

        def make(batch: tf.Tensor) -> Any:
            plan = BatchPlan(batch_size, self._seeds[place.task], batch, 1, shards)
            return task.make_dataset(task.splits[0], plan).get_single_element()

        return tf.function(
            make, autograph=False, input_signature=[tf.TensorSpec([], tf.int64, "batch")]
        )


def fingerprint(flags: Mapping[str, str]) -> int:
    """Returns a number that tells the flags of two processes apart, in [0, 2^32)."""
    return zlib.crc32(json.dumps(sorted(flags.items())).encode())


def request(
    flags: int, place: tuple[int, int | tf.Tensor, int], batch: int | tf.Tensor
) -> tf.Tensor:
    """Returns what a graph asks a worker for.

    Args:
      flags: their fingerprint.
      place: task, worker (int64 [] where a graph decides) and number of
        workers, as of a `Place`: whose share.
      batch: int64 [], number of the batch.

    Returns:
      int64 [5].
    """
    numbers = (flags, *place, batch)
    return tf.stack([tf.convert_to_tensor(number, tf.int64) for number in numbers])


def ask(message: tf.Tensor, types: Sequence[tf.DType]) -> list[tf.Tensor]:
    """Calls the server's function from a graph that runs in its process.

    Args:
      message: int64 [5], a request.
      types: of what it answers.

    Returns:
      The answer.
    """
    return list(tf.raw_ops.PyFunc(input=[message], token=FIRST_TOKEN, Tout=list(types)))


def told_reason(error: tf.errors.OpError) -> str:
    r"""Returns what a worker or a check said, out of all that TensorFlow put around it.

    Args:
      error: of a graph that calls Python functions, maybe in another process.

    Returns:
      One line; empty if none of them said anything.

    Example:
      >>> text = "Graph execution error:\n\nUserError: no image\nTraceback (most recent ..."
      >>> told_reason(tf.errors.UnknownError(None, None, text))
      'no image'
    """
    # The first one: TensorFlow may quote the whole message below, in one line.
    found = _REASONS.search(error.message)
    return max(found.groups(default="")) if found else ""


class ClusterServer:
    """This process as a parameter server or a worker, until the run is over.

    Must be made before anything else of this process defines a Python function
    for TensorFlow.
    """

    def __init__(self) -> None:
        self._flags, self._is_over = 0, threading.Event()
        self._source: BatchSource | None = None
        self._keeper = tf.Graph()  # the function lives as long as a graph that calls it
        with self._keeper.as_default():
            answer = tf.numpy_function(self._answer, [tf.zeros([5], tf.int64)], [tf.int64])
            token = answer[0].op.get_attr("token").decode()
        if token != FIRST_TOKEN:
            raise RuntimeError(f"the server's function is {token}; expected {FIRST_TOKEN}")
        # A graph of the chief waits in one of them while others make its batch.
        # With a single one, as TF_NUM_INTEROP_THREADS may say, it waits for ever.
        threads = max(os.cpu_count() or 1, MIN_THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)

    def serve(self, source: BatchSource | None = None, flags: int = 0) -> None:
        """Serves until the chief says that the run is over.

        Args:
          source: of a worker.
          flags: fingerprint of a worker's.

        Raises:
          UserError: if the address in `TF_CONFIG` cannot be served.
        """
        self._source, self._flags = source, flags
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        try:
            server = tf.distribute.Server(
                resolver.cluster_spec(),
                job_name=resolver.task_type,
                task_index=resolver.task_id,
                protocol="grpc",
            )
        except (tf.errors.OpError, RuntimeError) as error:
            raise UserError(f"cannot serve the address in TF_CONFIG: {error}") from error
        place = f"{resolver.task_type} {resolver.task_id}"
        say(f"{place} serves {server.target}, process {os.getpid()}")
        self._is_over.wait()
        threading.Event().wait(GRACE_SECONDS)
        say(f"{place}: the run is over")

    def _answer(self, message: np.ndarray) -> list[np.ndarray]:
        """Makes the share that a request names, or notes the end."""
        flags, task, index, count, batch = (int(number) for number in message)
        if task == END:
            self._is_over.set()
            return [np.array(os.getpid(), np.int64)]
        if flags != self._flags:
            raise UserError(
                "a worker was started with other flags than the chief; expected the same ones"
            )
        if self._source is None:
            raise ValueError("this process has no images")
        return self._source.read(Place(task, index, count), batch)
