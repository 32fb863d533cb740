"""What is told about each request: its record, the metrics and the access log."""

import contextlib
import dataclasses
import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

import grpc

from tfcolor.core.errors import UserError
from tfcolor.server.monitoring import Metrics
from tfcolor.server.status import RequestError

_LOGGER = logging.getLogger(__name__)


@dataclasses.dataclass
class RequestRecord:
    """What is known about a request, but nothing of its content.

    Args:
      protocol: "grpc" or "rest".
      method: what was called ("Predict").
      peer: the client's address.
      request_bytes: size of the request.
      model: the model that answers; empty if none does.
      version: its version.
      signature: the signature called.
      code: how it was answered.
      response_bytes: size of the answer.
      queue_secs: how long it waited to be computed.
      batch_rows: rows of the batch it was computed in; 0 if it was not.
    """

    protocol: str
    method: str
    peer: str
    request_bytes: int = 0
    model: str = ""
    version: int | None = None
    signature: str = ""
    code: grpc.StatusCode = grpc.StatusCode.OK
    response_bytes: int = 0
    queue_secs: float = 0.0
    batch_rows: int = 0

    def note_model(self, model: str, version: int, signature: str) -> None:
        """Notes which model answers.

        Args:
          model: its name.
          version: its version.
          signature: the signature called.
        """
        self.model, self.version, self.signature = model, version, signature

    def note_queue(self, queue_secs: float, batch_rows: int) -> None:
        """Notes how the request was computed."""
        self.queue_secs, self.batch_rows = queue_secs, batch_rows


class AccessLog:
    """A file to which each request adds one line of JSON.

    Args:
      path: the file; "-" for standard output, empty for none.
    """

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._file = _open(path)

    def write(self, fields: dict[str, Any]) -> None:
        """Adds one line."""
        if self._file is not None:
            line = json.dumps(fields) + "\n"
            with self._lock:
                self._file.write(line)
                self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            if self._file not in (None, sys.stdout):
                self._file.close()
            self._file = None


def _open(path: str) -> TextIO | None:
    """Opens the file of a log to add to it."""
    if path in ("", "-"):
        return sys.stdout if path else None
    try:
        return open(path, "a", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


class Reporter:
    """Records every request in the metrics and in the access log.

    Args:
      metrics: the metrics.
      access_log: the log.
    """

    def __init__(self, metrics: Metrics, access_log: AccessLog) -> None:
        self.metrics, self._access_log = metrics, access_log

    @contextlib.contextmanager
    def report(self, record: RequestRecord) -> Iterator[RequestRecord]:
        """Times a request and tells how it was answered.

        An error of ours becomes an `INTERNAL` one, and is logged with its
        traceback: the server lives on.

        Args:
          record: what is known at its start.

        Yields:
          The same record, to add to.

        Raises:
          RequestError: the one raised inside, or `INTERNAL`.
        """
        started = time.monotonic()
        try:
            yield record
        except RequestError as error:
            record.code = error.code
            raise
        except Exception as error:
            record.code = grpc.StatusCode.INTERNAL
            _LOGGER.exception("internal error in %s", record.method)
            message = f"internal error: {type(error).__name__}"
            raise RequestError(grpc.StatusCode.INTERNAL, message) from error
        finally:
            self._tell(record, time.monotonic() - started)

    def _tell(self, record: RequestRecord, seconds: float) -> None:
        """Adds a finished request to metrics and log."""
        self.metrics.observe_request(record.model, record.method, record.code.name, seconds)
        self._access_log.write(
            {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "protocol": record.protocol,
                "method": record.method,
                "peer": record.peer,
                "model": record.model,
                "version": record.version,
                "signature": record.signature,
                "code": record.code.name,
                "milliseconds": round(1e3 * seconds, 3),
                "queue_milliseconds": round(1e3 * record.queue_secs, 3),
                "batch_rows": record.batch_rows,
                "request_bytes": record.request_bytes,
                "response_bytes": record.response_bytes,
            }
        )
