"""What a server says about a model, whichever way it was asked."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from tfcolor_client.signatures import Signature


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """One version of a model at a server.

    Args:
      version: its number.
      state: "START", "LOADING", "AVAILABLE", "UNLOADING", "END" or "UNKNOWN".
      code: "OK", or gRPC's name of what went wrong.
      message: what went wrong; empty for nothing.
    """

    version: int
    state: str
    code: str = "OK"
    message: str = ""


@dataclasses.dataclass(frozen=True)
class ModelMetadata:
    """A model's version and what it can be asked for.

    Args:
      version: the one that answered.
      signatures: by name.
    """

    version: int
    signatures: Mapping[str, Signature]


class Transport(Protocol):
    """One way to ask a server about one model."""

    def status(self) -> list[VersionStatus]:
        """Returns the state of each version."""

    def metadata(self) -> ModelMetadata:
        """Returns version and signatures."""

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature on inputs [B, ...] by name; returns outputs [B, ...]."""

    def close(self) -> None:
        """Ends the connection."""


def named_shape(dims: Any, is_unknown: bool) -> tuple[int | None, ...]:
    """Returns a shape from its sizes, where -1 stands for any.

    Args:
      dims: the sizes; REST gives them as text.
      is_unknown: whether even their number is unknown.

    Returns:
      The shape; of unknown rank as that of the batch alone.
    """
    sizes = [int(size) for size in dims]
    return (None,) if is_unknown else tuple(None if size < 0 else size for size in sizes)
