"""Colorizers behind one face: a network in this process, or a SavedModel."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs import OUTPUT_SPACES
from tfcolor.core.errors import UserError
from tfcolor.core.taps import Tap
from tfcolor.inference.painting import Painter, SizeOptions

METADATA_FILE = "metadata.json"


class GrayToColor(Protocol):
    """Anything that colors a batch of gray photographs.

    Attributes:
      painter: turns what `histograms` gives into colors.
      decoding: how `colorize` goes from histograms to color.
    """

    painter: Painter
    decoding: DecodingOptions

    def colorize(self, gray: Any) -> dict[str, tf.Tensor]:
        """Colors float32 [B, H, W, 1] in [0, 1]; see `Colorizer.colorize`."""

    def histograms(self, gray: Any) -> dict[str, tf.Tensor]:
        """Predicts float32 [B, h, w, K] maps; see `Colorizer.histograms`."""

    def describe(self, gray: Any) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Predicts these and features [B, h, w, D]; see `Colorizer.describe`."""


class SavedColorizer:
    """A colorizer that was exported as a SavedModel.

    Args:
      path: a version's folder, or the folder of all versions, of which the
        largest is taken as TensorFlow Serving would.

    Raises:
      UserError: if there is no SavedModel or it lacks the signature.
    """

    def __init__(self, path: str | Path) -> None:
        folder = latest_version(Path(path))
        try:
            self._model = tf.saved_model.load(str(folder))
        except (OSError, tf.errors.OpError, ValueError) as error:
            raise UserError(f"cannot load the SavedModel {folder}: {error}") from error
        missing = {"colorize", "histograms"} - set(self._model.signatures)
        if missing:
            known = ", ".join(self._model.signatures) or "none"
            raise UserError(f"{folder} lacks the signatures {sorted(missing)}; it has {known}")
        self.painter, self.decoding = read_painting(read_metadata(folder), str(folder))

    def colorize(self, gray: np.ndarray | tf.Tensor) -> dict[str, tf.Tensor]:
        """Colors a batch of photographs of one size.

        Args:
          gray: float32 [B, H, W, 1], lightness in [0, 1].

        Returns:
          `rgb` float32 [B, H, W, 3] and `uncertainty` float32 [B, H, W], both
          in [0, 1].
        """
        return self._call("colorize", gray)

    def histograms(self, gray: np.ndarray | tf.Tensor) -> dict[str, tf.Tensor]:
        """Predicts the histograms of a batch at the photographs' own size.

        Args:
          gray: float32 [B, H, W, 1], lightness in [0, 1].

        Returns:
          For every output of the space, float32 [B, h, w, K], on the grid.
        """
        return self._call("histograms", gray)

    def describe(self, gray: np.ndarray | tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Predicts histograms, and features that `predictions_as_features` makes.

        Args:
          gray: float32 [B, H, W, 1], lightness in [0, 1].

        Returns:
          (predictions, features): what `histograms` gives, and float32
          [B, h, w, D].
        """
        predictions = self.histograms(gray)
        return predictions, predictions_as_features(predictions)

    def _call(self, signature: str, gray: np.ndarray | tf.Tensor) -> dict[str, tf.Tensor]:
        """Runs a signature on float32 [B, H, W, 1]."""
        return self._model.signatures[signature](gray=tf.convert_to_tensor(gray, tf.float32))


def predictions_as_features(predictions: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Returns what stands in for the hidden layer where only histograms are known.

    Cells look alike if the network predicts alike: the square roots of histograms
    have the distance of Hellinger.

    Args:
      predictions: float32 [B, h, w, K] by name, not negative.

    Returns:
      float32 [B, h, w, D], D the sum of the K.
    """
    return tf.sqrt(tf.concat(list(predictions.values()), axis=-1))


def read_metadata(folder: Path) -> dict[str, Any]:
    """Returns the metadata that `export` put into a SavedModel.

    Args:
      folder: one version.

    Returns:
      The content of `assets/metadata.json`.

    Raises:
      UserError: if it is missing or broken: not an export of tfcolor.
    """
    path = folder / "assets" / METADATA_FILE
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} is not an export of tfcolor: cannot read {path}") from error


def read_painting(metadata: Mapping[str, Any], name: str) -> tuple[Painter, DecodingOptions]:
    """Returns how an export's histograms become colors.

    Args:
      metadata: as the export tells it.
      name: what messages call the export.

    Returns:
      The painter, and the export's own decoding.

    Raises:
      UserError: if something is missing: not an export of tfcolor.
    """
    try:
        space = OUTPUT_SPACES[metadata["output_space"]](metadata["num_bins"])
        grid = Tap("grid", metadata["grid"]["stride"], tuple(metadata["grid"]["offset"]))
        painter = Painter(space, SizeOptions(**metadata["size"]), grid)
        return painter, DecodingOptions(**metadata["decoding"])
    except (KeyError, TypeError) as error:
        reason = f"its {METADATA_FILE} does not give output space, size, grid and decoding"
        raise UserError(f"{name} is not an export of tfcolor: {reason}") from error


def is_saved_model(path: str | Path) -> bool:
    """Returns whether a path is a SavedModel or a folder of its versions."""
    return (latest_version(Path(path)) / "saved_model.pb").exists()


def latest_version(folder: Path) -> Path:
    """Returns the largest numbered folder in `folder`, or `folder` itself."""
    if not folder.is_dir():
        return folder
    versions = [entry for entry in folder.iterdir() if entry.name.isdigit() and entry.is_dir()]
    return max(versions, key=lambda entry: int(entry.name), default=folder)
