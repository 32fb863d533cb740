"""The training loop upon parameter servers: groups of workers, one update at a time."""

import contextlib
import logging
import queue
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tfcolor.core.errors import UserError
from tfcolor.core.progress import say
from tfcolor.training.checkpoints import RESTORE_ERRORS, find_checkpoints
from tfcolor.training.exchange import Crew, Exchange, Figures, merge_statistics
from tfcolor.training.loop import Run, Trainer
from tfcolor.training.optimizers import Update
from tfcolor.training.schedules import scheduled_rate
from tfcolor.training.signals import StopRequest
from tfcolor.training.worker_server import END, ask, request, told_reason

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 10.0
"""How long a signal waits for the update in progress, which may wait for a dead worker."""

_RAISED = "encountered the following error when processing closure"

LOST_ERRORS = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)


class Cluster(NamedTuple):
    """What a run has besides on parameter servers.

    Attributes:
      coordinator: `tf.distribute.coordinator.ClusterCoordinator`.
      exchanges: one for each group of workers.
      crews: of all groups.
      updates: by task.
    """

    coordinator: Any
    exchanges: tuple[Exchange, ...]
    crews: tuple[Crew, ...]
    updates: tuple[Update, ...]


class _Ready(NamedTuple):
    """A group whose contributions are all there, or what went wrong."""

    group: int
    figures: Mapping[int, Figures] = {}
    error: BaseException | None = None


class ClusterTrainer(Trainer):
    """Trains on parameter servers, from the last checkpoint on if there is one.

    Every group of workers has a thread here that asks the cluster for the
    group's contributions to its next update and waits for them. The updates are
    made by the thread of `train` alone, one after the other in the order in which
    groups get ready; so a look or a checkpoint never sees half of one. Each is a
    step of the run.

    Args:
      run: network, tasks, options and folder.
      request: read after every step; a signal ends the run early.
      cluster: the groups.
    """

    def __init__(self, run: Run, request: StopRequest, cluster: Cluster) -> None:
        self._cluster = cluster
        self._ready: queue.Queue[_Ready] = queue.Queue()
        self._go: list[queue.Queue[int | None]] = [queue.Queue() for _ in cluster.exchanges]
        self._last_time = time.monotonic()
        super().__init__(run, request)

    def _build_updates(self) -> dict[str, Any]:
        """Returns what of the updates and groups a checkpoint holds."""
        return {
            "optimizer": tf.train.Checkpoint(updates=list(self._cluster.updates)),
            "groups": tf.train.Checkpoint(
                exchanges=[exchange.state for exchange in self._cluster.exchanges]
            ),
        }

    def _begin(self) -> None:
        """Restores the last checkpoint, unless it is one of other groups."""
        for _, prefix in find_checkpoints(self._run.directory.path, "last")[:1]:
            with contextlib.suppress(*RESTORE_ERRORS):  # a damaged one is passed over later
                self._check_groups([name for name, _ in tf.train.list_variables(prefix)])
        super()._begin()

    def _check_groups(self, names: Sequence[str]) -> None:
        """Raises UserError if the variables of a checkpoint are those of other groups."""
        found = [re.match(r"groups/exchanges/(\d+)/steps/", name) for name in names]
        saved, count = len({match[1] for match in found if match}), len(self._go)
        if saved not in (0, count):
            raise UserError(
                f"{self._run.directory.path} was begun with {saved} groups of workers and there"
                f" are {count} now; with --synchronization=asynchronous each worker is one:"
                f" expected TF_CONFIG or --task_workers with {saved} workers"
            )

    def _begin_rounds(self, tasks: Iterable[int]) -> None:
        """Does nothing: there are no tasks with rounds here."""

    def _run_steps(self) -> Mapping[str, float]:
        """Runs all steps left while the groups compute."""
        for number in range(len(self._go)):
            threading.Thread(target=self._compute, args=(number,), daemon=True).start()
            self._go[number].put(int(self._cluster.exchanges[number].steps))
        self._last_time = time.monotonic()
        try:
            return super()._run_steps()
        finally:
            for go in self._go:
                go.put(None)

    def _compute(self, number: int) -> None:
        """Gets the contributions of a group, update by update; runs in a thread of its own."""
        exchange = self._cluster.exchanges[number]
        try:
            while (step := self._go[number].get()) is not None:
                figures = exchange.contribute(self._cluster.coordinator, step)
                self._ready.put(_Ready(number, figures))
        except Exception as error:  # for the thread of `train` to raise
            self._ready.put(_Ready(number, error=error))

    def _advance(self) -> tuple[str, bool]:
        """Makes the update of the group that is ready first."""
        step, run = self.step, self._run
        rate = scheduled_rate(run.optimization, step, self._stopping.drops, run.training.num_steps)
        figures: Figures = {}
        while not figures:
            ready = self._wait()
            exchange = self._cluster.exchanges[ready.group]
            for task in exchange.group.tasks:
                self._cluster.updates[task].set_rate(rate)
            figures = exchange.apply(step >= max(self._freeze_step, 1), ready.figures)
            if not figures:
                say(f"a step of group {ready.group} is not whole; computing it again")
                self._go[ready.group].put(int(exchange.steps))
        self._step_variable.assign_add(1)
        figures |= self._loss_figures(exchange, ready.figures)
        self._last_loss = tf.constant(figures["loss"])
        now = time.monotonic()
        self._seconds, self._last_time = self._seconds + now - self._last_time, now
        # The same update cannot be made twice: the group's next step is another.
        self._go[ready.group].put(int(exchange.steps))
        note = ""
        if self.step % run.training.log_every_steps == 0:
            tensors = {name: tf.constant(value) for name, value in figures.items()}
            note = self._log({**tensors, "group": tf.constant(ready.group)}, rate)
        return note, self._request.signal_number is not None

    def _wait(self) -> _Ready:
        """Returns the next group that is ready; saves and leaves if a signal waits too long."""
        deadline: float | None = None
        while True:
            with contextlib.suppress(queue.Empty):
                ready = self._ready.get(timeout=POLL_SECONDS)
                if ready.error is not None:
                    raise ready.error
                return ready
            if self._request.signal_number is not None:
                deadline = deadline or time.monotonic() + PATIENCE_SECONDS
                if time.monotonic() > deadline:
                    self._stop()

    def _loss_figures(self, exchange: Exchange, found: Mapping[int, Figures]) -> Figures:
        """Returns the losses of an update by full name, each over the workers of a task."""
        figures: Figures = {}
        losses = []
        for task in exchange.group.tasks:
            member = self._run.members[task]
            places = exchange.group.places
            own = [one for number, one in found.items() if places[number].task == task]
            samples = max(sum(one["samples"] for one in own), 1.0)
            terms = {
                name: sum(one[name] for one in own) / samples
                for name in own[0]
                if name != "samples"
            }
            losses.append(sum(terms.values()))
            if member.name:
                figures[member.label("loss")] = losses[-1]
            figures |= {member.label(f"loss_{name}"): value for name, value in terms.items()}
            num_workers = exchange.group.places_of(task)[0].num_workers
            self._num_examples += member.batch_size * len(own) // num_workers
        return {"loss": sum(losses) / len(losses), **figures}

    def _merge_statistics(self) -> None:
        """Gives the trained networks the statistics that the groups have."""
        merge_statistics(self._cluster.crews)

    def _finish(self, figures: Mapping[str, float], seconds: float) -> dict[str, Any]:
        """Writes the result, with the counts that show what became of every gradient."""
        groups = [
            {
                "tasks": [self._run.members[task].task.name for task in one.group.tasks],
                "updates": int(one.steps),
                "contributions": int(one.contributions),
                "attempts": int(one.attempts),
            }
            for one in self._cluster.exchanges
        ]
        found: dict[str, Any] = {**figures, "groups": groups}
        return super()._finish(found, seconds)


