"""Batches that the workers of a tf.data service make, in the order of a local pipeline."""

import functools
import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.core.progress import say
from tfcolor.data.pipeline import BatchPlan, exact_options, split_batch
from tfcolor.data.service import (
    APPEAR_SECS,
    REACH_SECS,
    find_workers,
    list_workers,
    parse_service_address,
    reachable,
)
from tfcolor.training.synchronization import Place
from tfcolor.training.worker_server import FIRST_TOKEN, request, told_reason

OTHER = -1
"""Instead of a batch's number: from a worker that another one was asked for."""

_LOST = "batches are missing: a worker of the data service was lost or started again"
_AGAIN = "start this command again to go on from the last checkpoint"
Item = TypeVar("Item")


class DataService:
    """The workers of a tf.data service that are there when a run starts.

    Worker w of W makes the batches w, w + W, ... of the run's sequence, by the
    same pipeline that would read here. The run has a job of the service for each
    worker, which only that worker answers, takes a batch of each in turn, and
    checks their numbers: so the examples do not depend on who made them. A worker
    that comes later makes batches of later runs only.

    tf.data's coordinated reads would need one job alone, but leave a worker out of
    a round in which it takes more than 0.1 s: the order then depends on the time.

    Args:
      address: of the dispatcher, "HOST:PORT" or "grpc://HOST:PORT".
      flags: fingerprint of what fixes the examples, which the workers must share.
      num_workers: how many to wait for; all that are there are used.
      patience: seconds to wait for them.

    Raises:
      UsageError: if the address is none.
      UserError: if there is no service, or it has too few workers.
    """

    def __init__(
        self, address: str, flags: int, num_workers: int = 1, patience: float = APPEAR_SECS
    ) -> None:
        self._dispatcher = parse_service_address(address, "--data_service")
        self._flags = flags
        self._iterators: list[Any] = []
        self._workers = find_workers(self._dispatcher, num_workers, patience)
        say(f"{len(self._workers)} workers of the data service at {address} make the batches")

    def make_dataset(self, place: Place, plan: BatchPlan, specification: Any) -> tf.data.Dataset:
        """Returns the planned batches as the workers make them.

        Args:
          place: whose share of each global batch `plan` describes.
          plan: an endless one; its shards lie side by side.
          specification: types of the task's (inputs, targets), whose leading
            axis is B.

        Returns:
          Yields what the task's own `make_dataset` yields.
        """
        count, flat = len(self._workers), tf.nest.flatten(specification)
        jobs = []
        for index, worker in enumerate(self._workers):
            batches = tf.data.Dataset.counter(plan.first_batch + index, count)
            messages = batches.map(functools.partial(request, self._flags, place))
            jobs.append(self._distribute(_ask(worker, messages, flat)))
        turns = tf.data.Dataset.range(count).repeat()
        served = tf.data.Dataset.choose_from_datasets(jobs, turns)

        @tf.autograph.experimental.do_not_convert
        def split(index: tf.Tensor, answer: tuple[tf.Tensor, ...]) -> tf.data.Dataset:
            number, *batch = answer
            check = tf.debugging.Assert(number == plan.first_batch + index, [_LOST])
            with tf.control_dependencies([check]):
                batch = [tf.identity(tensor) for tensor in batch]
            for tensor in batch:
                tensor.set_shape([len(plan.slots), *tensor.shape[1:]])
            return split_batch(tf.nest.pack_sequence_as(specification, batch), plan.sizes)

        shards = served.enumerate().flat_map(split)
        return shards.prefetch(tf.data.AUTOTUNE).with_options(exact_options())

    def watch(self, batches: Iterable[Item]) -> Iterator[Item]:
        """Yields batches, and looks after the service when one does not come.

        tf.data itself waits for ever for a worker that has died.

        Args:
          batches: of a dataset of this service, endless.

        Yields:
          Each of them.

        Raises:
          UserError: if a worker cannot go on or does not answer any more.
        """
        iterator = iter(batches)
        self._iterators.append(iterator)
        while True:
            try:
                batch = self._next(iterator)
            except UserError:
                self._abandon()
                raise
            yield batch

    def _next(self, iterator: Iterator[Item]) -> Item:
        """Returns the next batch; raises UserError if there is none."""
        answers: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()
        # A thread that waits for a dead worker does not keep the process.
        threading.Thread(target=_fetch, args=(iterator, answers), daemon=True).start()
        batch, error = self._wait(answers)
        if isinstance(error, tf.errors.OpError):
            reason = told_reason(error) or error.message.partition("\n")[0]
            raise UserError(
                f"the data service at {self._dispatcher} failed: {reason}; {_AGAIN}"
            ) from error
        if error is not None:
            raise error
        if batch is None:
            raise UserError(f"the data service at {self._dispatcher} ended: {_LOST}; {_AGAIN}")
        return batch

    def _wait(self, answers: "queue.SimpleQueue[Any]") -> Any:
        """Returns the next batch or the error; raises UserError if none can come."""
        while True:
            try:
                return answers.get(timeout=REACH_SECS)
            except queue.Empty:
                list_workers(self._dispatcher)
                alive = reachable(self._workers)
                lost = [address for address in self._workers if address not in alive]
            if lost:
                raise UserError(
                    f"the workers {', '.join(lost)} of the data service do not answer any more;"
                    f" {_AGAIN}"
                )

    def _abandon(self) -> None:
        """Keeps what was read from in a thread, as long as the process lives.

        An iterator is not collected before its worker answers, which a dead one
        does not, and Python's lock is held meanwhile: the process would never end.
        """
        keep = threading.Thread(target=_hold, args=(self._iterators,), daemon=True)
        keep.start()

    def _distribute(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Returns a dataset that the workers compute, each all of it."""
        service = tf.data.experimental.service
        return batches.apply(
            service.distribute(
                service.ShardingPolicy.OFF,
                f"grpc://{self._dispatcher}",
                compression=None,
            )
        )


def _ask(worker: str, messages: tf.data.Dataset, flat: Sequence[Any]) -> tf.data.Dataset:
    """Returns what a worker answers, (number, flat tensors) of each batch; others end at once."""
    types = [tf.int64, *(one.dtype for one in flat)]

    @tf.autograph.experimental.do_not_convert
    def ask(message: tf.Tensor) -> tuple[tf.Tensor, ...]:
        # Declared stateless, so that op determinism lets several batches be made at once.
        number, *batch = tf.raw_ops.PyFuncStateless(
            input=[tf.constant(worker), message], token=FIRST_TOKEN, Tout=types
        )
        number.set_shape([])
        for tensor, one in zip(batch, flat, strict=True):
            tensor.set_shape([None, *one.shape[1:]])
        return (number, *batch)

    @tf.autograph.experimental.do_not_convert
    def is_its_own(number: tf.Tensor, *batch: tf.Tensor) -> tf.Tensor:
        del batch
        return number != OTHER

    answers = messages.map(ask, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return answers.take_while(is_its_own).with_options(exact_options())


def _fetch(iterator: Iterator[Any], answers: "queue.SimpleQueue[Any]") -> None:
    """Puts the next item, or the error it ended in."""
    try:
        answers.put((next(iterator, None), None))
    except Exception as error:
        answers.put((None, error))


def _hold(kept: list[Any]) -> None:
    """Waits for ever, and holds something meanwhile."""
    threading.Event().wait()
    del kept
