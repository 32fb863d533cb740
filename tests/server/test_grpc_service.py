"""What official stubs get from the server: the table of gRPC requests."""

import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from benchmarks.fuzz_serving import Fuzzer, huge_png, small_png

PREDICT = "/tensorflow.serving.PredictionService/Predict"
X = np.float32([[1, 2]])
SPEC = "model_spec { name: 'tiny' %s } "


def code_and_reason(call, *arguments, **named):
    with pytest.raises(grpc.RpcError) as error:
        call(*arguments, **named)
    return error.value.code().name, error.value.details()


def test_outputs_come_with_the_version_and_the_signature(tiny, to_array):
    response = tiny.predict(x=X)
    assert (response.model_spec.name, response.model_spec.version.value) == ("tiny", 2)
    assert response.model_spec.signature_name == "serving_default"
    assert list(response.outputs["y"].float_val) == [2, 4]
    response = tiny.predict(
        "pair", version=1, count=np.int32([2, 3]), weights=np.float32(2 * [[1, 2]])
    )
    assert response.model_spec.version.value == 1
    assert to_array(response.outputs["total"]).tolist() == [6, 9]
    assert to_array(response.outputs["next"]).tolist() == [3, 4]


def test_labels_name_versions(tiny):
    assert tiny.predict(label="stable", x=X).model_spec.version.value == 1
    assert tiny.predict(label="canary", x=X).model_spec.version.value == 2


def test_only_the_outputs_asked_for_are_sent(tiny, build_request):
    request = build_request("upper", text=[b"a\0"])
    request.output_filter.append("raw_bytes")
    response = tiny.predictions.Predict(request, 10)
    assert {key: list(value.string_val) for key, value in response.outputs.items()} == {
        "raw_bytes": [b"a\0"]
    }


def test_signatures_that_cannot_be_joined_are_answered_too(tiny):
    assert list(tiny.predict("negate", x=np.float32(2)).outputs["y"].float_val) == [-2]


@pytest.mark.parametrize(
    ("signature", "options", "inputs", "code", "words"),
    [
        ("", {"name": "nope"}, {"x": X}, "NOT_FOUND", "request: Latest(nope)"),
        ("", {"name": ""}, {"x": X}, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        ("", {"version": 9}, {"x": X}, "NOT_FOUND", "request: Specific(tiny, 9)"),
        ("", {"label": "q"}, {"x": X}, "INVALID_ARGUMENT", "Unrecognized servable version label"),
        ("nope", {}, {"x": X}, "FAILED_PRECONDITION", 'signature key "nope" not found'),
        ("", {}, {}, "INVALID_ARGUMENT", "Missing but required: {x}"),
        ("", {}, {"x": X, "z": X}, "INVALID_ARGUMENT", "Sent extra: {z}"),
        ("", {}, {"z": X}, "INVALID_ARGUMENT", "expected to be in the set {x}"),
        ("", {}, {"x": np.int32([[1]])}, "INVALID_ARGUMENT", "expected float32 [?,?], got int32"),
        ("", {}, {"x": [[b"1"]]}, "INVALID_ARGUMENT", "got string [1,1]"),
        ("", {}, {"x": np.float32([1])}, "INVALID_ARGUMENT", "got float32 [1]"),
        ("", {}, {"x": np.zeros((17, 1), "f")}, "INVALID_ARGUMENT", "maximum input batch size 16"),
        (
            "pair",
            {},
            {"count": np.int32([1, 2]), "weights": np.float32([[1, 2]])},
            "INVALID_ARGUMENT",
            "equal 0th-dimension size",
        ),
        ("parse", {}, {"text": [b"seven"]}, "INVALID_ARGUMENT", "convert string: seven"),
        ("measure", {}, {"image_bytes": [b"no"]}, "INVALID_ARGUMENT", "Unknown image file format"),
        ("measure", {}, {"image_bytes": [huge_png()]}, "INVALID_ARGUMENT", "at most 10000"),
        ("", {"timeout": 1e-9}, {"x": X}, "DEADLINE_EXCEEDED", ""),
        ("", {}, {"x": np.zeros((9, 2**16), "f")}, "RESOURCE_EXHAUSTED", "larger than max"),
    ],
)
def test_predict_errors_are_the_official_ones(tiny, signature, options, inputs, code, words):
    found = code_and_reason(tiny.predict, signature, **options, **inputs)
    assert found[0] == code
    assert words in found[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("output_filter: 'nope'", "output tensor alias not found in signature: nope"),
        ("output_filter: 'y' output_filter: 'y'", "duplicate output tensor alias"),
    ],
)
def test_outputs_must_be_known_and_asked_for_once(tiny, build_request, text, words):
    request = text_format.Parse(text, build_request(x=X))
    code, reason = code_and_reason(tiny.predictions.Predict, request, 10)
    assert (code, words in reason) == ("INVALID_ARGUMENT", True)


CLASSIFY, REGRESS = classification_pb2.ClassificationRequest, regression_pb2.RegressionRequest
MULTI = inference_pb2.MultiInferenceRequest
METADATA = get_model_metadata_pb2.GetModelMetadataRequest
STATUS = get_model_status_pb2.GetModelStatusRequest
RELOAD = model_management_pb2.ReloadConfigRequest


