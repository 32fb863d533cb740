"""Three stations that work at once: threads that load, a network, threads that finish.

What lies between them is bounded by its size, so memory does not grow with the
number of items. Nothing here knows what the items are.
"""

import abc
import dataclasses
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")
Predicted = TypeVar("Predicted")
Result = TypeVar("Result")

_POLL_SECS = 0.2


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much is done at once.

    Args:
      num_threads: that load, and as many that finish.
      batch_size: items that the network looks at together, at most.
      budget: what the items may cost together that are loaded and not finished.
        One that costs more is alone.
    """

    num_threads: int = max(os.cpu_count() or 1, 2)
    batch_size: int = 1
    budget: int = 32_000_000

    @property
    def max_items(self) -> int:
        """Returns how many items may be loaded and not finished."""
        return 3 * self.num_threads + 2 * self.batch_size


@dataclasses.dataclass(frozen=True, eq=False)
class Early(Generic[Result]):
    """What `Stations.load` returns of an item that needs no other station.

    Args:
      result: of the item.
    """

    result: Result


class Stations(abc.ABC, Generic[Item, Loaded, Predicted, Result]):
    """What is done to every item. Only `predict` and `fail` run in the calling thread."""

    @abc.abstractmethod
    def measure(self, item: Item) -> int:
        """Returns what an item costs of `Limits.budget`; never raises."""

    @abc.abstractmethod
    def load(self, item: Item) -> Loaded | Early[Result]:
        """Loads an item."""

    @abc.abstractmethod
    def shape(self, loaded: Loaded) -> object:
        """Returns what items share that the network may look at together."""

    @abc.abstractmethod
    def predict(self, batch: Sequence[Loaded]) -> Sequence[Predicted]:
        """Lets the network look at items of one shape."""

    @abc.abstractmethod
    def finish(self, item: Item, loaded: Loaded, predicted: Predicted) -> Result:
        """Makes the result of an item.

        Args:
          item: as it was given.
          loaded: what `load` made of it.
          predicted: what `predict` made of that.

        Returns:
          The result.
        """

    @abc.abstractmethod
    def fail(self, item: Item, error: Exception) -> Result:
        """Returns the result of an item of which a station raised `error`.

        Or raises, which stops everything.
        """


@dataclasses.dataclass(frozen=True, eq=False)
class _Parcel(Generic[Item, Loaded]):
    """An item that waits for the network."""

    item: Item
    cost: int
    loaded: Loaded


@dataclasses.dataclass(frozen=True, eq=False)
class _Delivery(Generic[Item, Result]):
    """What became of an item."""

    item: Item
    outcome: Early[Result] | Exception
    was_predicted: bool


class _Gate:
    """Lets items in while they fit, in the order in which they come."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._costs: list[int] = []
        self._is_open = True

    def enter(self, cost: int) -> bool:
        """Waits until an item fits; returns whether it is in: not after `close`."""
        with self._turn, self._changed:
            self._changed.wait_for(lambda: not self._is_open or self._fits(cost))
            if self._is_open:
                self._costs.append(cost)
            return self._is_open

    def leave(self, cost: int) -> None:
        """Gives the room of an item to the next ones."""
        with self._changed:
            self._costs.remove(cost)
            self._changed.notify_all()

    def close(self) -> None:
        """Lets nothing in any more."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()

    def _fits(self, cost: int) -> bool:
        """Says whether there is room, as there is for anything that is alone."""
        if len(self._costs) >= self._limits.max_items:
            return False
        return not self._costs or sum(self._costs) + cost <= self._limits.budget


class Conveyor(Generic[Item, Loaded, Predicted, Result]):
    """Runs items through stations, once.

    Args:
      stations: what is done to every item.
      limits: how much at once.
      is_stopped: asked again and again. Once it is true, what the network has
        seen is finished and the rest is dropped.
    """

    def __init__(
        self,
        stations: Stations[Item, Loaded, Predicted, Result],
        limits: Limits,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._stations, self._limits, self._is_stopped = stations, limits, is_stopped
        self._gate = _Gate(limits)
        self._turn = threading.Lock()
        self._pool = ThreadPoolExecutor(limits.num_threads)
        # None says that one of the threads that load has come to its end.
        self._arrived: queue.SimpleQueue[_Parcel[Item, Loaded] | _Delivery[Item, Result] | None] = (
            queue.SimpleQueue()
        )

    def run(self, items: Iterable[Item]) -> Iterator[Result]:
        """Yields the result of every item as soon as it is there.

        The network runs between two results. If `Stations.fail` raises, or the
        caller gives up, what is being loaded or finished comes to its end first.

        Args:
          items: each is taken when there is a thread for it.

        Yields:
          Results, roughly in the order of the items.
        """
        source = iter(items)
        loaders = [
            threading.Thread(target=self._load_all, args=(source,), daemon=True)
            for _ in range(self._limits.num_threads)
        ]
        try:
            for loader in loaders:
                loader.start()
            yield from self._work()
        finally:
            self._gate.close()
            self._pool.shutdown(cancel_futures=True)
            for loader in loaders:
                loader.join()

    def _work(self) -> Iterator[Result]:
        """Yields results while it keeps the network busy."""
        waiting: list[_Parcel[Item, Loaded]] = []
        num_loaders, num_finishing = self._limits.num_threads, 0
        while num_loaders or waiting or num_finishing:
            for arrival in self._arrivals(can_wait=not waiting):
                if arrival is None:
                    num_loaders -= 1
                elif isinstance(arrival, _Parcel):
                    waiting.append(arrival)
                else:
                    num_finishing -= arrival.was_predicted
                    yield self._result(arrival)
            if self._is_stopped():
                self._gate.close()
                waiting.clear()
            elif waiting:
                batch = self._pick(waiting)
                num_finishing += len(batch)
                self._predict(batch)

    def _arrivals(
        self, can_wait: bool
    ) -> Iterator[_Parcel[Item, Loaded] | _Delivery[Item, Result] | None]:
        """Yields what threads have sent; waits a moment for it if there is time."""
        try:
            yield self._arrived.get(timeout=_POLL_SECS) if can_wait else self._arrived.get_nowait()
            while True:
                yield self._arrived.get_nowait()
        except queue.Empty:
            return

    def _result(self, delivery: _Delivery[Item, Result]) -> Result:
        """Returns the result of an item, or raises what stops everything."""
        if isinstance(delivery.outcome, Early):
            return delivery.outcome.result
        return self._stations.fail(delivery.item, delivery.outcome)

    def _pick(self, waiting: list[_Parcel[Item, Loaded]]) -> list[_Parcel[Item, Loaded]]:
        """Takes out the oldest of those that wait, and others of its shape."""
        shape = self._stations.shape(waiting[0].loaded)
        alike = [parcel for parcel in waiting if self._stations.shape(parcel.loaded) == shape]
        batch = alike[: self._limits.batch_size]
        waiting[:] = [parcel for parcel in waiting if parcel not in batch]
        return batch

    def _predict(self, batch: list[_Parcel[Item, Loaded]]) -> None:
        """Runs the network on items of one shape, and has them finished."""
        try:
            predictions = self._stations.predict([parcel.loaded for parcel in batch])
        except Exception as error:
            if len(batch) == 1:
                self._deliver(batch[0].item, batch[0].cost, error, was_predicted=True)
                return
            for parcel in batch:  # of which one may be to blame
                self._predict([parcel])
            return
        for parcel, predicted in zip(batch, predictions, strict=True):
            self._pool.submit(self._finish, parcel, predicted)

    def _finish(self, parcel: _Parcel[Item, Loaded], predicted: Predicted) -> None:
        """Finishes an item, in a thread of the pool."""
        outcome: Early[Result] | Exception
        try:
            outcome = Early(self._stations.finish(parcel.item, parcel.loaded, predicted))
        except Exception as error:
            outcome = error
        self._deliver(parcel.item, parcel.cost, outcome, was_predicted=True)

    def _load_all(self, source: Iterator[Item]) -> None:
        """Loads items, in a thread of its own."""
        try:
            while True:
                with self._turn:
                    item = next(source)
                cost = self._stations.measure(item)
                if not self._gate.enter(cost):
                    return
                self._load(item, cost)
        except StopIteration:
            return
        finally:
            self._arrived.put(None)

    def _load(self, item: Item, cost: int) -> None:
        """Loads one item."""
        try:
            loaded = self._stations.load(item)
        except Exception as error:
            self._deliver(item, cost, error)
            return
        if isinstance(loaded, Early):
            self._deliver(item, cost, loaded)
        else:
            self._arrived.put(_Parcel(item, cost, loaded))

    def _deliver(
        self,
        item: Item,
        cost: int,
        outcome: Early[Result] | Exception,
        *,
        was_predicted: bool = False,
    ) -> None:
        """Sends what became of an item, which makes room for others."""
        self._gate.leave(cost)
        self._arrived.put(_Delivery(item, outcome, was_predicted))
