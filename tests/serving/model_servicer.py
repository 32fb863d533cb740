"""Servers for the tests of clients: official gRPC stubs, and REST as documented.

They run whatever functions a test gives, or a SavedModel.
"""

import base64
import concurrent.futures
import contextlib
import dataclasses
import functools
import http.server
import io
import itertools
import json
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tfcolor_client.signatures import colorizer_signatures

Arrays = dict[str, np.ndarray]
LARGE = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
PATH = re.compile(r"/v1/models/(\w+)(/versions/(\d+)|/labels/(\w+))?(:predict|/metadata)?")
HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
}


@dataclasses.dataclass
class RefusalError(Exception):
    """What a server answers instead of an answer."""

    code: str
    message: str


@dataclasses.dataclass
class Model:
    """What the servers serve, and what they were asked."""

    functions: Mapping[str, Callable[[Arrays], Arrays]]
    signature_def: get_model_metadata_pb2.SignatureDefMap = dataclasses.field(
        default_factory=get_model_metadata_pb2.SignatureDefMap
    )
    name: str = "tfcolor"
    version: int = 3
    labels: Mapping[str, int] = dataclasses.field(default_factory=lambda: {"stable": 3})
    token: str = ""
    refusals: list[RefusalError] = dataclasses.field(default_factory=list)
    asked: list[str] = dataclasses.field(default_factory=list)

    def check(self, name: str, version: int, label: str, authorization: str) -> None:
        """Raises RefusalError as TensorFlow Serving does; planted ones come first."""
        if self.refusals:
            raise self.refusals.pop(0)
        if self.token and authorization != f"Bearer {self.token}":
            raise RefusalError("UNAUTHENTICATED", "a bearer token is required")
        wanted = self.labels.get(label, -1) if label else version or self.version
        if name != self.name or wanted != self.version:
            raise RefusalError("NOT_FOUND", f"Servable not found for request: {name}")

    def run(self, signature: str, inputs: Arrays) -> Arrays:
        """Runs a function."""
        self.asked.append(signature)
        if signature not in self.functions:
            text = f"Serving signature key {signature!r} not found."
            raise RefusalError("INVALID_ARGUMENT", text)
        return self.functions[signature](inputs)


DESCRIPTION = {"output_space": "hue_chroma", "num_bins": 8, "run": "runs/Grün"}


def sepia_model() -> Model:
    """Returns a colorizer without a network that has every public signature."""
    model = Model(
        {
            "serving_default": lambda inputs: _paint_all(
                inputs["image_bytes"], itertools.repeat(0)
            ),
            "sample": lambda inputs: _paint_all(inputs["image_bytes"], inputs["seed"]),
            "colorize": _colorize,
            "histograms": lambda inputs: {
                name: np.repeat(inputs["gray"][:, ::4, ::4], 8, axis=-1) / 4
                for name in ("hue", "chroma")
            },
            "features": lambda inputs: {"conv1": inputs["rgb"]},
            "describe": lambda inputs: {
                "metadata": np.array(
                    [json.dumps(DESCRIPTION).encode()] * len(inputs["name"]), object
                )
            },
        }
    )
    for name, signature in colorizer_signatures(("hue", "chroma"), ("conv1",)).items():
        declared = model.signature_def.signature_def[name]
        _declare(signature.inputs, declared.inputs)
        _declare(signature.outputs, declared.outputs)
    model.signature_def.signature_def["__saved_model_init_op"].outputs["x"].dtype = 1
    return model


def _declare(tensors: Mapping, declared: Mapping) -> None:
    """Writes declared tensors into one side of an official signature."""
    for name, tensor in tensors.items():
        declared[name].dtype = tf.as_dtype(tensor.dtype).as_datatype_enum
        for size in tensor.shape:
            declared[name].tensor_shape.dim.add(size=-1 if size is None else size)


