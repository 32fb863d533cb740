import socket

import pytest

from tfcolor.core.errors import UserError
from tfcolor.server.addresses import ServingAddress, is_loopback, listen


def test_addresses_are_written_as_clients_take_them():
    assert str(ServingAddress("127.0.0.1", 8500)) == "127.0.0.1:8500"
    assert str(ServingAddress("::1", 8500)) == "[::1]:8500"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback_is_recognized(host, expected):
    assert is_loopback(host) is expected


def test_a_port_belongs_to_one_server():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        assert first.proto == socket.IPPROTO_TCP
        with pytest.raises(UserError, match=f"127.0.0.1:{port}.*in use"):
            listen("127.0.0.1", port)


def test_a_foreign_address_is_refused():
    with pytest.raises(UserError, match=r"192\.0\.2\.1"):
        listen("192.0.2.1", 0)
