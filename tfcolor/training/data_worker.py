"""A worker of a tf.data service that makes the batches of runs with the same examples."""

import functools
import os

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.data.service import REACH_SECS, check_free, list_workers
from tfcolor.training.data_service import OTHER
from tfcolor.training.synchronization import Place
from tfcolor.training.worker_server import FIRST_TOKEN, MIN_THREADS, BatchSource


class DataWorker:
    """This process as a worker.

    tf.data's service cannot send a pipeline that calls Python, as ours do to read
    images. So a run sends no more than a call of this process's first Python
    function, and this process makes the batches by a pipeline of its own.

    Must be made before anything else of this process defines a Python function
    for TensorFlow.
    """

    def __init__(self) -> None:
        self._keeper = tf.Graph()  # the function lives as long as a graph that calls it
        with self._keeper.as_default():
            question = [tf.constant(""), tf.zeros([5], tf.int64)]
            answer = tf.numpy_function(self._answer, question, [tf.int64], stateful=False)
            token = answer[0].op.get_attr("token").decode()
        if token != FIRST_TOKEN:
            raise RuntimeError(f"the worker's function is {token}; expected {FIRST_TOKEN}")
        # A graph of a run waits in some of them while others make its batches.
        threads = max(os.cpu_count() or 1, MIN_THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)

    def start(
        self, dispatcher: str, host: str, port: int, source: BatchSource, flags: int
    ) -> tuple[str, tf.data.experimental.service.WorkerServer]:
        """Starts to serve, in threads of this process.

        Args:
          dispatcher: its "HOST:PORT".
          host: name by which runs reach this process.
          port: where it listens; 0 takes a free one.
          source: makes the batches.
          flags: fingerprint of what fixes the examples.

        Returns:
          (address, server): by which it is known, and what serves as long as it
          is kept.

        Raises:
          UserError: if the dispatcher does not answer, or the port is taken.
        """
        list_workers(dispatcher)
        port = check_free(port)
        self._address, self._source, self._flags = f"{host}:{port}", source, flags
        service = tf.data.experimental.service
        try:
            server = service.WorkerServer(
                service.WorkerConfig(
                    dispatcher_address=dispatcher,
                    worker_address=self._address,
                    port=port,
                    protocol="grpc",
                    dispatcher_timeout_ms=int(1e3 * REACH_SECS),
                )
            )
        except tf.errors.OpError as error:
            raise UserError(f"cannot serve {self._address}: {error.message}") from error
        return self._address, server

    def _answer(self, worker: bytes, message: np.ndarray) -> list[np.ndarray]:
        """Makes the batch that a request names, if this is the worker that it is for."""
        flags, task, index, count, batch = (int(number) for number in message)
        if flags != self._flags:
            raise ValueError("a worker was started with other flags for the examples than the run")
        if worker.decode() != self._address:
            return [np.array(OTHER, np.int64), *self._blank(task)]
        place = Place(task, index, count)
        return [np.array(batch, np.int64), *self._source.read(place, batch)]

    @functools.cache  # noqa: B019 - there is one for each process
    def _blank(self, task: int) -> list[np.ndarray]:
        """Returns no example of a task, as flat tensors."""
        return [
            np.zeros([0, *(side or 0 for side in one.shape[1:])], one.dtype.as_numpy_dtype)
            for one in tf.nest.flatten(self._source.specification(task))
        ]
