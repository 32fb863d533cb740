"""A colorizer at a model server, behind the face of one in this process."""

import os
from typing import Any

import numpy as np
import tensorflow as tf

from tfcolor.core.errors import UsageError, UserError
from tfcolor.inference.loading import predictions_as_features, read_painting
from tfcolor_client.address import parse_address
from tfcolor_client.client import Client
from tfcolor_client.connection import ConnectionOptions, options_from_environment
from tfcolor_client.errors import ServingError

OF_ONE_REQUEST = ("DEADLINE_EXCEEDED", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")
"""Codes that blame the photograph; after others no photograph can be colored."""


class ServerError(UserError):
    """A model server that cannot be used, or not any more: nothing else will work."""


class RefusedError(UserError):
    """A photograph that a model server does not take; another one may do."""


class RemoteColorizer:
    """A colorizer that a server of the TensorFlow Serving protocol holds.

    The network runs there, on a photograph shrunk to the size at which it looks
    at it; the colors are laid over the photograph here, as everything else that
    is done with histograms. So megapixels of floats travel neither way, and the
    server's batches stay small.

    Args:
      address: "grpc://host:8500/name", "http://host:8501/v1/models/name"; see
        `tfcolor_client.client.Client`.
      options: time limits and credentials; None takes the credentials from the
        variables TFCOLOR_TOKEN and TFCOLOR_CA_FILE.

    Raises:
      UsageError: if the address is none.
      ServerError: if there is no server, no such model, or it was not exported
        by tfcolor.
    """

    def __init__(self, address: str, options: ConnectionOptions | None = None) -> None:
        try:
            place = parse_address(address)
        except ServingError as error:
            raise UsageError(f"--model={address}: expected {error.expected}") from error
        try:
            self._client = Client(place, options or options_from_environment(os.environ))
            metadata = self._client.metadata()
        except ServingError as error:
            raise ServerError(f"--model={address}: {error}") from error
        missing = {"describe", "histograms"} - set(metadata.signatures)
        if missing:
            known = ", ".join(sorted(metadata.signatures)) or "none"
            reason = f"the model lacks the signatures {sorted(missing)}; it has {known}"
            raise ServerError(f"{address} is not an export of tfcolor: {reason}")
        try:
            described = self._client.describe()
        except ServingError as error:
            raise ServerError(f"--model={address}: {error}") from error
        self.painter, self.decoding = read_painting(described, address)

    def colorize(self, gray: Any) -> dict[str, tf.Tensor]:
        """Colors a batch of photographs of one size.

        Args:
          gray: float32 [B, H, W, 1], lightness in [0, 1].

        Returns:
          `rgb` float32 [B, H, W, 3] and `uncertainty` float32 [B, H, W], both
          in [0, 1].

        Raises:
          ServerError: as `histograms`.
          RefusedError: as `histograms`.
        """
        gray = tf.convert_to_tensor(gray, tf.float32)
        return self.painter.paint(gray, self.histograms(self.painter.shrink(gray)), self.decoding)

    def histograms(self, gray: Any) -> dict[str, tf.Tensor]:
        """Predicts the histograms of a batch at the photographs' own size.

        Args:
          gray: float32 [B, H, W, 1], lightness in [0, 1].

        Returns:
          For every output of the space, float32 [B, h, w, K], on the grid.

        Raises:
          ServerError: if the server is gone, or does not hold the model any
            more.
          RefusedError: if it does not take this photograph.
        """
        values = np.asarray(gray, np.float32)
        try:
            outputs = self._client.predict("histograms", {"gray": values})
        except ServingError as error:
            kind = RefusedError if error.code in OF_ONE_REQUEST else ServerError
            raise kind(str(error)) from error
        expected = {output.name for output in self.painter.space.outputs}
        if set(outputs) != expected:
            raise ServerError(f"{self._client.address} answers {sorted(outputs)}, not {expected}")
        return {name: tf.constant(value, tf.float32) for name, value in outputs.items()}

    def describe(self, gray: Any) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Predicts histograms, and features that `predictions_as_features` makes.

        Args:
          gray: float32 [B, H, W, 1], lightness in [0, 1].

        Returns:
          (predictions, features): what `histograms` gives, and float32
          [B, h, w, D].

        Raises:
          ServerError: as `histograms`.
          RefusedError: as `histograms`.
        """
        predictions = self.histograms(gray)
        return predictions, predictions_as_features(predictions)
