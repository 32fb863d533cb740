"""Warm-up requests that a SavedModel brings along."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from tfcolor.server.servable import Servable
from tfcolor.server.status import invalid
from tfcolor.server.tensors import check_names, decode_tensor

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
MAX_REQUESTS = 1000


def warm_up(servable: Servable, path: Path) -> int:
    """Answers the warm-up requests of a version, so that its first client need not wait.

    Args:
      servable: the loaded version.
      path: its folder.

    Returns:
      The number of requests answered; 0 if it brings none.

    Raises:
      RequestError: if a request is damaged, fails, or is one too many.
    """
    file = path / WARMUP_FILE
    if not file.exists():
        return 0
    count = 0
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        count += 1
        if count > MAX_REQUESTS:
            raise invalid(f"{file} has more than {MAX_REQUESTS} warm-up requests")
        _answer(servable, _parse(record, file))
    return count


def _parse(record: bytes, file: Path) -> Any:
    """Returns the PredictRequest of a warm-up record."""
    try:
        log = prediction_log_pb2.PredictionLog.FromString(record)
    except DecodeError as error:
        raise invalid(f"{file} holds something that is no PredictionLog") from error
    if log.WhichOneof("log_type") != "predict_log":
        raise invalid(f"{file}: {log.WhichOneof('log_type')}; only predict_log is supported")
    return log.predict_log.request


def _answer(servable: Servable, request: Any) -> None:
    """Runs one request outside the queue: nobody else uses the version yet."""
    signature = servable.signature(request.model_spec.signature_name)
    check_names(signature, request.inputs)
    inputs: dict[str, np.ndarray] = {
        name: decode_tensor(name, request.inputs[name], description)
        for name, description in signature.inputs.items()
    }
    signature.run(inputs)
