"""Asking a run to stop by a signal, at the end of the current step."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class StopRequest:
    """Whether this process was asked to stop, and by which signal.

    Attributes:
      signal_number: the signal received, or None.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None

    @property
    def exit_status(self) -> int:
        """128 plus the signal's number, as shells report it; 0 without one."""
        return 0 if self.signal_number is None else 128 + self.signal_number


class StoppedError(Exception):
    """A run that was stopped by a signal, after it saved.

    Args:
      exit_status: for the process, 143 after SIGTERM and 130 after SIGINT.
      step: the number of updates that the checkpoint holds.
    """

    def __init__(self, exit_status: int, step: int) -> None:
        super().__init__(f"stopped at step {step}")
        self.exit_status, self.step = exit_status, step


@contextmanager
def listen_for_stop() -> Iterator[StopRequest]:
    """Notes SIGTERM and SIGINT instead of dying of them.

    A second signal of the same kind has its ordinary effect at once.

    Yields:
      The request, which the training loop reads after every step.
    """
    request = StopRequest()
    previous: dict[int, Any] = {}

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        request.signal_number = number
        signal.signal(number, previous[number])

    for number in (signal.SIGTERM, signal.SIGINT):
        previous[number] = signal.getsignal(number)
        signal.signal(number, note)
    try:
        yield request
    finally:
        for changed, handler in previous.items():
            signal.signal(changed, handler)
