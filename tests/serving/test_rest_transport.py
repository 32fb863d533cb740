import contextlib
import socket
import ssl
import threading
import time

import numpy as np
import pytest

from tests.serving.model_servicer import Model, free_port, sepia_model, serve_rest
from tfcolor_client.address import parse_address
from tfcolor_client.connection import ConnectionOptions
from tfcolor_client.errors import ServingError
from tfcolor_client.rest_transport import CODES, RestTransport


def connect(port: int, scheme: str = "http", **options) -> RestTransport:
    host = "localhost" if scheme == "https" else "127.0.0.1"
    address = parse_address(f"{scheme}://{host}:{port}/v1/models/tfcolor")
    return RestTransport(address, ConnectionOptions(**options))


@contextlib.contextmanager
def answering(*pieces: bytes, pause_secs: float = 0.0):
    """A server that sends the same pieces to everyone, slowly; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_all, args=(listener, pieces, pause_secs))
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def answer_all(listener: socket.socket, pieces: tuple[bytes, ...], pause_secs: float) -> None:
    """Sends the pieces to every caller until the listener is shut."""
    while True:
        try:
            caller, _ = listener.accept()
        except OSError:
            return
        with caller, contextlib.suppress(OSError):
            caller.recv(65536)
            for piece in pieces:
                caller.sendall(piece)
                time.sleep(pause_secs)


def test_numbers_keep_every_bit():
    gray = np.random.default_rng(0).random((2, 5, 4, 1), np.float32)
    gray[0, 0, 0], gray[1, 1, 1] = np.nan, np.inf
    with serve_rest(sepia_model()) as port:
        outputs = connect(port).predict("colorize", {"gray": gray})
    np.testing.assert_array_equal(outputs["rgb"], np.repeat(gray, 3, axis=-1))
    assert outputs["rgb"].dtype == np.float32


def test_strings_keep_every_byte_where_the_name_says_bytes():
    model = sepia_model()
    model.functions["serving_default"] = lambda inputs: inputs
    images = np.array([b"\x00\xff\x00", b"", b"x\x00"], object)
    with serve_rest(model) as port:
        outputs = connect(port).predict("serving_default", {"image_bytes": images})
    assert outputs["image_bytes"].tolist() == images.tolist()


def test_a_server_that_starts_is_waited_for():
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    found = []
    thread = threading.Thread(target=lambda: found.append(connect(port).status()))
    thread.start()
    time.sleep(0.3)
    with serve_rest(Model({}), port=port):
        thread.join(20)
    assert found[0][0].state == "AVAILABLE"


def test_a_missing_server_is_unavailable_after_some_attempts(monkeypatch):
    waits = []
    monkeypatch.setattr("tfcolor_client.rest_transport.time.sleep", waits.append)
    with pytest.raises(ServingError, match="expected a model server that runs") as caught:
        connect(free_port()).status()
    assert caught.value.code == "UNAVAILABLE"
    assert waits == [0.2, 0.4, 0.8, 1.6]


def test_the_deadline_ends_an_answer_that_trickles_in():
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"
    with answering(head, *[b"x"] * 100, pause_secs=0.05) as port:
        start = time.monotonic()
        with pytest.raises(ServingError, match="no answer in time") as caught:
            connect(port, timeout_secs=0.4).status()
    assert caught.value.code == "DEADLINE_EXCEEDED"
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n<html>", "UNIMPLEMENTED"),
        (b"HTTP/1.0 200 OK\r\n\r\n{}", "UNIMPLEMENTED"),
        (b"HTTP/1.0 200 OK\r\n\r\n[1]", "UNIMPLEMENTED"),
        (b"HTTP/1.0 404 Not Found\r\n\r\n<html>", "NOT_FOUND"),
        (b"HTTP/1.0 418 Teapot\r\n\r\n{}", "UNKNOWN"),
        (b'HTTP/1.0 429 Slow\r\n\r\n{"error": "full"}', "RESOURCE_EXHAUSTED"),
    ],
)
def test_other_servers_are_told_apart(content, code):
    with answering(content) as port, pytest.raises(ServingError) as caught:
        connect(port).status()
    assert caught.value.code == code
    assert f"127.0.0.1:{port}" in str(caught.value)


def test_a_token_is_required_and_sent():
    with serve_rest(Model({}, token="secret")) as port:
        assert connect(port, token="secret").status()[0].version == 3
        with pytest.raises(ServingError) as caught:
            connect(port).status()
    assert caught.value.code == "UNAUTHENTICATED"


def test_certificates_of_ones_own_are_trusted_and_others_not(certificate):
    key, chain = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with serve_rest(Model({}), context) as port:
        assert connect(port, "https", ca_file=str(chain)).status()[0].version == 3
        with pytest.raises(ServingError, match="expected a certificate that is trusted") as caught:
            connect(port, "https").status()
    assert caught.value.code == "UNAUTHENTICATED"


def test_certificates_are_checked_when_they_are_read(tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ServingError, match="expected a PEM file"):
        connect(1, "https", ca_file=str(tmp_path / "ca.pem"))


def test_codes_have_the_names_of_grpc():
    import grpc

    assert set(CODES.values()) <= {code.name for code in grpc.StatusCode}