@pytest.mark.parametrize(
    ("method", "kind", "text", "code", "words"),
    [
        ("Classify", CLASSIFY, SPEC % "", "INVALID_ARGUMENT", "Expected classification signature"),
        ("Regress", REGRESS, SPEC % "", "INVALID_ARGUMENT", "Was: tensorflow/serving/predict"),
        (
            "Classify",
            CLASSIFY,
            SPEC % "signature_name: 'q'",
            "INVALID_ARGUMENT",
            "No signature was found with the name: q",
        ),
        ("Regress", REGRESS, "model_spec { name: 'q' }", "NOT_FOUND", "Latest(q)"),
        ("MultiInference", MULTI, "", "INVALID_ARGUMENT", "at least one task"),
        (
            "MultiInference",
            MULTI,
            f"tasks {{ {SPEC % ''} }}",
            "UNIMPLEMENTED",
            "Unsupported signature method_name",
        ),
        (
            "MultiInference",
            MULTI,
            f"tasks {{ {SPEC % ''} method_name: 'tensorflow/serving/classify' }}",
            "INVALID_ARGUMENT",
            "Expected classification",
        ),
        ("GetModelMetadata", METADATA, "", "INVALID_ARGUMENT", "Missing ModelSpec"),
        ("GetModelMetadata", METADATA, SPEC % "", "INVALID_ARGUMENT", "at least one metadata"),
        (
            "GetModelMetadata",
            METADATA,
            SPEC % "" + "metadata_field: 'q'",
            "INVALID_ARGUMENT",
            "Metadata field q is not supported",
        ),
        ("GetModelStatus", STATUS, "", "INVALID_ARGUMENT", "Missing ModelSpec"),
        (
            "GetModelStatus",
            STATUS,
            "model_spec { name: 'q' }",
            "NOT_FOUND",
            "Could not find any versions of model q",
        ),
        (
            "GetModelStatus",
            STATUS,
            SPEC % "version { value: 7 }",
            "NOT_FOUND",
            "Could not find version 7 of model tiny",
        ),
        ("HandleReloadConfigRequest", RELOAD, "", "INVALID_ARGUMENT", "model_config_list"),
        (
            "HandleReloadConfigRequest",
            RELOAD,
            "config { model_config_list { config { name: 'a' base_path: '/' } } }",
            "PERMISSION_DENIED",
            "is not directly in",
        ),
    ],
)
def test_other_errors_are_the_official_ones(tiny, method, kind, text, code, words):
    stub = tiny.predictions if hasattr(tiny.predictions, method) else tiny.models
    found = code_and_reason(getattr(stub, method), text_format.Parse(text, kind()), 10)
    assert found[0] == code
    assert words in found[1]


def test_metadata_are_the_signatures_of_the_file(tiny):
    response = tiny.metadata()
    definitions = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(definitions)
    assert response.model_spec.version.value == 2
    names = {"serving_default", "upper", "pair", "parse", "measure", "negate", "slow"}
    assert names <= set(definitions.signature_def)


def test_status_tells_every_version(tiny):
    assert tiny.states() == {1: "AVAILABLE", 2: "AVAILABLE"}


def test_config_is_reloaded_on_request(serving, tiny_models):
    request = RELOAD()
    for name, version in (("tiny", 1), ("other", 2)):
        model = request.config.model_config_list.config.add(name=name, base_path=str(tiny_models))
        model.model_version_policy.specific.versions.append(version)
    with serving(tiny_models) as client:
        client.models.HandleReloadConfigRequest(request, 20)
        assert client.predict(x=X).model_spec.version.value == 1
        assert client.predict(name="other", x=X).model_spec.version.value == 2


def test_requests_in_a_batch_fail_alone(tiny):
    results = {}

    def ask(text):
        try:
            answer = tiny.predict("parse", text=[text])
            results[text] = answer.outputs["number"].float_val[0]
        except grpc.RpcError as error:
            results[text] = error.code().name

    threads = [threading.Thread(target=ask, args=(text,)) for text in (b"1", b"x", b"2", b"3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {b"1": 1.0, b"2": 2.0, b"3": 3.0, b"x": "INVALID_ARGUMENT"}


def test_overload_is_refused_and_deadlines_hold_in_the_queue(serving, tiny_models):
    with serving(tiny_models, limits={"max_concurrent_requests": 4}) as client:
        request = client.predictions.Predict.future
        spec = [client_request(4000) for _ in range(12)]
        started = time.monotonic()
        futures = [request(one, 0.5) for one in spec]
        codes = [future.code().name for future in futures]
        assert time.monotonic() - started < 5
        assert codes.count("RESOURCE_EXHAUSTED") >= 6
        assert set(codes) <= {"RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "OK"}
        assert client.predict(x=X).outputs["y"].float_val[0] == 2


def client_request(steps):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "tiny", "slow"
    request.inputs["steps"].CopyFrom(tf.make_tensor_proto(np.int32([steps])))
    return request


def test_compressed_bombs_are_not_unpacked(tiny):
    """A gzip of zeros, a thousandth of the size that it unpacks to."""
    call = tiny.channel.unary_unary(PREDICT)
    bomb = bytes(2**24)
    code, _ = code_and_reason(call, bomb, timeout=20, compression=grpc.Compression.Gzip)
    assert code == "RESOURCE_EXHAUSTED"


def test_malformed_requests_get_the_right_codes(tiny):
    fuzzer = Fuzzer(tiny.channel, "tiny")
    wrong = [
        (name, code, sorted(codes))
        for name, data, codes in fuzzer.requests(300, seed=1)
        if (code := fuzzer.send(data)) not in codes
    ]
    assert wrong == []
    assert tiny.predict(x=X).outputs["y"].float_val[0] == 2


def test_a_whole_image_is_measured(tiny):
    image = small_png(np.random.default_rng(0))
    size = tf.io.decode_image(image, 3).numpy().size
    assert tiny.predict("measure", image_bytes=[image]).outputs["size"].int_val[0] == size
