import json
import threading
import time

import grpc
import numpy as np
import pytest

from tests.serving.model_servicer import Model, free_port, sepia_model, serve_grpc
from tfcolor_client.address import parse_address
from tfcolor_client.connection import MAX_ATTEMPTS, ConnectionOptions
from tfcolor_client.errors import ServingError
from tfcolor_client.grpc_transport import CODES, GrpcTransport


def connect(port: int, scheme: str = "grpc", **options) -> GrpcTransport:
    host = "localhost" if scheme == "grpcs" else "127.0.0.1"
    address = parse_address(f"{scheme}://{host}:{port}/tfcolor")
    return GrpcTransport(address, ConnectionOptions(**options))


def test_messages_far_beyond_4_mib_go_both_ways():
    gray = np.random.default_rng(0).random((1, 1500, 1600, 1), np.float32)
    with serve_grpc(sepia_model()) as port:
        transport = connect(port)
        outputs = transport.predict("colorize", {"gray": gray})
        transport.close()
    np.testing.assert_array_equal(outputs["rgb"], np.repeat(gray, 3, axis=-1))


def test_a_large_request_is_sent_again_to_a_server_that_starts():
    port = free_port()
    image = np.full(3, b"x" * 2**20, object)
    model = Model({"length": lambda inputs: {"size": np.array([len(v) for v in inputs["image"]])}})
    answers = []

    def ask() -> None:
        transport = connect(port)
        answers.append(transport.predict("length", {"image": image})["size"].tolist())
        transport.close()

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.5)
    with serve_grpc(model, port):
        thread.join(20)
    assert answers == [[2**20] * 3]


def test_a_missing_server_is_unavailable_after_some_attempts():
    transport = connect(free_port())
    start = time.monotonic()
    with pytest.raises(ServingError, match="expected a model server that runs") as caught:
        transport.status()
    transport.close()
    assert caught.value.code == "UNAVAILABLE"
    assert 0.1 < time.monotonic() - start < 20


def test_the_deadline_ends_a_slow_answer():
    is_over = threading.Event()
    model = Model({"slow": lambda inputs: is_over.wait(10) and {}})
    with serve_grpc(model) as port:
        transport = connect(port, timeout_secs=0.3)
        with pytest.raises(ServingError, match="expected a longer timeout") as caught:
            transport.predict("slow", {})
        is_over.set()
        transport.close()
    assert caught.value.code == "DEADLINE_EXCEEDED"
    assert model.asked == ["slow"]


def test_a_token_is_required_and_sent():
    model = Model({}, token="secret")
    with serve_grpc(model) as port:
        good, bad = connect(port, token="secret"), connect(port)
        assert good.status()[0].version == 3
        with pytest.raises(ServingError, match="expected the token") as caught:
            bad.status()
        good.close()
        bad.close()
    assert caught.value.code == "UNAUTHENTICATED"


def test_certificates_of_ones_own_are_trusted_and_others_not(certificate):
    key, chain = (path.read_bytes() for path in certificate)
    credentials = grpc.ssl_server_credentials([(key, chain)])
    with serve_grpc(Model({}, token="secret"), credentials=credentials) as port:
        trusting = connect(port, "grpcs", ca_file=str(certificate[1]), token="secret")
        assert trusting.status()[0].version == 3
        other = connect(port, "grpcs", timeout_secs=2)
        with pytest.raises(ServingError) as caught:
            other.status()
        trusting.close()
        other.close()
    assert caught.value.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


def test_codes_are_those_of_grpc():
    assert CODES[0] == "OK" and CODES[14] == "UNAVAILABLE" and len(CODES) == 17


def test_retries_are_within_what_grpc_allows():
    from tfcolor_client import grpc_transport

    policy = json.loads(dict(grpc_transport._CHANNEL_OPTIONS)["grpc.service_config"])
    (method,) = policy["methodConfig"]
    assert method["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    assert 1 < MAX_ATTEMPTS <= 5
