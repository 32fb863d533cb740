"""How many requests are taken at a time, and the end of taking any."""

import contextlib
import threading
import time
from collections.abc import Iterator

import grpc

from tfcolor.server.status import RequestError, unavailable


class Admission:
    """Counts the requests under way and refuses those above a limit.

    Args:
      max_concurrent: the limit.
    """

    def __init__(self, max_concurrent: int) -> None:
        self._max_concurrent = max_concurrent
        self._count = 0
        self._is_closed = False
        self._condition = threading.Condition()

    @contextlib.contextmanager
    def admit(self) -> Iterator[None]:
        """Counts one request while it is answered.

        Raises:
          RequestError: if too many are under way, or the server stops.
        """
        with self._condition:
            if self._is_closed:
                raise unavailable()
            if self._count >= self._max_concurrent:
                message = f"{self._count} requests are under way; try again later"
                raise RequestError(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
            self._count += 1
        try:
            yield
        finally:
            with self._condition:
                self._count -= 1
                self._condition.notify_all()

    @property
    def count(self) -> int:
        """The number of requests under way."""
        return self._count

    def close(self) -> None:
        """Refuses every request from now on."""
        with self._condition:
            self._is_closed = True

    def wait_idle(self, timeout_secs: float) -> bool:
        """Waits for the requests under way; returns whether all are answered."""
        end = time.monotonic() + timeout_secs
        with self._condition:
            while self._count and (remaining := end - time.monotonic()) > 0:
                self._condition.wait(remaining)
            return self._count == 0
