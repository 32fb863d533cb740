"""A cluster with parameter servers, whose processes reach each other over loopback."""

import json
import socket
from collections.abc import Callable

from tests.command_process import CommandProcess


def free_addresses(count: int) -> list[str]:
    """Returns addresses of this machine that nobody listens on."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    addresses = [f"localhost:{single.getsockname()[1]}" for single in sockets]
    for single in sockets:
        single.close()
    return addresses


class Loopback:
    """Starts `tfcolor train` as a chief, some parameter servers and some workers.

    Args:
      start_command: the fixture.
      num_workers: how many.
      num_servers: likewise.
    """

    def __init__(
        self,
        start_command: Callable[..., CommandProcess],
        num_workers: int,
        num_servers: int = 1,
    ) -> None:
        self._start_command = start_command
        chief, *others = free_addresses(1 + num_servers + num_workers)
        servers, workers = others[:num_servers], others[num_servers:]
        self._jobs = {"chief": [chief], "ps": servers, "worker": workers}

    def start(self, flags: list[str]) -> list[CommandProcess]:
        """Starts all: the parameter servers, the workers, then the chief."""
        return [
            self.start_one(job, index, flags)
            for job in ("ps", "worker", "chief")
            for index in range(len(self._jobs[job]))
        ]

    def start_one(self, job: str, index: int, flags: list[str]) -> CommandProcess:
        """Starts one process, maybe again."""
        place = {"cluster": self._jobs, "task": {"type": job, "index": index}}
        arguments = [*flags, "--strategy=parameter_server"]
        return self._start_command("train", arguments, TF_CONFIG=json.dumps(place))
