"""Answering requests, whichever way they came: checks, queue, and status."""

import dataclasses
import time
from collections.abc import Callable, Collection
from typing import Any

import grpc
import numpy as np
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from tfcolor.server.catalog import ModelCatalog
from tfcolor.server.images import accept_images
from tfcolor.server.limits import Admission
from tfcolor.server.reporting import RequestRecord
from tfcolor.server.scheduler import Scheduler
from tfcolor.server.servable import DEFAULT_SIGNATURE, Arrays, ServedSignature
from tfcolor.server.status import RequestError, deadline_exceeded, invalid
from tfcolor.server.task_queue import Task

SIGNATURE_DEF = "signature_def"
METHODS = {
    "Classify": ("classification", "tensorflow/serving/classify"),
    "Regress": ("regression", "tensorflow/serving/regress"),
}
ReadInputs = Callable[[ServedSignature], dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The answer to a Predict request.

    Args:
      name: the model's.
      version: the version that computed it.
      signature_name: the signature that was called.
      outputs: by name, those that were asked for.
    """

    name: str
    version: int
    signature_name: str
    outputs: Arrays


@dataclasses.dataclass(frozen=True)
class PredictCall:
    """One Predict request, before its inputs are read.

    Args:
      spec: its `ModelSpec` message.
      read_inputs: returns its inputs for a signature, [B, ...] by name; raises
        RequestError where they do not fit.
      output_filter: the outputs asked for, empty for all.
      timeout_secs: how long its client waits.
      record: what the access log says about it.
      on_task: called with what waits in the queue, to cancel it.
    """

    spec: Any
    read_inputs: ReadInputs
    output_filter: Collection[str]
    timeout_secs: float
    record: RequestRecord
    on_task: Callable[[Task], object] = lambda task: None


class PredictionEngine:
    """Answers requests about the models of a catalog.

    Args:
      catalog: the models.
      scheduler: computes what is asked for.
      admission: limits the number of requests at a time.
      max_pixels: the largest encoded image that is passed to a model.
    """

    def __init__(
        self, catalog: ModelCatalog, scheduler: Scheduler, admission: Admission, max_pixels: int
    ) -> None:
        self.catalog, self.admission = catalog, admission
        self._scheduler, self._max_pixels = scheduler, max_pixels

    def predict(self, call: PredictCall) -> Prediction:
        """Computes the outputs of a signature.

        Args:
          call: the request.

        Returns:
          The outputs, with the version and the signature that gave them.

        Raises:
          RequestError: if the request does not fit its signature, fails, is
            one too many, or its deadline passes.
        """
        deadline = time.monotonic() + call.timeout_secs
        with self.catalog.use(call.spec) as servable:
            call.record.note_model(servable.name, servable.version, call.spec.signature_name)
            signature = servable.signature(call.spec.signature_name)
            outputs = _check_outputs(signature, call.output_filter)
            inputs = call.read_inputs(signature)
            for name, array in inputs.items():
                if array.dtype == object:
                    inputs[name] = accept_images(name, array, self._max_pixels)
            if time.monotonic() >= deadline:
                raise deadline_exceeded()
            task = Task(signature, inputs, deadline)
            self._scheduler.submit(task)
            call.on_task(task)
            try:
                computed = self._scheduler.wait(task)
            finally:
                call.record.note_queue(task.queue_secs, task.batch_rows)
            chosen = {name: computed[name] for name in outputs}
            return Prediction(servable.name, servable.version, signature.name, chosen)

    def metadata(self, request: Any) -> Any:
        """Answers a GetModelMetadataRequest.

        Returns:
          A `GetModelMetadataResponse` message.

        Raises:
          RequestError: if it asks for anything but signatures, or there is no
            such model.
        """
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != SIGNATURE_DEF:
                raise invalid(f"Metadata field {field} is not supported")
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        with self.catalog.use(request.model_spec) as servable:
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
            response.metadata[SIGNATURE_DEF].Pack(servable.definitions)
        return response

    def status(self, request: Any) -> Any:
        """Answers a GetModelStatusRequest.

        Returns:
          A `GetModelStatusResponse` message.

        Raises:
          RequestError: if there is no such model or version.
        """
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        response = get_model_status_pb2.GetModelStatusResponse()
        for version in self.catalog.statuses(request.model_spec):
            status = response.model_version_status.add(
                version=version.number, state=int(version.state)
            )
            status.status.SetInParent()
            if version.error:
                status.status.error_code = version.error.code.value[0]
                status.status.error_message = version.error.message
        return response

    def refuse_examples(self, spec: Any, method: str) -> None:
        """Answers a Classify or Regress request: with what its model lacks.

        Models exported by TensorFlow 2 have no signature for `tf.Example`s; one
        that has is refused as not implemented.

        Args:
          spec: the request's `ModelSpec` message.
          method: "Classify" or "Regress".

        Raises:
          RequestError: always.
        """
        kind, expected = METHODS[method]
        with self.catalog.use(spec) as servable:
            name = spec.signature_name or DEFAULT_SIGNATURE
            if name not in servable.definitions.signature_def:
                raise invalid(f"No signature was found with the name: {name}")
            found = servable.definitions.signature_def[name].method_name
            if found != expected:
                message = f"Expected {kind} signature method_name to be {expected}. Was: {found}"
                raise invalid(message)
        raise _unimplemented(f"{method} is not supported; use Predict")

    def refuse_tasks(self, request: Any) -> None:
        """Answers a MultiInferenceRequest, as `refuse_examples`.

        Raises:
          RequestError: always.
        """
        if not request.tasks:
            raise invalid("Inference request must have at least one task.")
        for task in request.tasks:
            if not task.model_spec.name:
                raise invalid("Found ModelSpec with an empty model name.")
            if task.model_spec.name != request.tasks[0].model_spec.name:
                raise invalid(
                    "All ModelSpecs in a MultiInferenceRequest must access the same model name."
                )
            self._refuse_task(task)

    def _refuse_task(self, task: Any) -> None:
        """Answers one task of a MultiInferenceRequest."""
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        with self.catalog.use(task.model_spec) as servable:
            if name not in servable.definitions.signature_def:
                raise invalid(f"Requested signature not found in model graph: {name}")
        for method, (_, expected) in METHODS.items():
            if task.method_name == expected:
                self.refuse_examples(task.model_spec, method)
        raise _unimplemented(f"Unsupported signature method_name: {task.method_name}")


def _check_outputs(signature: ServedSignature, output_filter: Collection[str]) -> list[str]:
    """Returns the outputs asked for, or raises as TensorFlow Serving does."""
    for name in output_filter:
        if name not in signature.outputs:
            expected = ",".join(sorted(signature.outputs))
            raise invalid(
                f"output tensor alias not found in signature: {name}"
                f" Outputs expected to be in the set {{{expected}}}."
            )
    if len(set(output_filter)) < len(output_filter):
        raise invalid(f"duplicate output tensor alias: {sorted(output_filter)}")
    return list(output_filter) or sorted(signature.outputs)


def _unimplemented(message: str) -> RequestError:
    return RequestError(grpc.StatusCode.UNIMPLEMENTED, message)
