"""Models behind the official gRPC stubs and behind REST as it is documented."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.serving.model_servicer import Model, sepia_model, serve_grpc, serve_rest

NODE_FOLDER = Path(__file__).resolve().parents[2] / "serving/node"


@pytest.fixture(scope="package")
def sepia() -> Model:
    """A colorizer without a network, version 3, labelled "stable"."""
    return sepia_model()


@pytest.fixture(scope="package", params=["grpc", "rest"])
def address(request, sepia) -> Iterator[str]:
    """Where `sepia` is served: by gRPC, and by REST."""
    if request.param == "grpc":
        with serve_grpc(sepia) as port:
            yield f"grpc://127.0.0.1:{port}/tfcolor"
    else:
        with serve_rest(sepia) as port:
            yield f"http://127.0.0.1:{port}/v1/models/tfcolor"


@pytest.fixture(scope="package")
def grpc_address(sepia) -> Iterator[str]:
    """Where `sepia` is served by gRPC."""
    with serve_grpc(sepia) as port:
        yield f"grpc://127.0.0.1:{port}/tfcolor"


@pytest.fixture(scope="package")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    """A key and a certificate of its own for localhost, PEM."""
    folder = tmp_path_factory.mktemp("certificate")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    try:
        files = ["-keyout", str(key), "-out", str(certificate)]
        subprocess.run([*command, *names, *files], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is missing: no certificate can be made")
    return key, certificate


@pytest.fixture(scope="session")
def run_node_example(tmp_path_factory) -> Callable[..., subprocess.CompletedProcess]:
    """Runs a copy of the example for Node, with its packages, at a client's address."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            pytest.skip(f"{program} is missing")
    folder = tmp_path_factory.mktemp("node")
    for path in NODE_FOLDER.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    command = ["npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=120
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm cannot reach its registry")
    if done.returncode:
        pytest.skip(f"npm cannot install the packages: {done.stderr.strip()[-300:]}")

    def run(address: str, *arguments: object) -> subprocess.CompletedProcess:
        place = address.removeprefix("grpc://").partition("/")[0]
        command = ["node", "colorize.mjs", place, *map(str, arguments)]
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=60
        )

    return run
