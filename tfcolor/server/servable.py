"""A loaded version of a model: its signatures, ready to run."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import get_model_metadata_pb2

from tfcolor.server.status import CODES, RequestError, invalid

Arrays = Mapping[str, np.ndarray]
Runner = Callable[[Arrays], dict[str, np.ndarray]]

DEFAULT_SIGNATURE = "serving_default"
PREDICT_METHOD = "tensorflow/serving/predict"
# What stands before the reason of a failed operation, the place in the Python
# program that made it, and after it. Neither tells a client anything.
PLACE = re.compile(r"\A.*(?:\nNode: '[^\n]*'\n|<stack traces unavailable>\n)", re.DOTALL)
NODE = re.compile(r"\s*\[\[\{\{node.*\Z", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class TensorDescription:
    """Type and shape of an input or output, as its signature declares them.

    Args:
      dtype: its type.
      shape: None where any size is accepted; None as a whole for any rank.
    """

    dtype: tf.DType
    shape: tuple[int | None, ...] | None

    def describe(self) -> str:
        """Returns type and shape in words, "float32 [?,?,?,1]"."""
        return describe_tensor(self.dtype, self.shape)

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Returns whether a tensor of this shape fits."""
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            expected in (None, size) for expected, size in zip(self.shape, shape, strict=True)
        )

    @property
    def has_free_batch(self) -> bool:
        """Whether there is a first axis that may have any size."""
        return self.shape is not None and len(self.shape) > 0 and self.shape[0] is None


@dataclasses.dataclass(frozen=True, eq=False)
class ServedSignature:
    """One callable of a loaded model.

    Args:
      name: what requests call it.
      method_name: "tensorflow/serving/predict", or that of another interface.
      inputs: by name.
      outputs: by name.
      run: computes all outputs of all inputs; raises `RequestError`.
    """

    name: str
    method_name: str
    inputs: Mapping[str, TensorDescription]
    outputs: Mapping[str, TensorDescription]
    run: Runner

    @property
    def is_batchable(self) -> bool:
        """Whether requests can be joined along the first axis of every tensor."""
        tensors = [*self.inputs.values(), *self.outputs.values()]
        return bool(self.inputs) and all(tensor.has_free_batch for tensor in tensors)


@dataclasses.dataclass(frozen=True, eq=False)
class Servable:
    """A loaded version of a model.

    Args:
      name: the model's.
      version: its number.
      signatures: those that can be run, by name.
      definitions: the SignatureDefMap that metadata requests are answered with.
    """

    name: str
    version: int
    signatures: Mapping[str, ServedSignature]
    definitions: Any

    def signature(self, name: str) -> ServedSignature:
        """Returns a signature; an empty name stands for "serving_default".

        Raises:
          RequestError: if there is none of this name.
        """
        found = self.signatures.get(name or DEFAULT_SIGNATURE)
        if found is None:
            known = ", ".join(sorted(self.signatures))
            message = f'Serving signature key "{name or DEFAULT_SIGNATURE}" not found.'
            raise RequestError(
                grpc.StatusCode.FAILED_PRECONDITION, f"{message} The model has: {known}"
            )
        return found


def load_servable(name: str, version: int, path: Path) -> Servable:
    """Loads a SavedModel.

    Args:
      name: the model's name.
      version: the number of this version.
      path: the SavedModel's folder.

    Returns:
      The loaded version.

    Raises:
      RequestError: if there is no whole SavedModel there.
    """
    try:
        definitions = read_signatures(path)
        model = tf.saved_model.load(str(path))
        signatures = {
            key: _signature(key, definition, model.signatures[key])
            for key, definition in definitions.signature_def.items()
            if key in model.signatures
        }
    except RequestError:
        raise
    except Exception as error:
        # A damaged SavedModel raises whatever its damage leads to.
        reason = " ".join(str(error).split())
        raise RequestError(
            grpc.StatusCode.DATA_LOSS, f"cannot load {path}: {type(error).__name__}: {reason}"
        ) from error
    return Servable(name, version, signatures, definitions)


def read_signatures(path: Path) -> Any:
    """Reads the signatures of a SavedModel as a SignatureDefMap message.

    Args:
      path: the SavedModel's folder.

    Returns:
      A `get_model_metadata_pb2.SignatureDefMap`.

    Raises:
      RequestError: if `saved_model.pb` is missing or damaged.
    """
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((path / "saved_model.pb").read_bytes())
    except FileNotFoundError as error:
        raise RequestError(grpc.StatusCode.NOT_FOUND, f"no saved_model.pb in {path}") from error
    except DecodeError as error:
        raise RequestError(
            grpc.StatusCode.DATA_LOSS, f"{path}/saved_model.pb is damaged"
        ) from error
    definitions = get_model_metadata_pb2.SignatureDefMap()
    for graph in saved.meta_graphs:
        if "serve" in graph.meta_info_def.tags:
            for key, definition in graph.signature_def.items():
                definitions.signature_def[key].CopyFrom(definition)
    if not definitions.signature_def:
        raise RequestError(grpc.StatusCode.DATA_LOSS, f"{path} has no signatures to serve")
    return definitions


def describe_tensor(dtype: tf.DType, shape: tuple[int | None, ...] | None) -> str:
    """Returns type and shape in words.

    Example:
      >>> describe_tensor(tf.string, (None, 2))
      'string [?,2]'
    """
    if shape is None:
        return f"{dtype.name} of any shape"
    sizes = ",".join("?" if size is None else str(size) for size in shape)
    return f"{dtype.name} [{sizes}]"


def _signature(name: str, definition: Any, function: Any) -> ServedSignature:
    """Returns a signature of a loaded model, described by its SignatureDef."""
    inputs = {key: _description(tensor) for key, tensor in definition.inputs.items()}
    outputs = {key: _description(tensor) for key, tensor in definition.outputs.items()}

    def run(arrays: Arrays) -> dict[str, np.ndarray]:
        try:
            tensors = {key: tf.constant(arrays[key], inputs[key].dtype) for key in inputs}
            return {key: value.numpy() for key, value in function(**tensors).items()}
        except tf.errors.OpError as error:
            raise RequestError(CODES[error.error_code], failure_reason(error.message)) from error
        except UnicodeDecodeError as error:
            # An operation that quotes its input in its error message, where that is
            # no text. TensorFlow loses the code then.
            raise invalid(failure_reason(error.object.decode(errors="replace"))) from error

    return ServedSignature(name, definition.method_name, inputs, outputs, run)


def failure_reason(message: str) -> str:
    r"""Returns the part of an operation's error message that says what is wrong.

    Args:
      message: of a `tf.errors.OpError`, which also says where in the Python
        program the operation was made.

    Returns:
      One line.

    Example:
      >>> failure_reason("Graph error: at f.py\nNode: 'Cast'\nbad\n\t [[{{node Cast}}]]")
      'bad'
    """
    reason = NODE.sub("", PLACE.sub("", message))
    return " ".join(reason.split()) or "the model failed"


def _description(tensor: Any) -> TensorDescription:
    """Returns the description of a TensorInfo message."""
    dtype = tf.as_dtype(tensor.dtype)
    if tensor.tensor_shape.unknown_rank:
        return TensorDescription(dtype, None)
    sizes = (None if axis.size < 0 else axis.size for axis in tensor.tensor_shape.dim)
    return TensorDescription(dtype, tuple(sizes))