def sepia_bytes(encoded: bytes, seed: int = 0) -> bytes:
    """Returns the PNG that `sepia_model` makes of an encoded photograph, or nothing.

    Like TensorFlow, it knows four formats and ignores the orientation.
    """
    try:
        image = Image.open(io.BytesIO(encoded), formats=("PNG", "JPEG", "GIF", "BMP"))
        gray = np.asarray(image.convert("RGB"), np.float64).mean(axis=-1, keepdims=True)
    except OSError:
        return b""
    room = np.minimum(np.minimum(gray, 255 - gray), 30 + 10 * seed)
    rgb = np.rint(gray + room * np.array([1.0, 0.0, -1.0])).astype(np.uint8)
    colored = io.BytesIO()
    Image.fromarray(rgb).save(colored, "PNG", compress_level=1)
    return colored.getvalue()


def _paint_all(images: np.ndarray, seeds: Iterable[int]) -> Arrays:
    painted = [sepia_bytes(image, int(seed)) for image, seed in zip(images, seeds)]  # noqa: B905
    return {"image_bytes": np.array(painted, object)}


def _colorize(inputs: Arrays) -> Arrays:
    gray = inputs["gray"]
    if gray.ndim != 4:
        raise RefusalError("INVALID_ARGUMENT", f"gray has the shape {gray.shape}")
    return {"rgb": np.repeat(gray, 3, axis=-1), "uncertainty": gray[..., 0] / 3}


@functools.cache
def load_model(versions: Path) -> Model:
    """Returns the newest version of a SavedModel, for serving; loaded once."""
    folder = max(versions.iterdir(), key=lambda path: int(path.name))
    loaded = tf.saved_model.load(str(folder))
    functions = {name: _runner(found) for name, found in loaded.signatures.items()}
    signature_def = get_model_metadata_pb2.SignatureDefMap()
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    for name, found in saved.meta_graphs[0].signature_def.items():
        signature_def.signature_def[name].CopyFrom(found)
    model = Model(functions, signature_def)
    model.loaded = loaded  # its functions live as long as it does
    return model


def _runner(function: Callable) -> Callable[[Arrays], Arrays]:
    def run(inputs: Arrays) -> Arrays:
        try:
            outputs = function(**{name: tf.constant(value) for name, value in inputs.items()})
        except (tf.errors.InvalidArgumentError, TypeError) as error:
            raise RefusalError("INVALID_ARGUMENT", str(error)) from error
        return {name: value.numpy() for name, value in outputs.items()}

    return run


