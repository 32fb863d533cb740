"""`tfcolor serve` in a process of its own, as the benchmarks of serving need it."""

import contextlib
import dataclasses
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

START_SECS = 180.0
ANY_SIZE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@dataclasses.dataclass
class ServingProcess:
    """A running server."""

    process: subprocess.Popen
    port: int
    rest_port: int
    model: str

    def channel(self) -> grpc.Channel:
        """Returns a new connection for messages of any size."""
        options = [*ANY_SIZE, ("grpc.use_local_subchannel_pool", 1)]
        return grpc.insecure_channel(f"127.0.0.1:{self.port}", options)

    def memory_bytes(self) -> int:
        """Returns the resident size of the server."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return 1024 * int(line.split()[1])


def free_port() -> int:
    """Returns a port that nobody listens on now."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


@contextlib.contextmanager
def started(model_base_path: str | Path, *flags: str) -> Iterator[ServingProcess]:
    """Serves a folder of versions while the block runs."""
    port, rest_port = free_port(), free_port()
    command = [
        *(sys.executable, "-m", "tfcolor.serve", f"--model_base_path={model_base_path}"),
        *("--model_name=model", f"--port={port}", f"--rest_api_port={rest_port}", *flags),
    ]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen(command, env=environment)
    server = ServingProcess(process, port, rest_port, "model")
    try:
        wait_until_serving(server)
        yield server
    finally:
        process.terminate()
        process.wait(60)


def wait_until_serving(server: ServingProcess) -> None:
    """Waits for the server's health; raises RuntimeError if it does not come up."""
    end = time.monotonic() + START_SECS
    with server.channel() as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while time.monotonic() < end and server.process.poll() is None:
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1.0)
            except grpc.RpcError:
                time.sleep(0.1)
                continue
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
    raise RuntimeError(f"the server did not start (status {server.process.poll()})")
