"""A small SavedModel, and a server that serves it to all tests here."""

import contextlib
import shutil
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tfcolor.server.batching import BatchingParameters
from tfcolor.server.lifecycle import ServerSettings, ServingServer
from tfcolor.server.model_settings import ModelSettings, VersionPolicy
from tfcolor.server.options import AddressOptions, LimitOptions, ModelOptions


class TinyModel(tf.Module):
    """One signature for each thing that can be wrong with a request."""

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, "x")])
    def double(self, x):
        return {"y": 2.0 * x}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def upper(self, text):
        return {"text": tf.strings.upper(text), "raw_bytes": text}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int32, "count"),
            tf.TensorSpec([None, 2], tf.float32, "weights"),
        ]
    )
    def pair(self, count, weights):
        return {
            "total": tf.cast(count, tf.float32) * tf.reduce_sum(weights, axis=1),
            "next": count + 1,
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def parse(self, text):
        return {"number": tf.strings.to_number(text)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def measure(self, image_bytes):
        def size(encoded):
            return tf.size(tf.io.decode_image(encoded, 3, expand_animations=False))

        return {"size": tf.map_fn(size, image_bytes, fn_output_signature=tf.int32)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32, "x")])
    def negate(self, x):
        return {"y": -x}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, "steps")])
    def slow(self, steps):
        def body(step, matrix):
            return step + 1, tf.tanh(matrix @ matrix)

        count = tf.reduce_max(steps)
        start = tf.ones([64, 64])
        _, matrix = tf.while_loop(lambda step, _: step < count, body, (0, start))
        return {"steps": steps + 0 * tf.cast(matrix[0, 0], tf.int32)}


@pytest.fixture(scope="session")
def tiny_version(tmp_path_factory) -> Path:
    """The SavedModel of `TinyModel`; copy it to make versions."""
    path = tmp_path_factory.mktemp("served") / "version"
    module = TinyModel()
    names = ("upper", "pair", "parse", "measure", "negate", "slow")
    signatures = {"serving_default": module.double}
    signatures.update({name: getattr(module, name) for name in names})
    tf.saved_model.save(module, str(path), signatures=signatures)
    return path


@pytest.fixture(scope="session")
def tiny_models(tiny_version, tmp_path_factory) -> Path:
    """A folder with versions 1 and 2 of the tiny model."""
    base_path = tmp_path_factory.mktemp("models") / "tiny"
    for number in (1, 2):
        shutil.copytree(tiny_version, base_path / str(number))
    return base_path


class Connection:
    """Clients of a running server: official stubs for gRPC, httpx for REST."""

    def __init__(self, server: ServingServer) -> None:
        self.server = server
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.channel = grpc.insecure_channel(str(server.grpc_address), options)
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)
        self.rest = httpx.Client(base_url=f"http://{server.rest_address}", timeout=30)

    def predict(self, signature="", name="tiny", timeout=20.0, version=None, label="", **inputs):
        request = predict_request(signature, name, **inputs)
        if version is not None:
            request.model_spec.version.value = version
        if label:
            request.model_spec.version_label = label
        return self.predictions.Predict(request, timeout)

    def post(self, path, body):
        return self.rest.post(f"/v1/models/tiny{path}", json=body)

    def states(self, name="tiny"):
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = name
        statuses = self.models.GetModelStatus(request, 10).model_version_status
        names = get_model_status_pb2.ModelVersionStatus.State
        return {status.version: names.Name(status.state) for status in statuses}

    def metadata(self, name="tiny"):
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = name
        return self.predictions.GetModelMetadata(request, 10)

    def close(self):
        self.rest.close()
        self.channel.close()


def predict_request(signature="", name="tiny", **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    for key, value in inputs.items():
        proto = value if hasattr(value, "tensor_shape") else tf.make_tensor_proto(value)
        request.inputs[key].CopyFrom(proto)
    return request


@pytest.fixture(scope="session")
def build_request():
    """Returns what makes a PredictRequest: signature, model, inputs by name."""
    return predict_request


@pytest.fixture(scope="session")
def serving():
    """Returns a context manager that serves a folder: `serving(base_path, **settings)`."""

    @contextlib.contextmanager
    def serve(base_path, *, policy=None, labels=None, limits=None, poll_secs=0.05, **settings):
        model = ModelSettings("tiny", base_path, policy or VersionPolicy(), labels or {})
        server = ServingServer(
            ServerSettings(
                models=(model,),
                addresses=AddressOptions(port=0, rest_api_port=0),
                model_options=ModelOptions(file_system_poll_wait_seconds=poll_secs),
                limits=LimitOptions(**(limits or {})),
                **settings,
            )
        )
        server.start()
        connection = Connection(server)
        try:
            yield connection
        finally:
            connection.close()
            server.stop(0.0)

    return serve


@pytest.fixture(scope="session")
def tiny(serving, tiny_models):
    """A batching server with versions 1 and 2, and a label for each."""
    with serving(
        tiny_models,
        policy=VersionPolicy("all"),
        labels={"stable": 1, "canary": 2},
        batching=BatchingParameters(max_batch_size=16, batch_timeout_micros=1000),
        limits={"max_pixels": 10_000, "max_message_bytes": 2**20},
    ) as connection:
        yield connection


def as_array(tensor) -> np.ndarray:
    return tf.make_ndarray(tensor)


@pytest.fixture(scope="session")
def to_array():
    """Returns what turns a TensorProto into an array."""
    return as_array
