"""Writing a colorizer as a SavedModel that stock TensorFlow Serving loads."""

import dataclasses
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfcolor.core.options import check_options, option
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.loading import METADATA_FILE
from tfcolor.savedmodel.served import ServedColorizer
from tfcolor.savedmodel.versions import write_version
from tfcolor.savedmodel.warm_up import write_warm_up
from tfcolor_client.signatures import Signature, colorizer_signatures

WITHOUT_GRADIENTS = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
"""Serving takes none; tracing them was most of the time of an export."""


@dataclasses.dataclass(frozen=True)
class ServingOptions:
    """What a served colorizer accepts, and how its server starts."""

    max_pixels: int = option(
        25_000_000,
        "encoded photographs of more pixels, by their header, are answered by an empty string"
        " before they are decoded; each pixel takes about 80 bytes of the server's memory",
        minimum=1,
        maximum=300_000_000,
    )
    warm_up: bool = option(
        True, "whether to ship requests that a model server replays before it takes others"
    )

    def __post_init__(self) -> None:
        """Raises UsageError if a value is not accepted."""
        check_options(self, "serving_")


def export_colorizer(
    colorizer: Colorizer,
    export_dir: str | os.PathLike[str],
    metadata: Mapping[str, Any],
    serving: ServingOptions | None = None,
) -> Path:
    """Writes the next version of a SavedModel; it appears whole, by a rename.

    Args:
      colorizer: the trained colorizer.
      export_dir: holds one folder per version, named by increasing integers.
      metadata: any JSON values, written as `metadata.json` together with what
        `describe_colorizer` gives.
      serving: limits and warm-up; None for the defaults.

    Returns:
      The folder of the new version.

    Raises:
      UserError: if the folder cannot be written.
    """
    serving = serving or ServingOptions()
    signatures = declared_signatures(colorizer)
    served = {"signatures": list(signatures), "max_pixels": serving.max_pixels}
    content = json.dumps({**metadata, **describe_colorizer(colorizer), **served}, indent=2) + "\n"

    def write(folder: Path) -> None:
        """Fills the version's folder."""
        with tempfile.TemporaryDirectory() as assets:
            asset = Path(assets) / METADATA_FILE
            asset.write_text(content)
            module = ServedColorizer(colorizer, content, str(asset), serving.max_pixels)
            traced = _trace(module, signatures)
            tf.saved_model.save(module, str(folder), traced, WITHOUT_GRADIENTS)
        if serving.warm_up:
            write_warm_up(folder, colorizer.painter.size)

    return write_version(export_dir, write)


def declared_signatures(colorizer: Colorizer) -> Mapping[str, Signature]:
    """Returns the public signatures of a colorizer's export by name."""
    outputs = [output.name for output in colorizer.painter.space.outputs]
    return colorizer_signatures(outputs, list(colorizer.network.backbone.tap_channels))


def describe_colorizer(colorizer: Colorizer) -> dict[str, Any]:
    """Describes a colorizer, so that a client can paint with its histograms.

    Args:
      colorizer: the colorizer.

    Returns:
      JSON values: `output_space` and its class, `num_bins`, `decoding`, `size`,
      `grid`, channels by tap in `taps`, and `compute_dtype`.
    """
    painter, backbone = colorizer.painter, colorizer.network.backbone
    return {
        "output_space": painter.space.name,
        "output_space_class": type(painter.space).__name__,
        "num_bins": painter.space.num_bins,
        "decoding": dataclasses.asdict(colorizer.decoding),
        "size": dataclasses.asdict(painter.size),
        "grid": {"stride": painter.grid.stride, "offset": list(painter.grid.offset)},
        "taps": dict(backbone.tap_channels),
        "compute_dtype": backbone.compute_dtype,
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
