"""Listening for browsers: in the foreground, or beside something else."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from tfcolor.core.errors import UserError
from tfcolor.core.progress import say
from tfcolor.web.options import StudioOptions

SHUTDOWN_SECS = 5
START_SECS = 10.0


def run_studio(app: ASGIApp, options: StudioOptions) -> None:
    """Answers browsers until the process is interrupted or told to end.

    Args:
      app: from `build_app`.
      options: where to listen.

    Raises:
      UserError: if the port cannot be used.
    """
    with _listen(options) as listener:
        _announce(listener, options)
        _server(app).run(sockets=[listener])


@contextlib.contextmanager
def studio_in_background(app: ASGIApp, options: StudioOptions) -> Iterator[str]:
    """Answers browsers in a thread, for as long as the context lasts.

    Args:
      app: from `build_app`.
      options: where to listen.

    Yields:
      The address of the page.

    Raises:
      UserError: if the port cannot be used.
    """
    with _listen(options) as listener:
        _announce(listener, options)
        server = _server(app)
        thread = threading.Thread(target=server.run, args=([listener],), name="studio", daemon=True)
        thread.start()
        deadline = time.monotonic() + START_SECS
        while not server.started and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        try:
            yield page_address(listener)
        finally:
            server.should_exit = True
            thread.join(SHUTDOWN_SECS + 1)


def page_address(listener: socket.socket) -> str:
    """Returns the address of the page for a browser on this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _listen(options: StudioOptions) -> socket.socket:
    """Returns the listening socket, or raises UserError if the port is taken."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        return socket.create_server((options.host, options.port), family=family)
    except OSError as error:
        place = f"{options.host} port {options.port}"
        raise UserError(f"cannot listen at {place}: {error.strerror or error}") from error


def _announce(listener: socket.socket, options: StudioOptions) -> None:
    say(f"the studio is at {page_address(listener)} (Ctrl-C ends it)")
    if not options.is_loopback:
        say(f"it listens at {options.host}: whoever reaches this machine can use it")


def _server(app: ASGIApp) -> uvicorn.Server:
    """Returns a server whose own log lines go where ours go."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECS,
    )
    return uvicorn.Server(config)
