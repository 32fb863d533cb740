"""PredictionService and ModelService over gRPC.

Messages are parsed here and not by gRPC: what cannot be parsed is then the
client's fault, and what is refused for its number is never parsed.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from tfcolor.core.errors import UserError
from tfcolor.server.model_settings import parse_model_config
from tfcolor.server.prediction import PredictCall, PredictionEngine
from tfcolor.server.reflection import MODEL_SERVICE, PREDICTION_SERVICE
from tfcolor.server.reporting import Reporter, RequestRecord
from tfcolor.server.servable import ServedSignature
from tfcolor.server.status import RequestError, invalid
from tfcolor.server.task_queue import Task
from tfcolor.server.tensors import check_names, decode_tensor, encode_tensor

Answer = Callable[[Any, grpc.ServicerContext, RequestRecord], Message]


class GrpcService:
    """Answers the official services with the models of an engine.

    Args:
      engine: answers the requests.
      reporter: records them.
      max_message_bytes: the most that one tensor may take.
      timeout_secs: the longest that a request may take; infinite for any.
    """

    def __init__(
        self,
        engine: PredictionEngine,
        reporter: Reporter,
        *,
        max_message_bytes: int,
        timeout_secs: float,
    ) -> None:
        self._engine, self._reporter = engine, reporter
        self._max_message_bytes, self._timeout_secs = max_message_bytes, timeout_secs

    def add_to(self, server: grpc.Server) -> None:
        """Registers both services with a server."""
        methods: dict[str, dict[str, tuple[type[Message], Answer]]] = {
            PREDICTION_SERVICE: {
                "Predict": (predict_pb2.PredictRequest, self._predict),
                "Classify": (classification_pb2.ClassificationRequest, self._refuse),
                "Regress": (regression_pb2.RegressionRequest, self._refuse),
                "MultiInference": (inference_pb2.MultiInferenceRequest, self._refuse_tasks),
                "GetModelMetadata": (
                    get_model_metadata_pb2.GetModelMetadataRequest,
                    self._metadata,
                ),
            },
            MODEL_SERVICE: {
                "GetModelStatus": (get_model_status_pb2.GetModelStatusRequest, self._status),
                "HandleReloadConfigRequest": (
                    model_management_pb2.ReloadConfigRequest,
                    self._reload,
                ),
            },
        }
        for service, answers in methods.items():
            handlers = {name: self._handler(name, *answer) for name, answer in answers.items()}
            generic = grpc.method_handlers_generic_handler(service, handlers)
            server.add_generic_rpc_handlers((generic,))

    def _handler(
        self, method: str, request_type: type[Message], answer: Answer
    ) -> grpc.RpcMethodHandler:
        """Returns the handler of a method, from the request's bytes to the answer's."""

        def handle(data: bytes, context: grpc.ServicerContext) -> bytes:
            """Answers one request, or ends it with the code of its error."""
            record = RequestRecord("grpc", method, context.peer(), len(data))
            try:
                with self._reporter.report(record), self._admit(method):
                    response = answer(_parse(request_type, data), context, record)
                    sent = response.SerializeToString()
                    record.response_bytes = len(sent)
                    return sent
            except RequestError as error:
                context.abort(error.code, error.message)
                raise  # not reached: abort raises

        return grpc.unary_unary_rpc_method_handler(handle)

    def _admit(self, method: str) -> AbstractContextManager[None]:
        """Limits the requests that compute something; status is always given."""
        return self._engine.admission.admit() if method == "Predict" else nullcontext()

    def _predict(
        self, request: Any, context: grpc.ServicerContext, record: RequestRecord
    ) -> Message:
        """Answers Predict."""

        def read_inputs(signature: ServedSignature) -> dict[str, Any]:
            check_names(signature, request.inputs)
            return {
                name: decode_tensor(
                    name, request.inputs[name], description, self._max_message_bytes
                )
                for name, description in signature.inputs.items()
            }

        def cancel_with_client(task: Task) -> None:
            if not context.add_callback(task.result.cancel):
                task.result.cancel()

        remaining = context.time_remaining()
        timeout_secs = min(self._timeout_secs, float("inf") if remaining is None else remaining)
        call = PredictCall(
            request.model_spec,
            read_inputs,
            list(request.output_filter),
            timeout_secs,
            record,
            cancel_with_client,
        )
        prediction = self._engine.predict(call)
        response = predict_pb2.PredictResponse()
        response.model_spec.name = prediction.name
        response.model_spec.version.value = prediction.version
        response.model_spec.signature_name = prediction.signature_name
        for name, array in prediction.outputs.items():
            response.outputs[name].CopyFrom(encode_tensor(array))
        return response

    def _metadata(
        self, request: Any, context: grpc.ServicerContext, record: RequestRecord
    ) -> Message:
        return self._engine.metadata(request)

    def _status(
        self, request: Any, context: grpc.ServicerContext, record: RequestRecord
    ) -> Message:
        return self._engine.status(request)

    def _refuse(
        self, request: Any, context: grpc.ServicerContext, record: RequestRecord
    ) -> Message:
        """Answers Classify and Regress."""
        self._engine.refuse_examples(request.model_spec, record.method)
        raise invalid(f"{record.method} is not supported")

    def _refuse_tasks(
        self, request: Any, context: grpc.ServicerContext, record: RequestRecord
    ) -> Message:
        """Answers MultiInference."""
        self._engine.refuse_tasks(request)
        raise invalid(f"{record.method} is not supported")

    def _reload(
        self, request: Any, context: grpc.ServicerContext, record: RequestRecord
    ) -> Message:
        """Answers HandleReloadConfigRequest."""
        try:
            settings = parse_model_config(request.config)
        except UserError as error:
            raise invalid(str(error)) from error
        self._engine.catalog.reload(settings, is_remote=True)
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        return response


def _parse(request_type: type[Message], data: bytes) -> Message:
    """Parses a request, or raises."""
    try:
        return request_type.FromString(data)
    except DecodeError as error:
        name = request_type.DESCRIPTOR.name
        raise invalid(f"the message of {len(data)} bytes is no {name}") from error
