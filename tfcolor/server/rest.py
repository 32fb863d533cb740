"""TensorFlow Serving's REST interface, and the metrics, over HTTP."""

import asyncio
import dataclasses
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
)

from tfcolor.server.json_tensors import (
    format_outputs,
    parse_json,
    read_inputs,
    read_signature_name,
)
from tfcolor.server.prediction import PredictCall, PredictionEngine
from tfcolor.server.reporting import Reporter, RequestRecord
from tfcolor.server.security import UNAUTHENTICATED, is_authorized
from tfcolor.server.status import HTTP_STATUS, RequestError, invalid

CHOICE = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
CALL = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){CHOICE}:(?P<method>classify|regress|predict)", re.IGNORECASE
)
LOOK = re.compile(
    rf"/v1/models(?:/(?P<name>[^/:]+))?{CHOICE}(?P<metadata>/metadata)?", re.IGNORECASE
)
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
TOO_LARGE, UNSUPPORTED_MEDIA = 413, 415
JSON = "application/json"
MAX_VERSION = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class RestSettings:
    """How the REST interface behaves.

    Args:
      token: what requests must carry; empty to let everybody in.
      metrics_path: where the metrics are shown; empty for nowhere.
      max_body_bytes: the largest body accepted.
      timeout_secs: how long a request may take.
      num_threads: requests that are answered at a time.
    """

    token: str
    metrics_path: str
    max_body_bytes: int
    timeout_secs: float
    num_threads: int


