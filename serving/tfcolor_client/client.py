"""The client: one model of a TensorFlow Serving server, over gRPC or REST."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcolor_client.address import Address, parse_address
from tfcolor_client.answers import ModelMetadata, Transport, VersionStatus
from tfcolor_client.connection import ConnectionOptions
from tfcolor_client.errors import ServingError
from tfcolor_client.grpc_transport import GrpcTransport
from tfcolor_client.rest_transport import RestTransport
from tfcolor_client.tensors import to_array


class Client:
    """A colorizer, or any other model, at a model server.

    Nothing is sent before the first request. A request is repeated only where
    the server is UNAVAILABLE. Threads may share a client.

    Args:
      address: "grpc://localhost:8500/tfcolor", "http://localhost:8501/v1/models/
        tfcolor"; grpcs:// and https:// for TLS, /versions/2 or /labels/stable at
        the end for one version.
      options: time limits and credentials.

    Raises:
      ServingError: if the address is none, or the credentials do not fit it.

    Example:
      >>> client = Client("grpc://localhost:8500/tfcolor/versions/2")
      >>> client.address.version
      2
      >>> client.close()
    """

    def __init__(self, address: str | Address, options: ConnectionOptions | None = None) -> None:
        self.address = parse_address(address) if isinstance(address, str) else address
        transport = RestTransport if self.address.is_rest else GrpcTransport
        self._transport: Transport = transport(self.address, options or ConnectionOptions())

    def __enter__(self) -> "Client":
        """Returns the client itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Closes the connection."""
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    def status(self) -> list[VersionStatus]:
        """Returns the state of each version of the model that the server knows."""
        return self._transport.status()

    def metadata(self) -> ModelMetadata:
        """Returns version and signatures of the model."""
        return self._transport.metadata()

    def predict(self, signature: str, inputs: dict[str, Any]) -> dict[str, np.ndarray]:
        """Runs a signature of the model.

        Args:
          signature: its name ("colorize").
          inputs: arrays [B, ...], or what becomes one, by name.

        Returns:
          Arrays [B, ...] by name; strings as object arrays of bytes.

        Raises:
          ServingError: if the server refuses or does not answer in time.
        """
        return self._transport.predict(
            signature, {name: to_array(values) for name, values in inputs.items()}
        )

    def colorize_bytes(self, images: Sequence[bytes]) -> list[bytes]:
        """Colors encoded photographs of any sizes.

        Args:
          images: PNG, JPEG, GIF or BMP files, within the pixels that the export
            accepts.

        Returns:
          A PNG file of the same size for each, or nothing (`b""`) for one that
          the server could not color.

        Raises:
          ServingError: if the server refuses or does not answer in time.
        """
        return self._images("serving_default", images, {})

    def sample(
        self, images: Sequence[bytes], seeds: Sequence[int], temperatures: Sequence[float]
    ) -> list[bytes]:
        """Draws colors for encoded photographs, the same ones for the same seed.

        Args:
          images: as for `colorize_bytes`.
          seeds: one for each.
          temperatures: one for each; below 1 the likely colors become likelier,
            and 0 takes the export's own.

        Returns:
          As `colorize_bytes`.

        Raises:
          ServingError: if the lists differ in length, or the server refuses.
        """
        if not len(images) == len(seeds) == len(temperatures):
            lengths = f"{len(images)} images, {len(seeds)} seeds, {len(temperatures)} temperatures"
            raise ServingError("INVALID_ARGUMENT", lengths, "one seed and temperature per image")
        drawn = {
            "seed": np.array(seeds, np.int32),
            "temperature": np.array(temperatures, np.float32),
        }
        return self._images("sample", images, drawn)

    def describe(self) -> dict[str, Any]:
        """Returns the metadata with which the model was exported.

        Returns:
          The JSON that the export holds: output space, bins, decoding, sizes.

        Raises:
          ServingError: if the model was not exported by tfcolor.
        """
        answer = self.predict("describe", {"name": [b""]})
        try:
            (text,) = answer["metadata"].tolist()
            described = json.loads(text)
        except (KeyError, ValueError, TypeError) as error:
            raise ServingError(
                "INTERNAL", f"{self.address}: its metadata is no JSON", ""
            ) from error
        if not isinstance(described, dict):
            raise ServingError("INTERNAL", f"{self.address}: its metadata is no object", "")
        return described

    def _images(
        self, signature: str, images: Sequence[bytes], more: dict[str, np.ndarray]
    ) -> list[bytes]:
        """Returns the images that a signature makes of images, one for each."""
        if not images:
            return []
        outputs = self.predict(signature, {"image_bytes": list(images), **more})
        colored = outputs.get("image_bytes", np.empty(0)).tolist()
        if len(colored) != len(images):
            reason = f"{self.address} gave {len(colored)} images for {len(images)}"
            raise ServingError("INTERNAL", reason, "a colorizer that tfcolor exported")
        return colored
