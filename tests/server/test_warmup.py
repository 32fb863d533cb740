import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tfcolor.server import warmup
from tfcolor.server.servable import Servable, ServedSignature, TensorDescription
from tfcolor.server.status import RequestError
from tfcolor.server.warmup import WARMUP_FILE, warm_up


@pytest.fixture
def answered():
    return []


@pytest.fixture
def servable(answered):
    tensor = TensorDescription(tf.float32, (None,))
    signature = ServedSignature(
        "serving_default", "", {"x": tensor}, {}, lambda inputs: answered.append(inputs["x"])
    )
    return Servable("m", 1, {"serving_default": signature}, None)


def write(folder, *records):
    path = folder / WARMUP_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def log(build_request, **inputs):
    request = build_request("", "m", **inputs)
    return prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request)
    ).SerializeToString()


def test_every_request_is_answered(servable, answered, build_request, tmp_path):
    write(tmp_path, *(log(build_request, x=np.float32([n])) for n in (1, 2)))
    assert warm_up(servable, tmp_path) == 2
    assert [array.tolist() for array in answered] == [[1], [2]]


def test_a_model_need_not_bring_any(servable, tmp_path):
    assert warm_up(servable, tmp_path) == 0


def test_requests_that_do_not_fit_are_an_error(servable, build_request, tmp_path):
    for records, words in (
        ([log(build_request, y=np.float32([1]))], "alias not found"),
        ([log(build_request, x=np.int32([1]))], "expected float32"),
        ([b"\xff\xff"], "no PredictionLog"),
        ([b""], "only predict_log"),
    ):
        write(tmp_path, *records)
        with pytest.raises(RequestError, match=words):
            warm_up(servable, tmp_path)


def test_too_many_are_an_error(servable, build_request, tmp_path, monkeypatch):
    monkeypatch.setattr(warmup, "MAX_REQUESTS", 1)
    write(tmp_path, *[log(build_request, x=np.float32([1]))] * 2)
    with pytest.raises(RequestError, match="more than 1 warm-up"):
        warm_up(servable, tmp_path)


def test_a_version_is_available_only_after_its_warm_up(
    serving, tiny_version, build_request, tmp_path
):
    shutil.copytree(tiny_version, tmp_path / "tiny/1")
    shutil.copytree(tiny_version, tmp_path / "tiny/2")
    write(tmp_path / "tiny/1", log(build_request, x=np.float32([[1]])))
    write(tmp_path / "tiny/2", log(build_request, z=np.float32([[1]])))
    with serving(tmp_path / "tiny") as client:
        assert client.states() == {1: "AVAILABLE", 2: "END"}
