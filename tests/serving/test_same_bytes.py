"""One photograph, colored in every way there is: the same result each time."""

import base64
import io

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from starlette.testclient import TestClient
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tfcolor.config.command import execute
from tfcolor.colorize import COMMAND
from tfcolor.inference.remote import RemoteColorizer
from tfcolor.savedmodel.encoded_images import decode_gray, encode_png
from tfcolor.server.lifecycle import ServerSettings, ServingServer
from tfcolor.server.model_settings import ModelSettings
from tfcolor.server.options import AddressOptions
from tfcolor.web.app import build_app
from tfcolor_client.client import Client

MODEL = "tiny"


@pytest.fixture(scope="module")
def server(colorizer_export):
    addresses = AddressOptions(port=0, rest_api_port=0)
    models = (ModelSettings(MODEL, colorizer_export),)
    serving = ServingServer(ServerSettings(models, addresses, has_rest=True))
    serving.start()
    yield serving
    serving.stop(1.0)


@pytest.fixture(scope="module")
def photograph() -> bytes:
    """Returns a gray PNG of an odd size."""
    rows, columns = np.mgrid[0:1:33j, 0:1:47j]
    pixels = (255 * (0.2 + 0.5 * rows * columns + 0.2 * np.sin(9 * rows))).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def expected(tiny_colorizer, photograph) -> bytes:
    """Returns what the network in this process gives."""
    gray = decode_gray(tf.constant(photograph), 10**6)[None]
    return encode_png(tiny_colorizer.colorize(gray)["rgb"][0]).numpy()


def test_saved_model(colorizer_export, photograph, expected):
    model = tf.saved_model.load(str(colorizer_export / "1"))
    outputs = model.signatures["serving_default"](image_bytes=tf.constant([photograph]))
    assert outputs["image_bytes"].numpy().tolist() == [expected]


def test_grpc(server, photograph, expected):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = MODEL
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([photograph]))
    with grpc.insecure_channel(str(server.grpc_address)) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.Predict(request, timeout=60)
    assert list(response.outputs["image_bytes"].string_val) == [expected]


def test_rest(server, photograph, expected):
    body = {"instances": [{"image_bytes": {"b64": base64.b64encode(photograph).decode()}}]}
    address = f"http://{server.rest_address}/v1/models/{MODEL}:predict"
    (prediction,) = httpx.post(address, json=body, timeout=60).json()["predictions"]
    assert base64.b64decode(prediction["b64"]) == expected


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_client(server, photograph, expected, scheme):
    places = {"grpc": server.grpc_address, "http": server.rest_address}
    with Client(f"{scheme}://{places[scheme]}/{MODEL}") as client:
        assert client.colorize_bytes([photograph, photograph]) == [expected, expected]


def test_a_broken_photograph_leaves_its_neighbors_alone(server, photograph, expected):
    with Client(f"grpc://{server.grpc_address}/{MODEL}") as client:
        answers = client.colorize_bytes([photograph, photograph[:20], b"text", photograph])
    assert answers == [expected, b"", b"", expected]


def test_node(server, photograph, expected, run_node_example, tmp_path):
    (tmp_path / "a.png").write_bytes(photograph)
    done = run_node_example(f"grpc://{server.grpc_address}", MODEL, tmp_path / "a.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{MODEL} has the versions 1\n")
    assert (tmp_path / "a_colorized.png").read_bytes() == expected


@pytest.mark.parametrize("is_remote", [False, True])
def test_colorize_and_studio_paint_the_same_pixels(
    server, photograph, expected, colorizer_export, tmp_path, is_remote
):
    address = f"grpc://{server.grpc_address}/{MODEL}"
    (tmp_path / "a.png").write_bytes(photograph)
    model = address if is_remote else str(colorizer_export)
    flags = [f"--model={model}", f"--output={tmp_path / 'out.png'}", str(tmp_path / "a.png")]
    assert execute(COMMAND, flags) == 0
    colored = (tmp_path / "out.png").read_bytes()
    truth = np.asarray(Image.open(io.BytesIO(expected)))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(colored))), truth)
    if is_remote:
        page = TestClient(build_app(lambda: RemoteColorizer(address)), "http://localhost")
        token = page.post("/api/photographs?name=a.png", content=photograph).json()["token"]
        answer = page.post(f"/api/photographs/{token}/full", json={})
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), truth)
