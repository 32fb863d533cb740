"""TensorFlow Serving over gRPC."""

import json
from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np

from tfcolor_client.address import Address
from tfcolor_client.answers import ModelMetadata, VersionStatus, named_shape
from tfcolor_client.connection import (
    FIRST_WAIT_SECS,
    MAX_ATTEMPTS,
    MAX_MESSAGE_BYTES,
    MAX_WAIT_SECS,
    WAIT_FACTOR,
    ConnectionOptions,
    Stopwatch,
)
from tfcolor_client.errors import ServingError
from tfcolor_client.signatures import Signature, TensorDeclaration
from tfcolor_client.tensors import DTYPES, decode, encode
from tfcolor_client.wire import METHODS, WIRE

STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
CODES = {code.value[0]: code.name for code in grpc.StatusCode}

_RETRIES = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": MAX_ATTEMPTS,
                "initialBackoff": f"{FIRST_WAIT_SECS}s",
                "maxBackoff": f"{MAX_WAIT_SECS}s",
                "backoffMultiplier": WAIT_FACTOR,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}
_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.service_config", json.dumps(_RETRIES)),
    # A request larger than this buffer, by default 256 KiB, is never sent again.
    ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES),
    # A server that starts again is found at once, not after up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", int(1000 * FIRST_WAIT_SECS)),
    ("grpc.min_reconnect_backoff_ms", int(1000 * FIRST_WAIT_SECS)),
    ("grpc.max_reconnect_backoff_ms", int(1000 * MAX_WAIT_SECS)),
)


class GrpcTransport:
    """Asks a server about a model by gRPC; see `Transport`.

    Args:
      address: the model.
      options: how to connect; nothing is sent yet.

    Raises:
      ServingError: if the credentials do not fit the address.
    """

    def __init__(self, address: Address, options: ConnectionOptions) -> None:
        options.check(address)
        self._address = address
        self._stopwatch = Stopwatch(options)
        self._credentials = (("authorization", f"Bearer {options.token}"),) if options.token else ()
        if address.is_secure:
            trusted = grpc.ssl_channel_credentials(root_certificates=options.certificates)
            self._channel = grpc.secure_channel(address.target, trusted, _CHANNEL_OPTIONS)
        else:
            self._channel = grpc.insecure_channel(address.target, _CHANNEL_OPTIONS)

    def status(self) -> list[VersionStatus]:
        """Returns the state of each version."""
        answer = self._call("ModelService/GetModelStatus")
        return [
            VersionStatus(
                found.version,
                STATES.get(found.state, str(found.state)),
                CODES.get(found.status.error_code, str(found.status.error_code)),
                found.status.error_message,
            )
            for found in answer.model_version_status
        ]

    def metadata(self) -> ModelMetadata:
        """Returns version and signatures."""
        answer = self._call("PredictionService/GetModelMetadata", metadata_field=["signature_def"])
        signatures = WIRE["SignatureDefMap"].FromString(answer.metadata["signature_def"].value)
        return ModelMetadata(
            answer.model_spec.version.value,
            {
                name: Signature(_declarations(found.inputs), _declarations(found.outputs))
                for name, found in signatures.signature_def.items()
                # The SavedModel's own entry for its start, which is no signature.
                if not name.startswith("__")
            },
        )

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
          signature: its name.
          inputs: arrays [B, ...] by name.

        Returns:
          Arrays [B, ...] by name.

        Raises:
          ServingError: if the server refuses or does not answer in time.
        """
        encoded = {name: encode(value) for name, value in inputs.items()}
        answer = self._call("PredictionService/Predict", signature, inputs=encoded)
        return {name: decode(value) for name, value in answer.outputs.items()}

    def close(self) -> None:
        """Ends the connection."""
        self._channel.close()

    def _call(self, method: str, signature: str = "", **fields: Any) -> Any:
        """Calls a method about this model and returns its answer."""
        path = f"/tensorflow.serving.{method}"
        request, answer = (WIRE[name] for name in METHODS[path])
        call = self._channel.unary_unary(
            path,
            request_serializer=request.SerializeToString,
            response_deserializer=answer.FromString,
        )
        model = WIRE["ModelSpec"](name=self._address.model, signature_name=signature)
        if self._address.version is not None:
            model.version.value = self._address.version
        model.version_label = self._address.label
        message = request(model_spec=model, **fields)
        try:
            return call(
                message, timeout=self._stopwatch.next_timeout(), metadata=self._credentials or None
            )
        except grpc.RpcError as error:
            code, details = error.code().name, error.details() or "no reason given"
            raise ServingError(code, f"{self._address}: {details}") from error


def _declarations(tensors: Mapping[str, Any]) -> dict[str, TensorDeclaration]:
    """Returns the declared tensors of one side of a signature."""
    return {
        name: TensorDeclaration(
            DTYPES[found.dtype][0] if found.dtype in DTYPES else f"type {found.dtype}",
            named_shape(
                [dim.size for dim in found.tensor_shape.dim], found.tensor_shape.unknown_rank
            ),
        )
        for name, found in sorted(tensors.items())
    }
