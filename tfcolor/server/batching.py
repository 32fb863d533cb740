"""Joining the inputs of several requests, and splitting the outputs again."""

import dataclasses
import os
from collections.abc import Mapping, Sequence

import numpy as np

from tfcolor.core.errors import UserError
from tfcolor.server.servable import Arrays, ServedSignature
from tfcolor.server.status import invalid
from tfcolor.server.text_protos import new_message, read_text_proto


@dataclasses.dataclass(frozen=True)
class BatchingParameters:
    """How requests become batches; names and defaults are TensorFlow Serving's.

    Args:
      max_batch_size: rows of a batch.
      batch_timeout_micros: how long the first request of a batch waits for more.
      max_enqueued_batches: batches' worth of rows that one signature may have
        waiting.
      num_batch_threads: batches computed at a time.
      allowed_batch_sizes: a batch is filled up to one of these; empty for any.
      pad_variable_length_inputs: whether inputs of different shapes are joined,
        each filled up with its first element.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = dataclasses.field(default_factory=lambda: os.cpu_count() or 1)
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False

    def __post_init__(self) -> None:
        """Refuses what cannot work."""
        for name in ("max_batch_size", "max_enqueued_batches", "num_batch_threads"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}={getattr(self, name)}: expected at least 1")
        if self.batch_timeout_micros < 0:
            raise UserError(f"batch_timeout_micros={self.batch_timeout_micros}: expected 0 or more")
        sizes = self.allowed_batch_sizes
        if sizes and (list(sizes) != sorted(set(sizes)) or sizes[-1] != self.max_batch_size):
            raise UserError(
                f"allowed_batch_sizes={list(sizes)}: expected increasing numbers, the last"
                f" of them max_batch_size={self.max_batch_size}"
            )

    def padded_size(self, rows: int) -> int:
        """Returns the size of the batch that is computed for so many rows."""
        return min((size for size in self.allowed_batch_sizes if size >= rows), default=rows)


def read_batching_parameters(path: str) -> BatchingParameters:
    """Reads a file with BatchingParameters in text format.

    Args:
      path: the file; empty for the defaults.

    Returns:
      The parameters; what the file leaves out has its default.

    Raises:
      UserError: if it cannot be read, or its values do not fit together.
    """
    if not path:
        return BatchingParameters()
    message = read_text_proto(path, new_message("BatchingParameters"))
    given = {
        field.name: getattr(message, field.name).value
        for field, _ in message.ListFields()
        if field.message_type is not None and field.name != "thread_pool_name"
    }
    try:
        return BatchingParameters(
            **given,
            allowed_batch_sizes=tuple(message.allowed_batch_sizes),
            pad_variable_length_inputs=message.pad_variable_length_inputs,
        )
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def count_rows(inputs: Arrays) -> int:
    """Returns the number of rows of a request's inputs.

    Args:
      inputs: [B, ...] each.

    Returns:
      B.

    Raises:
      RequestError: if they differ in it.
    """
    sizes = {array.shape[0] for array in inputs.values()}
    if len(sizes) != 1:
        raise invalid("Batching Run() input tensors must have equal 0th-dimension size")
    return sizes.pop()


def batch_key(signature: ServedSignature, inputs: Arrays, parameters: BatchingParameters) -> object:
    """Returns what requests must have in common to be joined.

    Args:
      signature: what they call.
      inputs: [B, ...] each.
      parameters: whether shapes may differ.

    Returns:
      A key; requests with equal keys fit together.
    """
    if parameters.pad_variable_length_inputs:
        return signature
    return signature, tuple((name, inputs[name].shape[1:]) for name in sorted(inputs))


def join_inputs(requests: Sequence[Arrays], padded_rows: int) -> dict[str, np.ndarray]:
    """Joins the inputs of several requests along the first axis.

    Args:
      requests: [B, ...] by name, at least one, each with its own B; inner shapes
        are filled up to the largest with the first element of each.
      padded_rows: N, at least the sum of all B; the first row is repeated at
        the end.

    Returns:
      [N, ...] by name.
    """
    joined = {}
    for name in requests[0]:
        arrays = _equal_shapes([request[name] for request in requests])
        missing = padded_rows - sum(len(array) for array in arrays)
        filling = [np.repeat(arrays[0][:1], missing, axis=0)] if missing > 0 else []
        joined[name] = (
            np.concatenate([*arrays, *filling]) if len(arrays) + missing > 1 else arrays[0]
        )
    return joined


def split_outputs(outputs: Mapping[str, np.ndarray], rows: Sequence[int]) -> list[Arrays]:
    """Splits the outputs of a batch into those of its requests.

    Args:
      outputs: [N, ...] by name, N at least the sum of rows.
      rows: the number of rows of each request, in order.

    Returns:
      For each request its outputs, [B, ...] by name with its own B.

    Raises:
      ValueError: if an output has fewer rows than the requests together.
    """
    for name, output in outputs.items():
        if output.ndim == 0 or len(output) < sum(rows):
            raise ValueError(f"output {name!r} has shape {output.shape} for {sum(rows)} rows")
    ends = np.cumsum(rows)
    return [
        {name: output[end - count : end] for name, output in outputs.items()}
        for end, count in zip(ends, rows, strict=True)
    ]


def _equal_shapes(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Fills arrays up to the largest size along every axis but the first."""
    if len({array.shape[1:] for array in arrays}) == 1:
        return arrays
    largest = np.max([array.shape[1:] for array in arrays], axis=0)
    return [_fill(array, largest) for array in arrays]


def _fill(array: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Fills an array up with its first element."""
    if array.size == 0:
        raise invalid("an empty tensor cannot be padded: it has no first element")
    filled = np.full((len(array), *shape), array.flat[0], array.dtype)
    filled[tuple(slice(size) for size in array.shape)] = array
    return filled
