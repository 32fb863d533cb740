"""Tensors on the wire: TensorProto messages to arrays and back, checked."""

import math
from collections.abc import Collection
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from tfcolor.server.servable import ServedSignature, TensorDescription, describe_tensor
from tfcolor.server.status import invalid

# Field numbers of TensorProto's packed lists, and "length-delimited" on the wire.
PACKED_FIELDS = {np.dtype(np.float32): 5, np.dtype(np.float64): 6}
LENGTH_DELIMITED = 2
POINTER_BYTES = 8


def check_names(signature: ServedSignature, names: Collection[str]) -> None:
    """Checks that a request gives every input of a signature and nothing else.

    Args:
      signature: what is called.
      names: the inputs given.

    Raises:
      RequestError: if one is missing or unknown, in TensorFlow Serving's words.
    """
    sent, expected = set(names), set(signature.inputs)
    if len(sent) != len(expected):
        raise invalid(
            f"input size does not match signature: {len(sent)}!={len(expected)}"
            f" len({_set(sent)}) != len({_set(expected)})."
            f" Sent extra: {_set(sent - expected)}."
            f" Missing but required: {_set(expected - sent)}."
        )
    if sent != expected:
        raise invalid(
            f"input tensor alias not found in signature: {min(sent - expected)}."
            f" Inputs expected to be in the set {_set(expected)}."
        )


def decode_tensor(
    name: str, proto: Any, description: TensorDescription, max_bytes: int | None = None
) -> np.ndarray:
    """Reads an input tensor.

    Args:
      name: the input's name, for messages.
      proto: a `TensorProto` message.
      description: the type and shape that its signature declares.
      max_bytes: the most that the array may take, None for any. A message of
        twenty bytes can stand for a tensor of any size.

    Returns:
      [...], of the declared type; strings as an object array of bytes.

    Raises:
      RequestError: if type or shape are others, or the content does not fill
        the shape.
    """
    shape = _shape(name, proto)
    if proto.dtype != description.dtype.as_datatype_enum or not description.accepts(shape):
        sent = f"type {proto.dtype} {list(shape)}"
        if _is_known(proto.dtype):
            sent = describe_tensor(tf.as_dtype(proto.dtype), shape)
        raise invalid(f'input "{name}": expected {description.describe()}, got {sent}')
    item_bytes = POINTER_BYTES if description.dtype == tf.string else description.dtype.size
    if max_bytes is not None and math.prod(shape) * item_bytes > max_bytes:
        raise invalid(f'input "{name}": a tensor of {list(shape)} is larger than {max_bytes} bytes')
    try:
        return tf.make_ndarray(proto)
    except (ValueError, TypeError, IndexError) as error:
        raise invalid(f'input "{name}": its content does not fill {list(shape)}') from error


def check_array(name: str, array: np.ndarray, description: TensorDescription) -> None:
    """Checks the shape of an input that came as JSON.

    Args:
      name: the input's name, for messages.
      array: [...], any shape, of the declared type.
      description: what its signature declares.

    Raises:
      RequestError: if the shape does not fit.
    """
    if not description.accepts(array.shape):
        sent = describe_tensor(description.dtype, array.shape)
        raise invalid(f'input "{name}": expected {description.describe()}, got {sent}')


def encode_tensor(array: np.ndarray) -> Any:
    """Returns an array as TensorFlow Serving sends it: in the list of its type.

    Args:
      array: [...], any type that a TensorProto has; strings as objects.

    Returns:
      A `TensorProto` message.

    Example:
      >>> list(encode_tensor(np.float32([1.5, 2.0])).float_val)
      [1.5, 2.0]
    """
    field = PACKED_FIELDS.get(array.dtype)
    if field is None or array.size == 0:
        return _encode_items(array)
    proto = tensor_pb2.TensorProto(dtype=tf.as_dtype(array.dtype).as_datatype_enum)
    _set_shape(proto, array)
    # Appending floats one by one takes 100 times as long as the copy that this is.
    content = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    header = bytes([field << 3 | LENGTH_DELIMITED]) + _varint(content.nbytes)
    proto.MergeFromString(header + content.tobytes())
    return proto


def _encode_items(array: np.ndarray) -> Any:
    """Returns a TensorProto with its values in the list of their type, or as bytes."""
    if array.dtype == object:
        proto = tensor_pb2.TensorProto(dtype=tf.string.as_datatype_enum)
        _set_shape(proto, array)
        proto.string_val.extend(tf.compat.as_bytes(item) for item in array.ravel())
        return proto
    lists = {np.dtype(np.int64): "int64_val", np.dtype(bool): "bool_val"}
    lists.update({np.dtype(kind): "int_val" for kind in ("i4", "i2", "i1", "u2", "u1")})
    name = lists.get(array.dtype)
    if name is None:
        return tf.make_tensor_proto(array)
    proto = tensor_pb2.TensorProto(dtype=tf.as_dtype(array.dtype).as_datatype_enum)
    _set_shape(proto, array)
    getattr(proto, name).extend(array.ravel().tolist())
    return proto


def _set_shape(proto: Any, array: np.ndarray) -> None:
    """Writes the shape of an array into its message; a scalar's is set and empty."""
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)


def _shape(name: str, proto: Any) -> tuple[int, ...]:
    """Returns the shape of a TensorProto, or raises where it has none."""
    sizes = tuple(axis.size for axis in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in sizes):
        raise invalid(f'input "{name}": its shape is not fully known')
    return sizes


def _is_known(number: int) -> bool:
    """Whether a number in the dtype field stands for a type."""
    try:
        tf.as_dtype(number)
    except TypeError:
        return False
    return True


def _set(names: Collection[str]) -> str:
    """Returns names as TensorFlow Serving's messages list them."""
    return "{" + ",".join(sorted(names)) + "}"


def _varint(number: int) -> bytes:
    """Returns a length as protobuf writes it, seven bits to a byte."""
    encoded = bytearray()
    while number >= 128:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])
