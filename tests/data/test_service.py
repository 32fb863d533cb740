import socket
from concurrent import futures

import grpc
import pytest
import tensorflow as tf

from tests.loopback import free_addresses
from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.service import (
    check_free,
    find_workers,
    keep_free,
    list_workers,
    parse_service_address,
    reachable,
    start_dispatcher,
)

SERVICE = tf.data.experimental.service


@pytest.fixture(scope="module")
def dispatcher():
    """A dispatcher of this process and its address."""
    server = start_dispatcher(0)
    yield server.target.removeprefix("grpc://")
    server.stop()


def start_worker(dispatcher, host="localhost"):
    port = free_addresses(1)[0].rpartition(":")[2]
    config = SERVICE.WorkerConfig(dispatcher, f"{host}:{port}", int(port), "grpc")
    return f"{host}:{port}", SERVICE.WorkerServer(config)


@pytest.mark.parametrize("text", ["host.example:1", "grpc://10.0.0.1:65535", "[::1]:5050"])
def test_addresses_are_taken_with_and_without_their_protocol(text):
    assert parse_service_address(text, "--data_service") == text.removeprefix("grpc://")


@pytest.mark.parametrize(
    "text", ["", "host", "host:", ":5050", "host:0", "host:65536", "http://host:1", "a b:1"]
)
def test_what_is_no_address_is_refused_by_the_flags_name(text):
    with pytest.raises(UsageError, match=r"^--dispatcher=.*: expected HOST:PORT"):
        parse_service_address(text, "--dispatcher")


def test_a_dispatcher_knows_its_workers(dispatcher):
    kept = [start_worker(dispatcher) for _ in range(2)]
    assert set(list_workers(dispatcher)) == {address for address, _ in kept}
    assert set(find_workers(dispatcher, 2)) == {address for address, _ in kept}
    for _, worker in kept:
        worker.stop()


def test_too_few_workers_are_counted_and_the_silent_one_is_named(dispatcher):
    address, worker = start_worker(dispatcher, host="nowhere.invalid")
    with pytest.raises(UserError, match=r"has 0 workers .*, expected 1; ") as raised:
        find_workers(dispatcher, 1, patience=0)
    assert address in str(raised.value)
    assert "--host" in str(raised.value)
    worker.stop()


def test_silence_is_an_error_after_the_given_time():
    (address,) = free_addresses(1)
    with pytest.raises(UserError, match=f"{address} does not answer; start it"):
        list_workers(address, timeout=0.3)


def test_another_server_is_an_error():
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("localhost:0")
    server.start()
    with pytest.raises(UserError, match=r"is no dispatcher of a data service: .* unimplemented"):
        list_workers(f"localhost:{port}")
    server.stop(0)


def test_only_workers_are_reachable_in_the_order_given(dispatcher):
    (silent,) = free_addresses(1)
    kept = [start_worker(dispatcher) for _ in range(2)]
    names = [address for address, _ in kept]
    with socket.create_server(("localhost", 0)) as stranger:
        other = f"localhost:{stranger.getsockname()[1]}"
        workers = (names[1], silent, dispatcher, other, names[0])
        assert reachable(workers, timeout=1) == (names[1], names[0])
    kept[1][1].stop()
    assert reachable(tuple(names), timeout=1) == (names[0],)
    kept[0][1].stop()


def test_a_taken_port_is_an_error_and_a_free_one_is_found():
    with socket.create_server(("", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(UserError, match=f"--port={port} cannot be listened on"):
            start_dispatcher(port)
    assert check_free(port) == port
    assert check_free(0) > 0


def test_a_kept_port_is_nobody_elses():
    taken = pytest.raises(UserError, match="the port cannot be listened on: Address already in use")
    with keep_free(0) as port, taken, keep_free(port, "the port"):
        pass
    assert check_free(port) == port