class HttpError(Exception):
    """A request that HTTP itself has a status for.

    Args:
      status: the HTTP status.
      message: the reason.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class RestService:
    """Answers REST requests with the models of an engine.

    Args:
      engine: answers the requests.
      reporter: records them.
      settings: how.
    """

    def __init__(
        self, engine: PredictionEngine, reporter: Reporter, settings: RestSettings
    ) -> None:
        self._engine, self._reporter, self._settings = engine, reporter, settings
        self._pool = ThreadPoolExecutor(settings.num_threads, thread_name_prefix="rest")
        self._num_open = 0  # touched by the event loop's thread alone

    def application(self) -> Starlette:
        """Returns the ASGI application."""
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=METHODS)])

    def close(self) -> None:
        """Ends the threads once their requests are answered."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, request: Request) -> Response:
        """Answers any request, and turns errors into their JSON."""
        try:
            if not is_authorized(request.headers.get("authorization", ""), self._settings.token):
                raise RequestError(grpc.StatusCode.UNAUTHENTICATED, UNAUTHENTICATED)
            path = request.url.path
            if request.method == "GET" and path == self._settings.metrics_path:
                return Response(self._reporter.metrics.render(), media_type="text/plain")
            if not path.lower().startswith("/v1/"):
                raise HttpError(404, f"nothing is at {path}")
            return Response(await self._answer_model_request(request), media_type=JSON)
        except RequestError as error:
            return _error(HTTP_STATUS[error.code], error.message)
        except HttpError as error:
            return _error(error.status, error.message)
        except ClientDisconnect:
            return _error(499, "the client went away")

    async def _answer_model_request(self, request: Request) -> bytes:
        """Answers a request below /v1, unless every thread has one already."""
        if self._num_open >= self._settings.num_threads:
            message = f"{self._num_open} requests are under way; try again later"
            raise RequestError(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        self._num_open += 1
        try:
            answer, record = await self._route(request)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._run, answer, record)
        finally:
            self._num_open -= 1

    async def _route(
        self, request: Request
    ) -> tuple[Callable[[RequestRecord], bytes], RequestRecord]:
        """Returns what answers a request, with its body, and its record."""
        path = request.url.path
        peer = f"{request.client.host}:{request.client.port}" if request.client else ""
        call, look = CALL.fullmatch(path), LOOK.fullmatch(path)
        if request.method == "POST" and call:
            body = await self._read_body(request)
            method = call.group("method").capitalize()
            record = RequestRecord("rest", method, peer, len(body))
            spec = _spec(call)
            answer = self._predict if method == "Predict" else self._refuse
            return lambda record: answer(spec, body, record), record
        if request.method == "GET" and look:
            if not look.group("name"):
                raise invalid("Missing model name in request.")
            show = self._metadata if look.group("metadata") else self._status
            method = "GetModelMetadata" if look.group("metadata") else "GetModelStatus"
            spec = _spec(look)
            return lambda record: show(spec), RequestRecord("rest", method, peer)
        raise invalid(f"Malformed request: {request.method} {path}")

    async def _read_body(self, request: Request) -> bytes:
        """Reads a body of limited size; compressed ones are refused."""
        if request.headers.get("content-encoding", "identity") != "identity":
            raise HttpError(UNSUPPORTED_MEDIA, "a compressed body is not accepted")
        limit = self._settings.max_body_bytes
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise HttpError(TOO_LARGE, f"the body has more than {limit} bytes")
        return bytes(body)

    def _run(self, answer: Callable[[RequestRecord], bytes], record: RequestRecord) -> bytes:
        """Answers a request in a thread of its own."""
        with self._reporter.report(record):
            body = answer(record)
            record.response_bytes = len(body)
            return body

    def _predict(self, spec: Any, body: bytes, record: RequestRecord) -> bytes:
        """Answers :predict."""
        with self._engine.admission.admit():
            parsed = parse_json(body)
            spec.signature_name = read_signature_name(parsed)
            call = PredictCall(
                spec,
                lambda signature: read_inputs(parsed, signature),
                (),
                self._settings.timeout_secs,
                record,
            )
            outputs = self._engine.predict(call).outputs
            return format_outputs(outputs, is_row="instances" in parsed)

    def _refuse(self, spec: Any, body: bytes, record: RequestRecord) -> bytes:
        """Answers :classify and :regress."""
        parsed = parse_json(body)
        spec.signature_name = read_signature_name(parsed)
        examples = parsed.get("examples")
        if examples is None:
            method = record.method.lower()
            raise invalid(f"When method is {method}, key 'examples' is expected and was not found")
        if not isinstance(examples, list) or not examples:
            raise invalid("Expecting 'examples' value to be a list that is not empty")
        self._engine.refuse_examples(spec, record.method)
        raise invalid(f"{record.method} is not supported")

    def _status(self, spec: Any) -> bytes:
        """Answers a request for a model's status."""
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
        return json.dumps(_to_dict(self._engine.status(request)), indent=1).encode()

    def _metadata(self, spec: Any) -> bytes:
        """Answers a request for a model's signatures."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=spec, metadata_field=["signature_def"]
        )
        response = self._engine.metadata(request)
        definitions = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(definitions)
        answer = {
            "model_spec": _to_dict(response.model_spec),
            "metadata": {"signature_def": _to_dict(definitions)},
        }
        return json.dumps(answer, indent=1).encode()


def _spec(match: re.Match[str]) -> Any:
    """Returns the ModelSpec that a URL stands for."""
    spec = model_pb2.ModelSpec(name=match.group("name"))
    if match.group("version"):
        if len(match.group("version")) > 19 or int(match.group("version")) > MAX_VERSION:
            raise invalid(f"Failed to convert version: {match.group('version')} to numeric.")
        spec.version.value = int(match.group("version"))
    if match.group("label"):
        spec.version_label = match.group("label")
    return spec


def _to_dict(message: Any) -> dict[str, Any]:
    """Returns a message as JSON values, with the fields that have their default."""
    return MessageToDict(
        message, including_default_value_fields=True, preserving_proto_field_name=True
    )


def _error(status: int, message: str) -> Response:
    """Returns an error in the form that the interface has for it."""
    return Response(json.dumps({"error": message}), status, media_type=JSON)
