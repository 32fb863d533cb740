"""NumPy arrays as `TensorProto` messages and back."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfcolor_client.errors import ServingError
from tfcolor_client.wire import WIRE

DTYPES: Mapping[int, tuple[str, str]] = {
    1: ("float32", "float_val"),
    2: ("float64", "double_val"),
    3: ("int32", "int_val"),
    4: ("uint8", "int_val"),
    7: ("string", "string_val"),
    9: ("int64", "int64_val"),
    10: ("bool", "bool_val"),
    19: ("float16", "half_val"),
}
"""Name and repeated field of each type by its number on the wire."""

NUMBERS: Mapping[str, int] = {name: number for number, (name, _) in DTYPES.items()}

JSON_NAMES: Mapping[str, str] = {
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    "DT_INT32": "int32",
    "DT_UINT8": "uint8",
    "DT_STRING": "string",
    "DT_INT64": "int64",
    "DT_BOOL": "bool",
    "DT_HALF": "float16",
}
"""NumPy's names, strings apart, by those that REST has."""

MAX_REPEATED = 2**28
"""Elements that one value may stand for: no answer of a few bytes fills memory."""


def to_array(values: Any) -> np.ndarray:
    """Returns an input as an array of a type that can be sent.

    Args:
      values: an array, a number, bytes, text or nested lists of these; Python's
        floats become float32, its integers int32 where they fit.

    Returns:
      An array [...]; bytes and text become object [...] of bytes.

    Raises:
      ServingError: if the type cannot be sent.

    Example:
      >>> to_array([1.5, 2]).dtype
      dtype('float32')
    """
    leaf = values
    while isinstance(leaf, (list, tuple)) and leaf:
        leaf = leaf[0]
    if isinstance(leaf, (bytes, str)) or getattr(leaf, "dtype", np.dtype(int)).kind in "SUO":
        # Not as NumPy's own strings, which lose trailing NUL bytes and are all as
        # long as the longest one.
        texts = np.asarray(values, dtype=object)
        return _object_array([_to_bytes(value) for value in texts.ravel()], texts.shape)
    array = np.asarray(values)
    if not isinstance(leaf, (np.ndarray, np.generic)):
        array = array.astype(_narrow(array))
    if array.dtype.name not in NUMBERS:
        known = ", ".join(NUMBERS)
        raise ServingError("INVALID_ARGUMENT", f"an input is {array.dtype.name}", f"one of {known}")
    return array


def encode(array: np.ndarray) -> Any:
    """Returns the message of an array.

    Args:
      array: [...], as `to_array` gives it.

    Returns:
      A `TensorProto`.
    """
    message = WIRE["TensorProto"]()
    name = "string" if array.dtype.kind == "O" else array.dtype.name
    message.dtype = NUMBERS[name]
    for size in array.shape:
        message.tensor_shape.dim.add(size=size)
    if name == "string":
        message.string_val.extend(array.ravel().tolist())
    else:
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        message.tensor_content = little.tobytes()
    return message


def decode(message: Any) -> np.ndarray:
    """Returns the array of a message.

    Args:
      message: a `TensorProto`, with its values as bytes or one by one; where
        there are fewer than elements, the last one is repeated.

    Returns:
      An array [...] of the message's shape; strings as object [...] of bytes.

    Raises:
      ServingError: if the message contradicts itself or has another type.
    """
    if message.dtype not in DTYPES:
        raise ServingError("INTERNAL", f"an answer has the type number {message.dtype}", "")
    name, field = DTYPES[message.dtype]
    shape = tuple(dim.size for dim in message.tensor_shape.dim)
    if message.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise ServingError("INTERNAL", f"an answer has the shape {shape}", "")
    if message.tensor_content and name != "string":
        return _from_bytes(message.tensor_content, name, shape)
    return _from_values(getattr(message, field), name, shape)


def _from_bytes(content: bytes, name: str, shape: tuple[int, ...]) -> np.ndarray:
    dtype = np.dtype(name)
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise ServingError("INTERNAL", f"an answer has {len(content)} bytes for {name} {shape}", "")
    native = np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype)
    return native.reshape(shape)


def _from_values(values: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Returns the array [shape] of values that are listed one by one."""
    size = math.prod(shape)
    if len(values) > size or (len(values) < size and size > MAX_REPEATED):
        raise ServingError("INTERNAL", f"an answer has {len(values)} values for {name} {shape}", "")
    if name == "string":
        texts = list(values) + [values[-1] if values else b""] * (size - len(values))
        return _object_array(texts, shape)
    listed = np.array(values, dtype=np.uint16 if name == "float16" else name)
    listed = listed.view(name)
    filled = np.full(size, listed[-1] if len(listed) else 0, name)
    filled[: len(listed)] = listed
    return filled.reshape(shape)


def _object_array(values: list[bytes], shape: tuple[int, ...]) -> np.ndarray:
    """Returns object [shape], which keeps each string as it is."""
    array = np.empty(len(values), object)
    array[:] = values
    return array.reshape(shape)


def _to_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise ServingError("INVALID_ARGUMENT", f"an input holds {type(value).__name__}", "bytes")


def _narrow(array: np.ndarray) -> np.dtype:
    """Returns the type that models expect of Python's own numbers, where they fit."""
    if array.dtype == np.int64 and (array.size == 0 or (abs(array) < 2**31).all()):
        return np.dtype(np.int32)
    return np.dtype(np.float32) if array.dtype == np.float64 else array.dtype
