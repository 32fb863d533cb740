"""An ASGI application served by a thread of this process."""

import socket
import ssl
import threading
import time
from typing import Any

import uvicorn

from tfcolor.core.errors import UserError

START_SECS = 30.0
LAST_SECS = 5


class HttpServer:
    """Serves an application on a socket, in a thread.

    Args:
      application: the ASGI application.
      listening: the socket.
      tls_context: for HTTPS, None for HTTP.
    """

    def __init__(
        self, application: Any, listening: socket.socket, tls_context: ssl.SSLContext | None = None
    ) -> None:
        config = uvicorn.Config(
            application,
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            # Peers are not believed about whom they speak for.
            proxy_headers=False,
            timeout_graceful_shutdown=LAST_SECS,
            ssl_context_factory=(lambda config, default: tls_context) if tls_context else None,
        )
        self._server = uvicorn.Server(config)
        self._socket = listening
        self._thread = threading.Thread(
            target=self._server.run, args=([listening],), name="http", daemon=True
        )

    def start(self) -> None:
        """Starts the thread and waits until it answers.

        Raises:
          UserError: if it does not.
        """
        self._thread.start()
        end = time.monotonic() + START_SECS
        while not self._server.started and self._thread.is_alive() and time.monotonic() < end:
            time.sleep(0.01)
        if not self._server.started:
            raise UserError("the HTTP server did not start")

    def stop(self) -> None:
        """Ends the thread; requests under way get a few seconds."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(LAST_SECS + 1.0)
        self._socket.close()
