import base64
import json

import grpc
import numpy as np
import pytest
import tensorflow as tf

from tfcolor.server import json_tensors
from tfcolor.server.json_tensors import (
    format_outputs,
    parse_json,
    read_inputs,
    read_signature_name,
)
from tfcolor.server.servable import ServedSignature, TensorDescription
from tfcolor.server.status import RequestError


def signature(**inputs):
    described = {key: TensorDescription(dtype, shape) for key, (dtype, shape) in inputs.items()}
    return ServedSignature("s", "", described, {}, dict)


TEXT = signature(text=(tf.string, (None,)))
FLOATS = signature(x=(tf.float32, (None, None)))
INTEGERS = signature(x=(tf.int32, (None,)))
BOOLEANS = signature(x=(tf.bool, (None,)))
PAIR = signature(tag=(tf.string, (None,)), values=(tf.int32, (None, 2)))
BINARY = {"b64": base64.b64encode(b"\xff\0").decode()}


@pytest.mark.parametrize(
    ("body", "called", "expected"),
    [
        ({"instances": ["foo", BINARY]}, TEXT, {"text": [b"foo", b"\xff\0"]}),
        ({"instances": [{"text": "é"}]}, TEXT, {"text": ["é".encode()]}),
        ({"inputs": ["foo"]}, TEXT, {"text": [b"foo"]}),
        ({"inputs": {"text": [BINARY]}}, TEXT, {"text": [b"\xff\0"]}),
        ({"instances": [[1, 2.5], [3, float("inf")]]}, FLOATS, {"x": [[1, 2.5], [3, np.inf]]}),
        ({"inputs": []}, INTEGERS, {"x": []}),
        ({"inputs": [True, False]}, BOOLEANS, {"x": [True, False]}),
        (
            {"instances": [{"tag": "a", "values": [1, 2]}, {"tag": "b", "values": [3, 4]}]},
            PAIR,
            {"tag": [b"a", b"b"], "values": [[1, 2], [3, 4]]},
        ),
        (
            {"inputs": {"tag": ["a"], "values": [[1, 2]]}},
            PAIR,
            {"tag": [b"a"], "values": [[1, 2]]},
        ),
    ],
)
def test_rows_and_columns_are_read(body, called, expected):
    inputs = read_inputs(parse_json(json.dumps(body).encode()), called)
    assert {key: array.tolist() for key, array in inputs.items()} == expected
    for key, array in inputs.items():
        assert array.dtype == called.inputs[key].dtype.as_numpy_dtype


@pytest.mark.parametrize(
    ("body", "called", "words"),
    [
        ({}, FLOATS, "Missing 'inputs' or 'instances' key"),
        ({"inputs": [[1]], "instances": [[1]]}, FLOATS, "only one of"),
        ({"instances": 3}, FLOATS, "to be an list/array"),
        ({"instances": []}, FLOATS, "No values in 'instances'"),
        ({"instances": [1]}, PAIR, "plain list, but expecting list of objects"),
        ({"inputs": [1]}, PAIR, "plain value/list, but expecting an object"),
        ({"inputs": {"tag": ["a"]}}, PAIR, r"Missing but required: \{values\}"),
        ({"instances": [{"tag": "a", "values": [1, 2]}, 3]}, PAIR, "got list at item 1"),
        ({"instances": [{"tag": "a"}]}, PAIR, "keys must be equal to: tag,values"),
        ({"instances": ["x", "y"]}, FLOATS, "not of expected type: float32"),
        ({"instances": [[None]]}, FLOATS, "null is not of expected type"),
        ({"instances": [1.5]}, INTEGERS, "not of expected type: int32"),
        ({"instances": [True]}, INTEGERS, "not of expected type: int32"),
        ({"instances": [1]}, BOOLEANS, "not of expected type: bool"),
        ({"instances": [2**40]}, INTEGERS, "without loss"),
        ({"instances": [2**400]}, INTEGERS, "not of expected type"),
        ({"instances": [[1e300]]}, FLOATS, "without loss"),
        ({"instances": [[1], [2, 3]]}, FLOATS, "different sizes"),
        ({"instances": [1, 2]}, FLOATS, r"expected float32 \[\?,\?\], got float32 \[2\]"),
        ({"instances": [3]}, TEXT, "3 is not of expected type: string"),
        ({"instances": ["a", ["b"]]}, TEXT, "not of expected type: string"),
        ({"instances": [{"b64": "***"}]}, TEXT, "Unable to base64 decode"),
        ({"instances": [["a"], ["b", "c"]]}, TEXT, "unexpected size"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(body, called, words):
    with pytest.raises(RequestError, match=words) as error:
        read_inputs(body, called)
    assert error.value.code == grpc.StatusCode.INVALID_ARGUMENT


def test_types_without_a_form_in_json_are_not_implemented():
    with pytest.raises(RequestError, match="complex64") as error:
        read_inputs({"instances": [1]}, signature(x=(tf.complex64, (None,))))
    assert error.value.code == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"3", b"\xff", b"[" * 100_000, b'{"a":' * 5000, b"9" * 5000]
)
def test_what_is_no_object_is_refused(body):
    with pytest.raises(RequestError, match="JSON"):
        parse_json(body)


def test_bodies_of_nothing_but_brackets_are_not_parsed(monkeypatch):
    monkeypatch.setattr(json_tensors, "MAX_BRACKETS", 3)
    assert parse_json(b'{"a": [[]]}') == {"a": [[]]}
    with pytest.raises(RequestError, match="more than 3 lists"):
        parse_json(b'{"a": [[], []]}')


def test_the_signature_is_named_by_a_string():
    assert read_signature_name({"signature_name": "x"}) == "x"
    assert read_signature_name({}) == ""
    with pytest.raises(RequestError, match="'signature_name' key must be a string value"):
        read_signature_name({"signature_name": 100})


@pytest.mark.parametrize(
    ("outputs", "is_row", "expected"),
    [
        ({"y": np.float32([[1, 2]])}, True, {"predictions": [[1.0, 2.0]]}),
        ({"y": np.float32([[1, 2]])}, False, {"outputs": [[1.0, 2.0]]}),
        ({"y": np.int32(3)}, False, {"outputs": 3}),
        (
            {"a": np.int64([1, 2]), "b": np.array([b"x", b"y"], object)},
            True,
            {"predictions": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]},
        ),
        (
            {"a": np.array([True]), "b_bytes": np.array([b"\xff\0"], object)},
            False,
            {"outputs": {"a": [True], "b_bytes": [BINARY]}},
        ),
    ],
)
def test_outputs_have_the_form_of_the_request(outputs, is_row, expected):
    assert json.loads(format_outputs(outputs, is_row=is_row)) == expected


def test_floats_are_written_exactly_and_nan_as_a_token():
    values = np.float32([0.1, np.nan, -np.inf])
    text = format_outputs({"y": values}, is_row=True)
    assert b"NaN" in text
    assert b"-Infinity" in text
    np.testing.assert_array_equal(np.float32(json.loads(text)["predictions"]), values)


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"a": np.zeros(2), "b": np.zeros(3)}, "no common first dimension"),
        ({"a": np.float32(2)}, "no common first dimension"),
        ({"a": np.array([b"\xff"], object)}, "no UTF-8 text"),
    ],
)
def test_outputs_that_have_no_such_form_are_an_error(outputs, words):
    with pytest.raises(RequestError, match=words):
        format_outputs(outputs, is_row=True)
