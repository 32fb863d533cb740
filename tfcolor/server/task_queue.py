"""Requests that wait to be computed, and which of them form the next batch."""

import collections
import dataclasses
from concurrent.futures import Future
from typing import Any

import grpc

from tfcolor.server.batching import BatchingParameters, batch_key, count_rows
from tfcolor.server.servable import Arrays, ServedSignature
from tfcolor.server.status import RequestError, invalid


@dataclasses.dataclass(eq=False)
class Task:
    """One request that waits.

    Args:
      signature: what it calls.
      inputs: [B, ...] by name; any shapes if it is computed alone.
      deadline: when its client stops waiting, on the queue's clock.
      enqueued: when it came.
      rows: B; 1 if it is computed alone.
      result: set to its outputs, or to a `RequestError`.
      queue_secs: how long it has waited, once it has been taken.
      batch_rows: rows of the batch that it was computed in.
    """

    signature: ServedSignature
    inputs: Arrays
    deadline: float = float("inf")
    enqueued: float = 0.0
    rows: int = 1
    result: "Future[Any]" = dataclasses.field(default_factory=Future)
    queue_secs: float = 0.0
    batch_rows: int = 0


class TaskQueue:
    """A bounded queue of requests; knows no threads, and time only as an argument.

    Args:
      parameters: how batches are formed, None to compute every request alone.
    """

    def __init__(self, parameters: BatchingParameters | None) -> None:
        self._parameters = parameters
        self._waiting: dict[object, collections.deque[Task]] = {}
        self._rows: collections.Counter[ServedSignature] = collections.Counter()

    def __len__(self) -> int:
        """Returns the number of requests that wait."""
        return sum(len(tasks) for tasks in self._waiting.values())

    def add(self, task: Task, now: float) -> None:
        """Adds a request.

        Args:
          task: the request; its `enqueued` and `rows` are set.
          now: the time.

        Raises:
          RequestError: if the queue is full, or the request is larger than a
            batch or has inputs of different numbers of rows.
        """
        task.enqueued = now
        key: object = task
        if self._parameters is not None and task.signature.is_batchable:
            task.rows = count_rows(task.inputs)
            self._check_room(task, self._parameters)
            key = batch_key(task.signature, task.inputs, self._parameters)
        self._rows[task.signature] += task.rows
        self._waiting.setdefault(key, collections.deque()).append(task)

    def take(self, now: float) -> list[Task]:
        """Takes the next batch, if one is due; the oldest first.

        Args:
          now: the time.

        Returns:
          Requests to be computed together; empty if none is due yet.
        """
        due = [key for key in self._waiting if self._due_time(key) <= now]
        if not due:
            return []
        key = min(due, key=lambda key: self._waiting[key][0].enqueued)
        tasks, batch = self._waiting[key], [self._waiting[key].popleft()]
        size = batch[0].rows
        while tasks and size + tasks[0].rows <= self._max_rows:
            size += tasks[0].rows
            batch.append(tasks.popleft())
        if not tasks:
            del self._waiting[key]
        for task in batch:
            task.queue_secs, task.batch_rows = now - task.enqueued, size
            self._rows[task.signature] -= task.rows
        self._rows += collections.Counter()  # drops the zeros
        return batch

    def next_due(self) -> float | None:
        """Returns when the next batch is due, None if nothing waits."""
        return min((self._due_time(key) for key in self._waiting), default=None)

    def take_all(self) -> list[Task]:
        """Empties the queue and returns what waited in it."""
        tasks = [task for waiting in self._waiting.values() for task in waiting]
        self._waiting.clear()
        self._rows.clear()
        return tasks

    @property
    def _max_rows(self) -> int:
        return self._parameters.max_batch_size if self._parameters else 1

    def _due_time(self, key: object) -> float:
        """Returns when the requests under a key are due: full, or waited enough."""
        tasks = self._waiting[key]
        is_alone = key is tasks[0] or self._parameters is None
        if is_alone or sum(task.rows for task in tasks) >= self._max_rows:
            return tasks[0].enqueued
        return tasks[0].enqueued + self._parameters.batch_timeout_micros / 1e6  # type: ignore[union-attr]

    def _check_room(self, task: Task, parameters: BatchingParameters) -> None:
        """Refuses requests larger than a batch, or more than may wait."""
        if task.rows > parameters.max_batch_size:
            raise invalid(
                f"Task size {task.rows} is larger than maximum input batch size"
                f" {parameters.max_batch_size}"
            )
        limit = parameters.max_batch_size * parameters.max_enqueued_batches
        if self._rows[task.signature] + task.rows > limit:
            raise RequestError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "The batch scheduling queue to which this task was submitted is full:"
                f" {self._rows[task.signature]} of {limit} rows",
            )
