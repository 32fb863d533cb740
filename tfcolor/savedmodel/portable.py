"""Writing a colorizer for TensorFlow Lite and for ONNX."""

import dataclasses
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import check_options, option
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.loading import METADATA_FILE
from tfcolor.inference.painting import SizeOptions, network_size
from tfcolor.layers.convolution import Convolution
from tfcolor.savedmodel.compact import STORAGE_DTYPE
from tfcolor.savedmodel.exporter import describe_colorizer
from tfcolor.savedmodel.versions import write_version

ONNX_OPSET = 17


@dataclasses.dataclass(frozen=True)
class PortableOptions:
    """Which graph goes to TensorFlow Lite or ONNX. Both take float32 gray."""

    signature: str = option(
        "colorize",
        "the one signature of the file: colorize has a batch of one photograph of a fixed size,"
        " histograms takes batches of any size",
        choices=("colorize", "histograms"),
    )
    size: str = option(
        "",
        "HEIGHTxWIDTH of the input in px; each side between --network_min_side and"
        " --network_max_side for colorize, as these formats lack its resizing. Empty is a square"
        " of the smallest side for colorize, any size for histograms",
    )

    def __post_init__(self) -> None:
        """Raises UsageError if a value is not accepted."""
        check_options(self, "portable_")
        if self.size and not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", self.size):
            raise UsageError(f"--portable_size={self.size}: expected HEIGHTxWIDTH, as 256x384")


def export_portable(
    colorizer: Colorizer,
    export_dir: str | os.PathLike[str],
    metadata: Mapping[str, Any],
    file_format: str,
    options: PortableOptions,
) -> Path:
    """Writes the next version: `model.tflite` or `model.onnx` and `metadata.json`.

    Args:
      colorizer: the trained colorizer, which computes in float32. If it stores
        its weights as float16, TensorFlow Lite does as well.
      export_dir: holds one folder per version, named by increasing integers.
      metadata: any JSON values.
      file_format: "tflite" or "onnx".
      options: which graph.

    Returns:
      The folder of the new version.

    Raises:
      UsageError: if the size does not fit the colorizer.
      UserError: if the folder cannot be written, or tf2onnx is missing.
    """
    convert = CONVERTERS[file_format]
    shape = input_shape(options, colorizer.painter.size)
    about = {"signature": options.signature, "input_shape": shape, "format": file_format}
    content = {**metadata, **describe_colorizer(colorizer), **about}

    def write(folder: Path) -> None:
        """Fills the version's folder."""
        (folder / f"model.{file_format}").write_bytes(convert(colorizer, options.signature, shape))
        (folder / METADATA_FILE).write_text(json.dumps(content, indent=2) + "\n")

    return write_version(export_dir, write)


def input_shape(options: PortableOptions, limits: SizeOptions) -> list[int | None]:
    """Returns the shape of the input.

    Args:
      options: graph and size.
      limits: of the network's input.

    Returns:
      [B, H, W, 1], with None for any.

    Raises:
      UsageError: if `colorize` would have to resize.
    """
    if options.signature == "histograms" and not options.size:
        return [None, None, None, 1]
    side = min(limits.min_side, limits.max_side)
    size = [int(length) for length in options.size.split("x")] if options.size else [side, side]
    if options.signature == "histograms":
        return [None, *size, 1]
    if network_size(tf.constant(size), limits).numpy().tolist() != size:
        raise UsageError(
            f"--portable_size={options.size}: the network looks at sides from"
            f" {limits.min_side} to {limits.max_side}; expected a size within"
        )
    return [1, *size, 1]


def convert_to_tflite(colorizer: Colorizer, signature: str, shape: list[int | None]) -> bytes:
    """Converts one signature to TensorFlow Lite, with built-in ops only.

    Args:
      colorizer: the colorizer.
      signature: "colorize" or "histograms".
      shape: of its input, [B, H, W, 1].

    Returns:
      The content of a file.
    """
    module = tf.Module()
    module.weights = list(colorizer.variables)
    module.function = _portable_function(colorizer, signature, shape)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={signature: module.function})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[signature])
        if any(variable.dtype == STORAGE_DTYPE for variable in colorizer.variables):
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def convert_to_onnx(colorizer: Colorizer, signature: str, shape: list[int | None]) -> bytes:
    """Converts one signature to ONNX, with its inputs and outputs by name.

    Args:
      colorizer: the colorizer.
      signature: "colorize" or "histograms".
      shape: of its input, [B, H, W, 1].

    Returns:
      The content of a file.

    Raises:
      UserError: if tf2onnx is not installed.
    """
    try:
        import tf2onnx
    except (ImportError, AttributeError) as error:  # onnx from 1.18 on needs a newer ml_dtypes
        install = "pip install tf2onnx 'onnx<1.18'"
        raise UserError(f"--format=onnx needs tf2onnx: {install} ({error})") from error
    function: Any = _portable_function(colorizer, signature, shape)
    model, _ = tf2onnx.convert.from_function(function, function.input_signature, opset=ONNX_OPSET)
    return model.SerializeToString()


CONVERTERS: Mapping[str, Callable[[Colorizer, str, list[int | None]], bytes]] = {
    "tflite": convert_to_tflite,
    "onnx": convert_to_onnx,
}


def _portable_function(
    colorizer: Colorizer, signature: str, shape: list[int | None]
) -> Callable[..., Any]:
    """Builds a `tf.function` of one input, without ops that these formats lack."""
    for layer in colorizer.network.submodules:
        if isinstance(layer, Convolution):
            layer.uses_product = False
    # Not the `tf.function` itself, whose trace is for any size.
    compute = getattr(colorizer, signature).python_function
    spec = tf.TensorSpec(shape, tf.float32, name="gray")
    return tf.function(lambda gray: compute(gray), input_signature=[spec], autograph=False)
