"""TensorFlow Serving over REST: the same answers from JSON.

Arrays of numbers are several times larger in JSON than over gRPC, so REST is
for photographs, which travel as base64.
"""

import base64
import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

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
from tfcolor_client.tensors import JSON_NAMES, to_array

CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""gRPC's names of failures by the status of HTTP."""

Answer = TypeVar("Answer")
_CHUNK_BYTES = 2**20


class RestTransport:
    """Asks a server about a model by REST; see `Transport`.

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
        self._headers = {"authorization": f"Bearer {options.token}"} if options.token else {}
        self._trusted = _trusted(options.certificates) if address.is_secure else None
        self._signatures: Mapping[str, Signature] = {}

    def status(self) -> list[VersionStatus]:
        """Returns the state of each version."""
        return self._call("", _statuses)

    def metadata(self) -> ModelMetadata:
        """Returns version and signatures."""
        metadata = self._call("/metadata", _metadata)
        self._signatures = metadata.signatures
        return metadata

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
          signature: its name.
          inputs: arrays [B, ...] by name.

        Returns:
          Arrays [B, ...] by name, of the types that the metadata gives.

        Raises:
          ServingError: if the server refuses or does not answer in time.
        """
        if signature not in self._signatures:
            self.metadata()
        if signature not in self._signatures:
            known = ", ".join(sorted(self._signatures))
            reason = f"{self._address} has no signature {signature}"
            raise ServingError("INVALID_ARGUMENT", reason, f"one of {known}")
        declared = self._signatures[signature].outputs
        columns = {name: _to_json(value) for name, value in inputs.items()}

        def read(answer: Any) -> dict[str, np.ndarray]:
            found = answer["outputs"]
            # A single output comes without its name.
            outputs = {next(iter(declared)): found} if len(declared) == 1 else found
            return {name: _from_json(outputs[name], declared[name].dtype) for name in declared}

        return self._call(":predict", read, {"signature_name": signature, "inputs": columns})

    def close(self) -> None:
        """Ends the connection: there is one for each request only."""

    def _call(self, suffix: str, read: Callable[[Any], Answer], content: Any = None) -> Answer:
        """Asks, again where the server is UNAVAILABLE, and reads the JSON."""
        path = self._address.path + suffix
        body = None if content is None else json.dumps(content).encode()
        deadline = time.monotonic() + self._stopwatch.next_timeout()
        wait = FIRST_WAIT_SECS
        for attempt in range(MAX_ATTEMPTS):
            try:
                return read(_parse(*self._exchange(path, body, deadline)))
            except ServingError as error:
                is_last = attempt == MAX_ATTEMPTS - 1 or time.monotonic() + wait > deadline
                if error.code != "UNAVAILABLE" or is_last:
                    reason = f"{self._address}: {error.message}"
                    raise ServingError(error.code, reason, error.expected) from error
            except (KeyError, TypeError, ValueError) as error:
                reason = f"{self._address} does not answer as a model server ({error!r})"
                rest = "its REST port, usually 8501"
                raise ServingError("UNIMPLEMENTED", reason, rest) from error
            time.sleep(wait)
            wait = min(WAIT_FACTOR * wait, MAX_WAIT_SECS)
        raise ServingError("INTERNAL", "no attempt was made", "")

    def _exchange(self, path: str, body: bytes | None, deadline: float) -> tuple[int, bytes]:
        """Sends one request and returns status and content of its answer."""
        host, port, left = self._address.host, self._address.port, _left(deadline)
        if self._trusted is None:
            connection = http.client.HTTPConnection(host, port, timeout=left)
        else:
            connection = http.client.HTTPSConnection(
                host, port, timeout=left, context=self._trusted
            )
        try:
            connection.request(
                "POST" if body else "GET",
                path,
                body,
                {**self._headers, "content-type": "application/json", "connection": "close"},
            )
            return _read(connection, deadline)
        except TimeoutError as error:
            raise ServingError("DEADLINE_EXCEEDED", "no answer in time") from error
        except ssl.SSLError as error:
            raise ServingError(
                "UNAUTHENTICATED", str(error), "a certificate that is trusted"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise ServingError("UNAVAILABLE", str(error) or type(error).__name__) from error
        finally:
            connection.close()


def _statuses(answer: Any) -> list[VersionStatus]:
    """Reads the JSON of a status."""
    return [
        VersionStatus(
            int(found["version"]),
            found["state"],
            found.get("status", {}).get("error_code", "OK"),
            found.get("status", {}).get("error_message", ""),
        )
        for found in answer["model_version_status"]
    ]


def _metadata(answer: Any) -> ModelMetadata:
    """Reads the JSON of metadata."""
    signatures = {
        name: Signature(_declarations(found["inputs"]), _declarations(found["outputs"]))
        for name, found in answer["metadata"]["signature_def"]["signature_def"].items()
        if not name.startswith("__")
    }
    return ModelMetadata(int(answer["model_spec"].get("version") or 0), signatures)


def _read(connection: http.client.HTTPConnection, deadline: float) -> tuple[int, bytes]:
    """Returns status and content of an answer, however slowly it trickles in."""
    socket = connection.sock
    answer = connection.getresponse()
    chunks, size = [], 0
    while chunk := answer.read1(_CHUNK_BYTES):
        size += len(chunk)
        if size > MAX_MESSAGE_BYTES:
            raise ServingError("RESOURCE_EXHAUSTED", f"an answer of over {MAX_MESSAGE_BYTES} bytes")
        chunks.append(chunk)
        socket.settimeout(_left(deadline))
    return answer.status, b"".join(chunks)


def _parse(status: int, content: bytes) -> Any:
    """Returns the JSON of an answer, or raises what it reports."""
    if status == 200:
        return json.loads(content)
    try:
        reason = str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        reason = f"HTTP status {status}"
    raise ServingError(CODES.get(status, "UNKNOWN"), reason)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise ServingError("DEADLINE_EXCEEDED", "no answer in time")
    return left


def _trusted(certificates: bytes | None) -> ssl.SSLContext:
    """Returns what a server's certificate is checked with."""
    try:
        return ssl.create_default_context(cadata=certificates and certificates.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise ServingError("INVALID_ARGUMENT", f"certificates: {error}", "a PEM file") from error


def _to_json(array: np.ndarray) -> Any:
    """Returns nested lists of an array [...]; strings as base64."""
    if array.dtype.kind != "O":
        return array.tolist()
    if array.ndim:
        return [_to_json(np.asarray(item, object)) for item in array]
    return {"b64": base64.b64encode(array.item()).decode()}


def _from_json(value: Any, dtype: str) -> np.ndarray:
    """Returns an array [...] from nested lists; from base64 where it was bytes."""
    if dtype != "string":
        return np.array(value, dtype)
    return to_array(_decoded(value))


def _decoded(value: Any) -> Any:
    """Returns nested lists of bytes or text without base64."""
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def _declarations(tensors: Mapping[str, Any]) -> dict[str, TensorDeclaration]:
    """Returns the declared tensors of one side of a signature."""
    return {
        name: TensorDeclaration(
            JSON_NAMES.get(found["dtype"], found["dtype"]),
            named_shape(
                [dim["size"] for dim in found["tensor_shape"].get("dim", ())],
                found["tensor_shape"].get("unknown_rank", False),
            ),
        )
        for name, found in sorted(tensors.items())
    }
