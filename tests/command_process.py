"""Commands of tfcolor in processes of their own that need not import TensorFlow again.

They are forked from a process that has done nothing but import. That takes five
seconds and starts no thread, so a copy of it is as good as a new process.
"""

import importlib
import multiprocessing
import os
import signal
from pathlib import Path

FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(
    ["tfcolor.train", "tfcolor.fit_parts", "tfcolor.serve", "tfcolor.colorize"]
)


class CommandProcess:
    """A command that runs in a process of its own, from the constructor on.

    Args:
      name: the command ("train").
      arguments: its command line.
      shown: the file that takes what it writes to stderr.
      environment: variables besides those of this process.
    """

    def __init__(
        self, name: str, arguments: list[str], shown: Path, environment: dict[str, str]
    ) -> None:
        self._shown = shown
        given = (name, arguments, str(shown), {**os.environ, **environment})
        self._process = FORKING.Process(target=_execute, args=given)
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """The exit status, less than 0 after a signal; none while it runs."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal."""
        os.kill(self._process.pid, number)

    def wait(self, timeout: float = 300) -> str:
        """Waits for the end; returns what the command wrote to stderr."""
        self._process.join(timeout)
        assert self.returncode is not None, f"still runs after {timeout} s"
        return self.shown()

    def shown(self) -> str:
        """Returns what the command has written to stderr so far."""
        return self._shown.read_text() if self._shown.exists() else ""

    def kill(self) -> None:
        """Kills the process if it runs."""
        self._process.kill()
        self._process.join()


def _execute(name: str, arguments: list[str], shown: str, environment: dict[str, str]) -> None:
    """Runs a command as its main does, in the forked process."""
    os.environ.clear()
    os.environ.update(environment)
    with open(shown, "wb") as file:
        os.dup2(file.fileno(), 2)
    command = importlib.import_module("tfcolor.config.command")
    raise SystemExit(command.execute(importlib.import_module(f"tfcolor.{name}").COMMAND, arguments))
