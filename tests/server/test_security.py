import datetime
import ipaddress
import shutil
import ssl

import grpc
import httpx
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.protobuf import text_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tensorflow_serving.apis import prediction_service_pb2_grpc

from tfcolor.core.errors import UserError
from tfcolor.server.security import Encryption, is_authorized, read_encryption, read_token
from tfcolor.server.text_protos import new_message

TOKEN = "open-sesame"
BEARER = ("authorization", f"Bearer {TOKEN}")


@pytest.fixture(scope="module")
def key_pair():
    """A private key and its certificate for 127.0.0.1, as PEM text."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()


def write_config(path, **fields):
    message = new_message("SSLConfig")
    for name, value in fields.items():
        setattr(message, name, value)
    path.write_text(text_format.MessageToString(message))
    return str(path)


def test_keys_are_read_from_an_official_config(tmp_path, key_pair):
    key, certificate = key_pair
    path = write_config(
        tmp_path / "ssl",
        server_key=key,
        server_cert=certificate,
        custom_ca=certificate,
        client_verify=True,
    )
    assert read_encryption(path) == Encryption(key, certificate, certificate, True)
    assert read_encryption(path).tls_context().verify_mode == ssl.CERT_REQUIRED
    assert read_encryption("") is None


def test_configs_that_cannot_work_are_named(tmp_path, key_pair):
    key, certificate = key_pair
    path = tmp_path / "ssl"
    for fields, words in (
        ({"server_key": key}, "both server_key and server_cert"),
        ({"server_key": "x", "server_cert": certificate}, "cannot be used"),
        (
            {"server_key": key, "server_cert": certificate, "client_verify": True},
            "client_verify needs custom_ca",
        ),
    ):
        with pytest.raises(UserError, match=f"ssl.*{words}"):
            read_encryption(write_config(path, **fields))


def test_a_token_is_one_line(tmp_path):
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert read_token(str(tmp_path / "token")) == TOKEN
    assert read_token("") == ""
    for content in ("", "\n", "two\nlines"):
        (tmp_path / "token").write_text(content)
        with pytest.raises(UserError, match="holds no token"):
            read_token(str(tmp_path / "token"))
    with pytest.raises(UserError, match="cannot read the token"):
        read_token(str(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("header", "token", "expected"),
    [
        ("Bearer t", "t", True),
        ("Bearer T", "t", False),
        ("bearer t", "t", False),
        ("t", "t", False),
        ("Bearer ", "t", False),
        ("", "t", False),
        ("Bearer ü", "t", False),
        ("", "", True),
    ],
)
def test_only_the_whole_token_counts(header, token, expected):
    assert is_authorized(header, token) is expected


@pytest.fixture(scope="module")
def secured(serving, tiny_version, tmp_path_factory, key_pair):
    """A server with TLS and a token, and its certificate."""
    base_path = tmp_path_factory.mktemp("secured") / "tiny"
    shutil.copytree(tiny_version, base_path / "1")
    with serving(base_path, encryption=Encryption(*key_pair), token=TOKEN) as client:
        yield client.server, key_pair[1]


@pytest.fixture(scope="module")
def channel(secured):
    server, certificate = secured
    credentials = grpc.ssl_channel_credentials(certificate.encode())
    with grpc.secure_channel(str(server.grpc_address), credentials) as channel:
        yield channel


def test_grpc_answers_who_has_the_token(channel, build_request):
    predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
    request = build_request(x=np.float32([[1]]))
    assert predict(request, 10, metadata=[BEARER]).outputs["y"].float_val[0] == 2
    for metadata in ([], [("authorization", "Bearer wrong")], [("token", TOKEN)]):
        with pytest.raises(grpc.RpcError, match="Bearer TOKEN") as error:
            predict(request, 10, metadata=metadata)
        assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_health_is_open_and_reflection_is_not(channel):
    check = health_pb2_grpc.HealthStub(channel).Check
    assert check(health_pb2.HealthCheckRequest(), 10).status == 1
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    with pytest.raises(grpc.RpcError, match="Bearer TOKEN"):
        list(stub.ServerReflectionInfo(iter([question]), timeout=10))


def test_rest_answers_who_has_the_token(secured):
    server, certificate = secured
    context = ssl.create_default_context(cadata=certificate)
    with httpx.Client(base_url=f"https://{server.rest_address}", verify=context) as client:
        for path in ("/v1/models/tiny", "/monitoring/prometheus/metrics"):
            assert client.get(path, headers=[BEARER]).status_code == 200
            assert client.get(path).status_code == 401
            assert "Bearer TOKEN" in client.get(path).json()["error"]


def test_nothing_is_answered_unencrypted(secured, build_request):
    server, _ = secured
    with grpc.insecure_channel(str(server.grpc_address)) as channel:
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        with pytest.raises(grpc.RpcError) as error:
            predict(build_request(x=np.float32([[1]])), 5, metadata=[BEARER])
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://{server.rest_address}/v1/models/tiny")