@contextlib.contextmanager
def report_lost_servers() -> Iterator[None]:
    """Turns the errors of other processes into ones that say what to do.

    Raises:
      UserError: if a parameter server died or cannot be reached any more, or a
        worker says why it cannot go on.
    """
    logger = tf.get_logger()
    if is_brief := not logger.isEnabledFor(logging.INFO):
        logger.addFilter(_is_not_raised)
    try:
        yield
    except (tf.errors.OpError, UserError) as error:
        if isinstance(error, tf.errors.OpError) and (reason := told_reason(error)):
            raise UserError(
                f"a process of the cluster cannot go on: {reason}; mend that and start it and"
                " this command again"
            ) from error
        # What writes checkpoints reports whatever keeps it from writing as its own.
        cause = error.__cause__ if isinstance(error, UserError) else error
        if not isinstance(cause, LOST_ERRORS):
            raise
        raise UserError(
            "a parameter server has died or cannot be reached; start it and this command again"
            " to go on from the last checkpoint"
        ) from error
    finally:
        if is_brief:
            logger.removeFilter(_is_not_raised)


def _is_not_raised(line: logging.LogRecord) -> bool:
    """Tells whether a line is none of those by which the coordinator logs what it raises."""
    return _RAISED not in line.getMessage()


def end_servers(num_workers: int, num_servers: int) -> None:
    """Tells all other processes of the cluster that the run is over.

    Args:
      num_workers: of the cluster.
      num_servers: parameter servers of the cluster.
    """

    def end() -> tf.Tensor:
        return ask(request(0, (END, 0, 0), 0), [tf.int64])[0]

    devices = [
        f"/job:{job}/replica:0/task:{number}/device:CPU:0"
        for job, count in (("worker", num_workers), ("ps", num_servers))
        for number in range(count)
    ]
    for device in devices:
        try:
            with tf.device(device):
                tf.function(end, autograph=False)()
        except tf.errors.OpError:
            say(f"{device} did not hear that the run is over")
