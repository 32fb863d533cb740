"""The engine on its own, with a model of a few lines and no wire."""

import time
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, model_pb2

from tfcolor.server.catalog import ModelCatalog
from tfcolor.server.limits import Admission
from tfcolor.server.model_settings import ModelSettings
from tfcolor.server.prediction import PredictCall, PredictionEngine
from tfcolor.server.reporting import RequestRecord
from tfcolor.server.scheduler import Scheduler
from tfcolor.server.servable import Servable, ServedSignature, TensorDescription
from tfcolor.server.status import RequestError

NUMBERS = TensorDescription(tf.float32, (None,))


def load(name: str, version: int, path: Path) -> Servable:
    def run(inputs):
        return {"y": 2 * inputs["x"], "z": -inputs["x"]}

    definitions = get_model_metadata_pb2.SignatureDefMap()
    definitions.signature_def["serving_default"].method_name = "tensorflow/serving/predict"
    definitions.signature_def["old"].method_name = "tensorflow/serving/classify"
    outputs = {"y": NUMBERS, "z": NUMBERS}
    signature = ServedSignature("serving_default", "", {"x": NUMBERS}, outputs, run)
    return Servable(name, version, {"serving_default": signature}, definitions)


@pytest.fixture
def engine(tmp_path):
    (tmp_path / "m/3").mkdir(parents=True)
    catalog = ModelCatalog(load)
    catalog.start([ModelSettings("m", tmp_path / "m")])
    scheduler = Scheduler()
    yield PredictionEngine(catalog, scheduler, Admission(1), max_pixels=10)
    scheduler.close()


def call(outputs=(), timeout=10.0, inputs=(1.0,), **spec):
    return PredictCall(
        model_pb2.ModelSpec(name="m", **spec),
        lambda signature: {"x": np.array(inputs)},
        outputs,
        timeout,
        RequestRecord("grpc", "Predict", ""),
    )


def test_a_prediction_says_who_made_it(engine):
    asked = call()
    prediction = engine.predict(asked)
    assert (prediction.name, prediction.version) == ("m", 3)
    assert prediction.signature_name == "serving_default"
    assert {name: array.tolist() for name, array in prediction.outputs.items()} == {
        "y": [2],
        "z": [-1],
    }
    assert (asked.record.model, asked.record.version) == ("m", 3)
    assert asked.record.batch_rows == 1


def test_outputs_come_in_the_order_asked_for(engine):
    assert list(engine.predict(call(["z", "y"])).outputs) == ["z", "y"]
    with pytest.raises(RequestError, match=r"not found in signature: q .*\{y,z\}"):
        engine.predict(call(["q"]))


def test_a_request_that_comes_too_late_is_not_computed(engine):
    with pytest.raises(RequestError, match="deadline"):
        engine.predict(call(timeout=-1.0))


def test_waiting_clients_can_cancel(engine):
    cancelled = PredictCall(
        **{**vars(call()), "on_task": lambda task: (task.result.cancel(), time.sleep(0.01))}
    )
    try:
        engine.predict(cancelled)
    except RequestError as error:
        assert error.code == grpc.StatusCode.CANCELLED


def test_images_are_looked_at_before_the_model_is(engine):
    asked = PredictCall(
        **{**vars(call()), "read_inputs": lambda s: {"x": np.array([b"\x89PNG"], object)}}
    )
    with pytest.raises(RequestError, match="header is damaged"):
        engine.predict(asked)


@pytest.mark.parametrize(
    ("signature", "method", "code", "words"),
    [
        ("", "Classify", "INVALID_ARGUMENT", "Expected classification signature method_name"),
        ("", "Regress", "INVALID_ARGUMENT", "to be tensorflow/serving/regress. Was: tensorflow"),
        ("q", "Classify", "INVALID_ARGUMENT", "No signature was found with the name: q"),
        ("old", "Classify", "UNIMPLEMENTED", "use Predict"),
    ],
)
def test_examples_are_refused_as_officially(engine, signature, method, code, words):
    with pytest.raises(RequestError) as error:
        engine.refuse_examples(model_pb2.ModelSpec(name="m", signature_name=signature), method)
    assert error.value.code.name == code
    assert words in error.value.message
