"""Threads that compute waiting requests, in batches where that is asked for."""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError

import grpc

from tfcolor.server.batching import BatchingParameters, join_inputs, split_outputs
from tfcolor.server.servable import Arrays
from tfcolor.server.status import RequestError, deadline_exceeded, unavailable
from tfcolor.server.task_queue import Task, TaskQueue

_LOGGER = logging.getLogger(__name__)


class Scheduler:
    """Computes requests in a few threads; the others wait in a queue.

    A request whose client has given up is dropped and not computed. Where one
    request of a batch is at fault, the others are computed without it.

    Args:
      parameters: how batches are formed, None to compute every request alone,
        one for each core at a time.
      observe: called with the requests of each batch before it is computed.
      clock: gives the time in seconds.
    """

    def __init__(
        self,
        parameters: BatchingParameters | None = None,
        observe: Callable[[Sequence[Task]], None] = lambda batch: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parameters, self._observe, self._clock = parameters, observe, clock
        self._queue = TaskQueue(parameters)
        self._condition = threading.Condition()
        self._is_closed = False
        count = parameters.num_batch_threads if parameters else os.cpu_count() or 1
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{index}", daemon=True)
            for index in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task) -> None:
        """Queues a request.

        Raises:
          RequestError: if the queue is full or closed, or the request does not
            fit into a batch.
        """
        with self._condition:
            if self._is_closed:
                raise unavailable()
            self._queue.add(task, self._clock())
            self._condition.notify()

    def wait(self, task: Task) -> Arrays:
        """Waits for the outputs of a queued request.

        Args:
          task: the request.

        Returns:
          Its outputs by name.

        Raises:
          RequestError: if it fails, or its deadline passes.
        """
        remaining = task.deadline - self._clock()
        try:
            return task.result.result(None if remaining == float("inf") else max(remaining, 0.0))
        except FutureTimeoutError:
            task.result.cancel()
            raise deadline_exceeded() from None
        except CancelledError:
            raise RequestError(grpc.StatusCode.CANCELLED, "cancelled by the client") from None

    def close(self) -> None:
        """Ends the threads after the batches they compute; refuses what waits."""
        with self._condition:
            self._is_closed = True
            waiting = self._queue.take_all()
            self._condition.notify_all()
        for task in waiting:
            _fail(task, unavailable())

    def _work(self) -> None:
        """Computes one batch after the other until the scheduler is closed."""
        while batch := self._next_batch():
            now = self._clock()
            alive = []
            for task in batch:
                if task.deadline <= now:
                    task.result.cancel()
                if task.result.set_running_or_notify_cancel():
                    alive.append(task)
            if alive:
                self._observe(alive)
                self._compute(alive)

    def _next_batch(self) -> list[Task]:
        """Waits for the next batch; empty when the scheduler is closed."""
        with self._condition:
            batch: list[Task] = []
            while not self._is_closed and not (batch := self._queue.take(self._clock())):
                due = self._queue.next_due()
                self._condition.wait(None if due is None else max(due - self._clock(), 0.0))
            if len(self._queue):
                self._condition.notify()
            return batch

    def _compute(self, batch: list[Task]) -> None:
        """Sets the results of a batch; alone, one by one, if one of it is at fault."""
        try:
            outputs = self._run(batch)
        except RequestError as error:
            if len(batch) == 1 or error.code != grpc.StatusCode.INVALID_ARGUMENT:
                for task in batch:
                    _fail(task, error)
                return
            for task in batch:
                self._compute([task])
            return
        for task, output in zip(batch, outputs, strict=True):
            task.result.set_result(output)

    def _run(self, batch: list[Task]) -> list[Arrays]:
        """Runs a batch; every error becomes a `RequestError`."""
        signature, rows = batch[0].signature, [task.rows for task in batch]
        try:
            if self._parameters is None or not signature.is_batchable:
                return [signature.run(batch[0].inputs)]
            padded = self._parameters.padded_size(sum(rows))
            joined = join_inputs([task.inputs for task in batch], padded)
            return split_outputs(signature.run(joined), rows)
        except RequestError:
            raise
        except Exception as error:
            # The server lives on, whatever a model does.
            _LOGGER.exception("signature %s failed", signature.name)
            raise RequestError(
                grpc.StatusCode.INTERNAL, f"the model failed: {type(error).__name__}"
            ) from error


def _fail(task: Task, error: RequestError) -> None:
    """Gives a request its error, unless it was cancelled."""
    if not task.result.cancelled():
        task.result.set_exception(error)
