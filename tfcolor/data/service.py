"""Who makes up a tf.data service: its address, its dispatcher, and the workers known to it."""

import contextlib
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import grpc
import tensorflow as tf
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool

from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.progress import say

REACH_SECS = 10.0
"""How long a process of the service may take to answer."""

APPEAR_SECS = 60.0
"""How long the workers may take to start."""

POLL_SECS = 0.5
_ADDRESS = re.compile(r"(?:grpc://)?(?P<host>\[[0-9a-fA-F:]+\]|[^\s:/@\[\]]+):(?P<port>\d{1,5})")
_PACKAGE = "tensorflow.data"


def parse_service_address(text: str, flag: str) -> str:
    """Returns the address of a process of the service.

    Args:
      text: "HOST:PORT" or "grpc://HOST:PORT".
      flag: what messages call it.

    Returns:
      "HOST:PORT".

    Raises:
      UsageError: if it is something else.

    Example:
      >>> parse_service_address("grpc://localhost:5050", "--data_service")
      'localhost:5050'
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found["port"]) < 65536:
        raise UsageError(f"{flag}={text}: expected HOST:PORT or grpc://HOST:PORT")
    return text.removeprefix("grpc://")


def list_workers(dispatcher: str, timeout: float = REACH_SECS) -> tuple[str, ...]:
    """Returns the addresses of the workers that a dispatcher knows.

    Args:
      dispatcher: "HOST:PORT".
      timeout: seconds that it may take to answer.

    Returns:
      "HOST:PORT" of each, in no order; those that have died since are among them.

    Raises:
      UserError: if nothing answers there, or no dispatcher does.
    """
    with grpc.insecure_channel(dispatcher) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout)
            # The only question about its workers that a dispatcher answers; TensorFlow's
            # Python has no call for it outside of the dispatcher's own process.
            ask = channel.unary_unary(f"/{_PACKAGE}.DispatcherService/GetWorkers")
            answer = ask(b"", timeout=timeout)
        except grpc.FutureTimeoutError as error:
            raise UserError(
                f"the data service at {dispatcher} does not answer; start it with"
                " `tfcolor data_service --role=dispatcher`, or name another one"
            ) from error
        except grpc.RpcError as error:
            raise UserError(
                f"{dispatcher} is no dispatcher of a data service: it answers"
                f" {error.code().name.lower()}"
            ) from error
    return tuple(one.address for one in _worker_list().FromString(answer).workers)


def find_workers(dispatcher: str, count: int, patience: float = APPEAR_SECS) -> tuple[str, ...]:
    """Waits until workers are there, and returns all that are.

    Args:
      dispatcher: "HOST:PORT".
      count: how many to wait for.
      patience: seconds to wait.

    Returns:
      "HOST:PORT" of each that answers, in no order; at least `count`.

    Raises:
      UserError: if there are fewer after that time, or no dispatcher.
    """
    deadline, known = time.monotonic() + patience, list_workers(dispatcher)
    present = reachable(known)
    if len(present) < count:
        say(f"the data service at {dispatcher} has {len(present)} of {count} workers; waiting")
    while len(present) < count:
        if time.monotonic() > deadline:
            raise UserError(
                f"the data service at {dispatcher} has {len(present)} workers that can be"
                f" reached from here, expected {count}; start more with"
                f" `tfcolor data_service --role=worker`{_silent(known, present)}"
            )
        time.sleep(POLL_SECS)
        known = list_workers(dispatcher)
        present = reachable(known)
    return present


def reachable(workers: tuple[str, ...], timeout: float = REACH_SECS) -> tuple[str, ...]:
    """Returns those of some workers that answer.

    Args:
      workers: "HOST:PORT" of each.
      timeout: seconds that they may take, all at the same time.

    Returns:
      Some of them, in the same order.
    """
    with contextlib.ExitStack() as stack:
        asked = []
        for worker in workers:
            channel = stack.enter_context(grpc.insecure_channel(worker))
            ask = channel.unary_unary(f"/{_PACKAGE}.WorkerService/GetWorkerTasks")
            asked.append(ask.future(b"", timeout=timeout))
        answers = {worker: one.exception() for worker, one in zip(workers, asked, strict=True)}
    return tuple(worker for worker, error in answers.items() if error is None)


def start_dispatcher(port: int) -> tf.data.experimental.service.DispatchServer:
    """Starts the dispatcher of a service, in threads of this process.

    Args:
      port: where it listens; 0 takes a free one.

    Returns:
      The dispatcher; it serves as long as it is kept.

    Raises:
      UserError: if it cannot listen there.
    """
    service = tf.data.experimental.service
    check_free(port)
    return service.DispatchServer(service.DispatcherConfig(port=port, protocol="grpc"))


def check_free(port: int) -> int:
    """Returns a port that nobody listens on: the given one, or any for 0.

    Raises:
      UserError: if somebody does.
    """
    with keep_free(port) as kept:
        return kept


@contextlib.contextmanager
def keep_free(port: int, name: str = "") -> Iterator[int]:
    """Listens on a port, so that no other process does meanwhile.

    Args:
      port: 0 takes a free one.
      name: what messages call it; empty if --port says it.

    Yields:
      The port.

    Raises:
      UserError: if it cannot be listened on.
    """
    try:
        listener = socket.create_server(("", port))
    except OSError as error:
        text = f"{name or f'--port={port}'} cannot be listened on: {error.strerror}"
        raise UserError(text) from error
    with listener:
        yield int(listener.getsockname()[1])


def _silent(known: tuple[str, ...], present: tuple[str, ...]) -> str:
    """Returns the part of a message that names the workers which do not answer."""
    silent = [address for address in known if address not in present]
    return f"; these do not answer: {', '.join(silent)} (--host is their name)" if silent else ""


def _worker_list() -> Any:
    """Returns the class of a dispatcher's answer, which TensorFlow does not ship in Python."""
    text = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="tfcolor/workers.proto", package=_PACKAGE, syntax="proto3"
    )
    one = file.message_type.add(name="WorkerInfo")
    one.field.add(name="address", number=1, type=text.TYPE_STRING, label=text.LABEL_OPTIONAL)
    several = file.message_type.add(name="GetWorkersResponse")
    several.field.add(
        name="workers",
        number=1,
        type=text.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.WorkerInfo",
        label=text.LABEL_REPEATED,
    )
    pool = DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"{_PACKAGE}.GetWorkersResponse")
    )