class Servicer:
    """PredictionService and ModelService on the official messages."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def Predict(self, request, context):  # noqa: N802
        self._check(request, context)
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        try:
            outputs = self.model.run(request.model_spec.signature_name, inputs)
        except RefusalError as refusal:
            self._refuse(refusal, context)
        answer = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return answer

    def GetModelMetadata(self, request, context):  # noqa: N802
        self._check(request, context)
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.model_spec.name = self.model.name
        answer.model_spec.version.value = self.model.version
        answer.metadata["signature_def"].Pack(self.model.signature_def)
        return answer

    def GetModelStatus(self, request, context):  # noqa: N802
        self._check(request, context)
        answer = get_model_status_pb2.GetModelStatusResponse()
        answer.model_version_status.add(version=self.model.version, state=30)
        failed = answer.model_version_status.add(version=2, state=50)
        failed.status.error_code, failed.status.error_message = 5, "its files are gone"
        return answer

    def _check(self, request, context) -> None:
        spec = request.model_spec
        sent = dict(context.invocation_metadata()).get("authorization", "")
        try:
            self.model.check(spec.name, spec.version.value, spec.version_label, sent)
        except RefusalError as refusal:
            self._refuse(refusal, context)

    def _refuse(self, refusal: RefusalError, context) -> None:
        context.abort(grpc.StatusCode[refusal.code], refusal.message)


def free_port() -> int:
    """Returns a port on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def serve_grpc(model: Model, port: int = 0, credentials=None) -> Iterator[int]:
    """Serves a model by gRPC on this machine; yields the port."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), options=LARGE)
    servicer = Servicer(model)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _Prediction(servicer), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Status(servicer), server)
    address = f"127.0.0.1:{port}"
    if credentials is None:
        bound = server.add_insecure_port(address)
    else:
        bound = server.add_secure_port(address, credentials)
    server.start()
    try:
        yield bound
    finally:
        server.stop(None).wait()


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, servicer: Servicer) -> None:
        self.Predict = servicer.Predict
        self.GetModelMetadata = servicer.GetModelMetadata


class _Status(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, servicer: Servicer) -> None:
        self.GetModelStatus = servicer.GetModelStatus


@contextlib.contextmanager
def serve_rest(model: Model, context=None, port: int = 0) -> Iterator[int]:
    """Serves a model by REST on this machine; yields the port."""
    handler = type("Handler", (_RestHandler,), {"model": model})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _RestHandler(http.server.BaseHTTPRequestHandler):
    model: Model

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        size = int(self.headers["content-length"])
        self._answer(json.loads(self.rfile.read(size)))

    def log_message(self, *arguments: object) -> None:
        pass

    def _answer(self, content) -> None:
        status, answer = 200, None
        try:
            answer = self._ask(content)
        except RefusalError as refusal:
            status, answer = HTTP_STATUS[refusal.code], {"error": refusal.message}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _ask(self, content):
        found = PATH.fullmatch(self.path)
        if not found:
            raise RefusalError("NOT_FOUND", "Malformed request")
        name, _, version, label, verb = found.groups()
        sent = self.headers.get("authorization", "")
        self.model.check(name, int(version or 0), label or "", sent)
        if verb == ":predict":
            return {"outputs": self._predict(content)}
        return self._metadata() if verb else self._status()

    def _predict(self, content):
        name = content.get("signature_name", "serving_default")
        declared = self.model.signature_def.signature_def[name]
        inputs = {
            key: np.array(
                _from_base64(value), tf.as_dtype(declared.inputs[key].dtype).as_numpy_dtype
            )
            for key, value in content["inputs"].items()
        }
        outputs = self.model.run(name, inputs)
        columns = {
            key: _to_base64(value.tolist(), key.endswith("_bytes"))
            for key, value in outputs.items()
        }
        return columns if len(columns) > 1 else next(iter(columns.values()))

    def _status(self):
        failed = {"error_code": "NOT_FOUND", "error_message": "its files are gone"}
        good = {"error_code": "OK", "error_message": ""}
        return {
            "model_version_status": [
                {"version": str(self.model.version), "state": "AVAILABLE", "status": good},
                {"version": "2", "state": "END", "status": failed},
            ]
        }

    def _metadata(self):
        signatures = {
            name: {
                side: {key: _tensor(tensor) for key, tensor in getattr(found, side).items()}
                for side in ("inputs", "outputs")
            }
            for name, found in self.model.signature_def.signature_def.items()
        }
        spec = {"name": self.model.name, "signature_name": "", "version": str(self.model.version)}
        return {"model_spec": spec, "metadata": {"signature_def": {"signature_def": signatures}}}


def _tensor(tensor):
    dims = [{"size": str(dim.size), "name": ""} for dim in tensor.tensor_shape.dim]
    shape = {"dim": dims, "unknown_rank": tensor.tensor_shape.unknown_rank}
    types = tensor.DESCRIPTOR.fields_by_name["dtype"].enum_type
    return {
        "dtype": types.values_by_number[tensor.dtype].name,
        "tensor_shape": shape,
        "name": tensor.name,
    }


def _from_base64(value):
    if isinstance(value, list):
        return [_from_base64(item) for item in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def _to_base64(value, is_binary: bool):
    if isinstance(value, list):
        return [_to_base64(item, is_binary) for item in value]
    if not isinstance(value, bytes):
        return value
    return {"b64": base64.b64encode(value).decode()} if is_binary else value.decode()
