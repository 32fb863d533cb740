"""Which of several errors of a cluster was there first."""

import queue
import time
from typing import Protocol, TypeVar

import tensorflow as tf

CAUSE_SECONDS = 2.0
"""How long an error that only follows another one waits for that one."""


class Outcome(Protocol):
    """What was asked of a process of the cluster, done or failed."""

    @property
    def error(self) -> BaseException | None:
        """What went wrong, or None."""


SomeOutcome = TypeVar("SomeOutcome", bound=Outcome)


def first_cause(
    error: BaseException, others: "queue.Queue[SomeOutcome]", seconds: float = CAUSE_SECONDS
) -> BaseException:
    """Returns the error that others follow from.

    If a worker fails, the coordinator cancels what all others compute. Each has a
    thread that waits for it, and those threads may report in any order.

    Args:
      error: the one that was reported first.
      others: what is reported after it, each with an `error` or None; what is taken
        from there is lost.
      seconds: how long to wait for them, at least 0.

    Returns:
      `error`, unless it is a `tf.errors.CancelledError` and one that is none comes in
      time.
    """
    deadline = time.monotonic() + seconds
    while isinstance(error, tf.errors.CancelledError):
        try:
            found = others.get(timeout=max(deadline - time.monotonic(), 0.001))
        except queue.Empty:
            break
        error = found.error or error
    return error
