"""Writing a colorizer as a SavedModel that stock TensorFlow Serving loads."""

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfcolor.color.lightness import quantize_rgb
from tfcolor.color.spaces import rgb_to_lightness
from tfcolor.core.errors import UserError
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.loading import METADATA_FILE
from tfcolor_client.signatures import Signature, colorizer_signatures

PNG_COMPRESSION = 1


class ServedColorizer(tf.Module):
    """A colorizer with the signatures that serving needs.

    Args:
      colorizer: the trained colorizer.
      metadata_path: a JSON file to ship as an asset.
    """

    def __init__(self, colorizer: Colorizer, metadata_path: str) -> None:
        super().__init__(name="served_colorizer")
        # Hidden from tracking, or Keras would trace its models' calls for training
        # too, which need seeds. Of the network only the weights are saved.
        self._weights = list(colorizer.variables)
        self._colorizer = lambda: colorizer
        self.metadata = tf.saved_model.Asset(metadata_path)

    @tf.function(autograph=False)
    def serving_default(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Colors encoded photographs of any sizes.

        Args:
          image_bytes: string [B], PNG or JPEG.

        Returns:
          `image_bytes` string [B], PNG of the same size each.
        """
        colored = tf.map_fn(
            self._color_bytes, image_bytes, fn_output_signature=tf.TensorSpec([], tf.string)
        )
        return {"image_bytes": colored}

    @tf.function(autograph=False)
    def colorize(self, gray: tf.Tensor) -> dict[str, tf.Tensor]:
        """Colors float32 [B, H, W, 1] in [0, 1], as `Colorizer.colorize`."""
        return self._colorizer().colorize(gray)

    @tf.function(autograph=False)
    def histograms(self, gray: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predicts histograms of float32 [B, H, W, 1], as `Colorizer.histograms`."""
        return self._colorizer().histograms(gray)

    def _color_bytes(self, encoded: tf.Tensor) -> tf.Tensor:
        """Colors one encoded photograph, string [] to string []."""
        rgb = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        gray = rgb_to_lightness(tf.cast(rgb, tf.float32) / 255.0)
        gray = tf.ensure_shape(gray, [None, None, 1])
        colored = self._colorizer().colorize(gray[None])["rgb"][0]
        return tf.io.encode_png(quantize_rgb(colored), compression=PNG_COMPRESSION)


def export_colorizer(
    colorizer: Colorizer, export_dir: str | os.PathLike[str], metadata: Mapping[str, Any]
) -> Path:
    """Writes the next version of a SavedModel; it appears whole, by a rename.

    Args:
      colorizer: the trained colorizer.
      export_dir: holds one folder per version, named by increasing integers.
      metadata: written as `metadata.json`; any JSON values.

    Returns:
      The folder of the new version.

    Raises:
      UserError: if the folder cannot be written.
    """
    folder = Path(export_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".exporting_", dir=folder))
    except OSError as error:
        raise UserError(f"cannot write in {folder}: {error.strerror}") from error
    try:
        asset = temporary / METADATA_FILE
        outputs = [output.name for output in colorizer.painter.space.outputs]
        signatures = colorizer_signatures(outputs)
        content = {**metadata, **_painting(colorizer), "signatures": list(signatures)}
        asset.write_text(json.dumps(content, indent=2) + "\n")
        module = ServedColorizer(colorizer, str(asset))
        model = temporary / "model"
        tf.saved_model.save(module, str(model), signatures=_trace(module, signatures))
        version = folder / str(_next_version(folder))
        os.replace(model, version)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return version


def _painting(colorizer: Colorizer) -> dict[str, Any]:
    """Returns what a client needs to paint a photograph with the histograms."""
    painter = colorizer.painter
    return {
        "output_space": painter.space.name,
        "num_bins": painter.space.num_bins,
        "decoding": dataclasses.asdict(colorizer.decoding),
        "size": dataclasses.asdict(painter.size),
        "grid": {"stride": painter.grid.stride, "offset": list(painter.grid.offset)},
    }


def _trace(
    module: ServedColorizer, signatures: Mapping[str, Signature]
) -> dict[str, Callable[..., Any]]:
    """Traces every declared signature of the module."""
    traced = {}
    for name, signature in signatures.items():
        specs = {
            key: tf.TensorSpec(declared.shape, declared.dtype, name=key)
            for key, declared in signature.inputs.items()
        }
        traced[name] = getattr(module, name).get_concrete_function(**specs)
    return traced


def _next_version(folder: Path) -> int:
    """Returns one more than the largest version in a folder."""
    versions = [int(entry.name) for entry in folder.iterdir() if entry.name.isdigit()]
    return max(versions, default=0) + 1
