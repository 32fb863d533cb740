"""Tensors in the JSON of TensorFlow Serving's REST interface."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np
import tensorflow as tf

from tfcolor.server.servable import Arrays, ServedSignature, TensorDescription
from tfcolor.server.status import RequestError, invalid
from tfcolor.server.tensors import check_array, check_names

# Each bracket becomes a Python object of at least 56 bytes: three bytes of text
# can take 20 times their size.
MAX_BRACKETS = 2**22
BINARY_SUFFIX = "_bytes"


def parse_json(body: bytes) -> dict[str, Any]:
    """Parses the body of a request.

    Args:
      body: JSON text; NaN and Infinity are accepted.

    Returns:
      The object.

    Raises:
      RequestError: if it is no JSON object, or has too many lists.
    """
    if body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
        raise invalid(f"JSON Parse error: more than {MAX_BRACKETS} lists and objects")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise invalid(f"JSON Parse error: {reason}") from error
    if not isinstance(value, dict):
        raise invalid("JSON Value: Is not object")
    return value


def read_signature_name(body: Mapping[str, Any]) -> str:
    """Returns the signature that a request names; empty for the default.

    Raises:
      RequestError: if it is no string.
    """
    name = body.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid("'signature_name' key must be a string value.")
    return name


def read_inputs(body: Mapping[str, Any], signature: ServedSignature) -> dict[str, np.ndarray]:
    """Reads the inputs of a Predict request.

    Args:
      body: with "instances" (one item per row) or "inputs" (one per input).
      signature: what is called.

    Returns:
      [B, ...] by name, of the declared types.

    Raises:
      RequestError: if the inputs do not fit the signature.
    """
    if "instances" in body and "inputs" in body:
        raise invalid("expecting only one of 'inputs' or 'instances' keys to exist")
    if "instances" in body:
        values = _columns(body["instances"], signature)
    elif "inputs" in body:
        values = _named(body["inputs"], signature)
    else:
        raise invalid("Missing 'inputs' or 'instances' key")
    check_names(signature, values)
    return {
        name: _to_array(name, values[name], description)
        for name, description in signature.inputs.items()
    }


def format_outputs(outputs: Arrays, *, is_row: bool) -> bytes:
    """Writes the answer to a Predict request.

    Args:
      outputs: [B, ...] by name; of those ending in `_bytes`, strings are
        written in base64.
      is_row: whether the request had "instances".

    Returns:
      The body.

    Raises:
      RequestError: if rows are asked for and the outputs have different
        numbers, or a string is no text.
    """
    written = {name: _to_json(name, array) for name, array in outputs.items()}
    if not is_row:
        value = written if len(written) > 1 else next(iter(written.values()))
        return json.dumps({"outputs": value}).encode()
    counts = {array.shape[:1] for array in outputs.values()}
    if len(counts) != 1 or () in counts:
        raise invalid("the outputs have no common first dimension; send 'inputs' instead")
    if len(written) == 1:
        return json.dumps({"predictions": next(iter(written.values()))}).encode()
    rows = [dict(zip(written, row, strict=True)) for row in zip(*written.values(), strict=True)]
    return json.dumps({"predictions": rows}).encode()


def _columns(instances: Any, signature: ServedSignature) -> dict[str, Any]:
    """Turns rows into one list for each input."""
    if not isinstance(instances, list):
        raise invalid("Expecting 'instances' to be an list/array")
    if not instances:
        raise invalid("No values in 'instances' array")
    are_objects = [isinstance(item, dict) and not _is_binary(item) for item in instances]
    if not any(are_objects):
        if len(signature.inputs) > 1:
            raise invalid(
                "instances is a plain list, but expecting list of objects as multiple"
                " input tensors required as per tensorinfo_map"
            )
        return {next(iter(signature.inputs)): instances}
    for index, item in enumerate(instances):
        if not are_objects[index]:
            raise invalid(f"Expecting object but got list at item {index} of input list")
        if set(item) != set(signature.inputs):
            expected = ",".join(sorted(signature.inputs))
            raise invalid(
                f"Failed to process element: {index} of 'instances' list."
                f" keys must be equal to: {expected}"
            )
    return {name: [item[name] for item in instances] for name in signature.inputs}


def _named(inputs: Any, signature: ServedSignature) -> dict[str, Any]:
    """Returns the inputs of a columnar request by name."""
    if isinstance(inputs, dict) and not _is_binary(inputs):
        return inputs
    if len(signature.inputs) > 1:
        raise invalid(
            "inputs is a plain value/list, but expecting an object as multiple"
            " input tensors required as per tensorinfo_map"
        )
    return {next(iter(signature.inputs)): inputs}


def _to_array(name: str, value: Any, description: TensorDescription) -> np.ndarray:
    """Returns nested lists as an array of the declared type."""
    if description.dtype == tf.string:
        array = _strings(name, value)
    else:
        array = _numbers(name, value, description.dtype)
    check_array(name, array, description)
    return array


def _strings(name: str, value: Any) -> np.ndarray:
    """Returns nested lists of strings and base64 objects as bytes."""
    shape: list[int] = []
    level = value
    while isinstance(level, list):
        shape.append(len(level))
        level = level[0] if level else None
    array = np.empty(shape, dtype=object)
    items = [value]
    for size in shape:
        if any(not isinstance(item, list) or len(item) != size for item in items):
            raise invalid(f'input "{name}": Encountered list at unexpected size or level')
        items = [inner for item in items for inner in item]
    array.ravel()[:] = [_to_bytes(name, item) for item in items]
    return array


def _to_bytes(name: str, item: Any) -> bytes:
    """Returns a string, or what a base64 object stands for."""
    if isinstance(item, str):
        return item.encode("utf-8", errors="surrogatepass")
    if _is_binary(item):
        try:
            return base64.b64decode(item["b64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise invalid(f'input "{name}": Unable to base64 decode') from error
    raise _type_error(name, item, tf.string)


def _numbers(name: str, value: Any, dtype: tf.DType) -> np.ndarray:
    """Returns nested lists of numbers or truth values as an array."""
    kinds = {"b": "b"} if dtype == tf.bool else {"f": "iuf", "i": "iu", "u": "iu"}
    expected = np.dtype(dtype.as_numpy_dtype)
    if expected.kind not in kinds:
        message = f"Conversion of JSON Value to type: {dtype.name}"
        raise RequestError(grpc.StatusCode.UNIMPLEMENTED, message)
    try:
        array = np.array(value)
    except (ValueError, OverflowError) as error:
        raise invalid(f'input "{name}": lists of different sizes, or too deep') from error
    if array.size == 0 and array.dtype.kind == "f":
        return array.astype(expected)
    if array.dtype.kind not in kinds[expected.kind]:
        raise _type_error(name, value, dtype)
    with np.errstate(over="ignore"):
        converted = array.astype(expected)
    is_lost = np.isfinite(array) & ~np.isfinite(converted)
    if expected.kind in "iu":
        is_lost = converted != array
    if np.any(is_lost):
        raise invalid(f'input "{name}": Cannot convert JSON value to {dtype.name} without loss')
    return converted


def _to_json(name: str, array: np.ndarray) -> Any:
    """Returns an output as nested lists."""
    if array.dtype != object:
        return array.tolist()
    if name.endswith(BINARY_SUFFIX):
        return _map_nested(array.tolist(), lambda b: {"b64": base64.b64encode(b).decode()})
    try:
        return _map_nested(array.tolist(), lambda text: text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise invalid(
            f'output "{name}" is no UTF-8 text; only names ending in {BINARY_SUFFIX} may be binary'
        ) from error


def _map_nested(value: Any, function: Any) -> Any:
    """Applies a function to every item of nested lists."""
    if isinstance(value, list):
        return [_map_nested(item, function) for item in value]
    return function(value)


def _is_binary(value: Any) -> bool:
    """Whether a value is an object that holds base64."""
    return isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str)


def _type_error(name: str, value: Any, dtype: tf.DType) -> RequestError:
    """Returns the error of a value of another type, which is shown in short."""
    while isinstance(value, list) and value:
        value = value[0]
    shown = json.dumps(value)[:60]
    return invalid(f'input "{name}": JSON Value: {shown} is not of expected type: {dtype.name}')
