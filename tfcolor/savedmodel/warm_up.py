"""Requests with which a model server warms up before it takes others."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from tfcolor.inference.painting import SizeOptions

_ZERO = np.zeros(1, np.int32)
WARM_UP_FILE = Path("assets.extra/tf_serving_warmup_requests")


def warm_up_sizes(size: SizeOptions) -> tuple[tuple[int, int], ...]:
    """Returns one (height, width) in pixels for each bucket of sizes.

    Args:
      size: limits of the network's input, to which photographs are resized.

    Returns:
      A small square, and the usual 4 to 3 of cameras, lying and upright.

    Example:
      >>> warm_up_sizes(SizeOptions())
      ((256, 256), (375, 500), (500, 375))
    """
    short = 3 * size.max_side // 4
    square = min(size.min_side, size.max_side)
    return (square, square), (short, size.max_side), (size.max_side, short)


def write_warm_up(folder: str | os.PathLike[str], size: SizeOptions) -> None:
    """Writes the requests that TensorFlow Serving replays when it loads a version.

    Each size is asked for as an encoded photograph; the small square also as a
    sample and as floats.

    Args:
      folder: a SavedModel.
      size: limits of the network's input.
    """
    path = Path(folder) / WARM_UP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in _requests(size):
            log = prediction_log_pb2.PredictLog(request=request)
            record = prediction_log_pb2.PredictionLog(predict_log=log)
            writer.write(record.SerializeToString())


def _requests(size: SizeOptions) -> Iterator[predict_pb2.PredictRequest]:
    """Yields the requests in the order of `warm_up_sizes`."""
    small, *others = (_ramp(*sides) for sides in warm_up_sizes(size))
    encoded = _encode(small)
    yield _request("serving_default", image_bytes=encoded)
    yield _request("sample", image_bytes=encoded, seed=_ZERO, temperature=_ZERO.astype(np.float32))
    yield _request("colorize", gray=small)
    for gray in others:
        yield _request("serving_default", image_bytes=_encode(gray))


def _request(signature: str, **inputs: np.ndarray) -> predict_pb2.PredictRequest:
    """Returns a request for a signature with its inputs by name."""
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def _ramp(height: int, width: int) -> np.ndarray:
    """Returns a smooth photograph, float32 [1, H, W, 1] in [0, 1]."""
    rows, columns = np.linspace(0, 1, height), np.linspace(0, 1, width)
    return np.add.outer(rows, columns).astype(np.float32)[None, ..., None] / 2


def _encode(gray: np.ndarray) -> np.ndarray:
    """Returns float32 [1, H, W, 1] in [0, 1] as JPEG, bytes [1]."""
    pixels = np.round(255 * gray[0]).astype(np.uint8)
    return np.array([tf.io.encode_jpeg(pixels).numpy()])
