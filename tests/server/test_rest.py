"""What an HTTP client gets from the server: the table of REST requests."""

import base64
import contextlib
import io
import json

import numpy as np
import pytest
from PIL import Image

PREDICT = "/v1/models/tiny:predict"


def test_status_has_the_documented_form(tiny):
    expected = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    answer = tiny.rest.get("/v1/models/tiny")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "model_version_status": [{"version": "2", **expected}, {"version": "1", **expected}]
    }
    for path in ("/versions/1", "/labels/stable"):
        (status,) = tiny.rest.get(f"/v1/models/tiny{path}").json()["model_version_status"]
        assert status["version"] == "1"


def test_metadata_have_the_documented_form(tiny):
    answer = tiny.rest.get("/v1/models/tiny/versions/1/metadata").json()
    assert answer["model_spec"] == {"name": "tiny", "signature_name": "", "version": "1"}
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["x"]["dtype"] == "DT_FLOAT"
    assert signature["method_name"] == "tensorflow/serving/predict"


def test_rows_and_columns_are_answered_in_their_form(tiny):
    assert tiny.post(":predict", {"instances": [[1, 2], [3, 4]]}).json() == {
        "predictions": [[2, 4], [6, 8]]
    }
    assert tiny.post("/versions/1:predict", {"inputs": {"x": [[1]]}}).json() == {"outputs": [[2]]}
    body = {"signature_name": "pair", "instances": [{"count": 2, "weights": [1, 2]}]}
    assert tiny.post("/labels/canary:predict", body).json() == {
        "predictions": [{"next": 3, "total": 6}]
    }


def test_binary_strings_travel_in_base64(tiny):
    binary = {"b64": base64.b64encode(b"a\0z").decode()}
    answer = tiny.post(":predict", {"signature_name": "upper", "instances": [binary]})
    assert answer.json() == {"predictions": [{"raw_bytes": binary, "text": "A\0Z"}]}


def test_both_protocols_give_the_same_numbers(tiny, to_array):
    values = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    answer = tiny.post(":predict", {"instances": values.tolist()}).json()["predictions"]
    np.testing.assert_array_equal(np.float32(answer), to_array(tiny.predict(x=values).outputs["y"]))


def huge_image():
    file = io.BytesIO()
    Image.new("1", (200, 200)).save(file, "PNG")
    return {"b64": base64.b64encode(file.getvalue()).decode()}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/v1/models/q:predict", '{"instances": [[1]]}', 404, "Latest(q)"),
        ("POST", "/v1/models/tiny/versions/7:predict", '{"instances": [[1]]}', 404, "(tiny, 7)"),
        ("POST", "/v1/models/tiny/versions/" + "9" * 30 + ":predict", "{}", 400, "to numeric"),
        ("POST", "/v1/models/tiny/labels/q:predict", '{"instances": [[1]]}', 400, "label: q"),
        ("POST", PREDICT, "", 400, "JSON Parse error"),
        ("POST", PREDICT, "[1]", 400, "Is not object"),
        ("POST", PREDICT, "[" * 10_000, 400, "JSON Parse error"),
        ("POST", PREDICT, "{}", 400, "Missing 'inputs' or 'instances' key"),
        ("POST", PREDICT, '{"instances": ["x"]}', 400, "not of expected type: float"),
        ("POST", PREDICT, '{"instances": [1]}', 400, "expected float32 [?,?], got float32 [1]"),
        ("POST", PREDICT, '{"signature_name": 100}', 400, "must be a string value"),
        (
            "POST",
            PREDICT,
            '{"signature_name": "q", "instances": [1]}',
            400,
            'signature key "q" not found',
        ),
        (
            "POST",
            PREDICT,
            '{"signature_name": "parse", "instances": ["x"]}',
            400,
            "convert string: x",
        ),
        (
            "POST",
            PREDICT,
            json.dumps({"signature_name": "measure", "instances": [huge_image()]}),
            400,
            "40000 pixels; at most 10000",
        ),
        ("POST", PREDICT, " " * (2**20 + 1), 413, "more than 1048576 bytes"),
        ("POST", "/v1/models/tiny:classify", "{}", 400, "key 'examples' is expected"),
        ("POST", "/v1/models/tiny:regress", '{"examples": []}', 400, "not empty"),
        (
            "POST",
            "/v1/models/tiny:classify",
            '{"examples": [{"x": 1}]}',
            400,
            "Expected classification signature method_name",
        ),
        ("GET", PREDICT, None, 400, "Malformed request: GET /v1/models/tiny:predict"),
        ("PUT", PREDICT, "{}", 400, "Malformed request: PUT"),
        ("GET", "/v1/models", None, 400, "Missing model name in request."),
        ("GET", "/v1/models/q", None, 404, "Could not find any versions of model q"),
        ("GET", "/v1/models/tiny/versions/7", None, 404, "Could not find version 7 of model tiny"),
        ("GET", "/v1/models/..%2F..%2Fetc%2Fpasswd", None, 400, "Malformed request"),
        ("GET", "/v1/foo", None, 400, "Malformed request: GET /v1/foo"),
        ("GET", "/etc/passwd", None, 404, "nothing is at /etc/passwd"),
    ],
)
def test_errors_are_the_documented_ones(tiny, method, path, body, status, words):
    answer = tiny.rest.request(method, path, content=body)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]


def test_compressed_bodies_are_refused(tiny):
    answer = tiny.rest.post(PREDICT, content=b"x", headers={"content-encoding": "gzip"})
    assert answer.status_code == 415


def test_other_sites_are_not_invited(tiny):
    answer = tiny.rest.options(PREDICT, headers={"origin": "http://example.org"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert "server" not in answer.headers


def test_metrics_count_requests_under_known_names_only(tiny):
    tiny.post(":predict", {"instances": [[1]]})
    tiny.rest.post("/v1/models/made_up:predict", content=b"{}")
    text = tiny.rest.get("/monitoring/prometheus/metrics").text
    assert 'tfcolor_serving_requests_total{method="Predict",model="tiny",status="OK"}' in text
    assert 'tfcolor_serving_version_state{model="tiny",state="AVAILABLE",version="2"} 1.0' in text
    assert "made_up" not in text


def test_a_request_above_the_limit_is_told_to_come_later(tiny):
    with contextlib.ExitStack() as others:
        for _ in range(64):
            others.enter_context(tiny.server._admission.admit())
        answer = tiny.post(":predict", {"instances": [[1]]})
        assert answer.status_code == 429
        assert "64 requests are under way; try again later" in answer.json()["error"]
        assert tiny.rest.get("/v1/models/tiny").status_code == 200
