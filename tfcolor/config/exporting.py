"""An export from its flags to its version."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import flags

import tfcolor
from tfcolor.color.decoding import DecodingOptions
from tfcolor.config.assembly import (
    COLORIZATION,
    build_network,
    build_task,
    load_run_colorizer,
)
from tfcolor.config.experiment import load_experiment
from tfcolor.config.flags import read_options
from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options, option
from tfcolor.core.progress import say, track
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.opening import open_source
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.painting import SizeOptions
from tfcolor.savedmodel.compact import HalfStorage, copy_weights, measure_compact
from tfcolor.savedmodel.exporter import ServingOptions, export_colorizer
from tfcolor.savedmodel.portable import CONVERTERS, PortableOptions, export_portable

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """What is exported, and where to."""

    run_dir: str = option("", "the run's folder")
    checkpoint: str = option("best", "which of its checkpoints: best, last or a step")
    export_dir: str = option("", "holds one folder per version")
    format: str = option(
        "saved_model",
        "saved_model for TensorFlow Serving; tflite or onnx for one signature as a file, see"
        " --portable_signature",
        choices=("saved_model", *CONVERTERS),
    )
    precision: str = option(
        "trained",
        "type of the network's computations: as in training, or another; bfloat16 pays on"
        " processors that have it",
        choices=("trained", *POLICIES),
    )
    compact: bool = option(
        False, "whether to store weights as float16, in half the room; the loss is measured"
    )
    compact_images: str = option(
        "builtin:photos",
        "photographs on which the loss of --compact is measured, in the forms of `train --images`",
    )
    compact_num_images: int = option(10, "how many of them, evenly spread", minimum=1)

    def __post_init__(self) -> None:
        """Raises UsageError if the flags contradict each other."""
        check_options(self)
        if self.format in CONVERTERS and self.precision == "bfloat16":
            raise UsageError(f"--precision=bfloat16: expected float32 for --format={self.format}")
        if self.format == "onnx" and self.compact:
            raise UsageError("--compact: expected --format=saved_model or tflite, not onnx")


EXPORT_OPTIONS: tuple[tuple[type, str], ...] = (
    (ExportOptions, ""),
    (ServingOptions, "serving_"),
    (PortableOptions, "portable_"),
    (DecodingOptions, "decoding_"),
    (SizeOptions, "network_"),
)
"""Options dataclasses of `export` with the prefix of their flags."""


def run_export(flag_values: flags.FlagValues) -> Path:
    """Exports what the flags describe.

    Args:
      flag_values: with the flags of `EXPORT_OPTIONS`.

    Returns:
      The folder of the new version.

    Raises:
      UsageError: if the run or the folder for versions is not given.
      UserError: if something the flags name cannot be used.
    """
    chosen = read_options(ExportOptions, "", flag_values)
    serving = read_options(ServingOptions, "serving_", flag_values)
    portable = read_options(PortableOptions, "portable_", flag_values)
    decoding = read_options(DecodingOptions, "decoding_", flag_values)
    size = read_options(SizeOptions, "network_", flag_values)
    if not chosen.run_dir or not chosen.export_dir:
        raise UsageError("--run_dir and --export_dir must both be given")
    policy = "float32" if chosen.format in CONVERTERS else POLICIES.get(chosen.precision)
    colorizer, origin = load_run_colorizer(
        chosen.run_dir, chosen.checkpoint, decoding, size, policy
    )
    metadata = {
        "tfcolor": tfcolor.__version__,
        "git_commit": _git_commit(chosen.run_dir),
        **origin,
        "precision": chosen.precision,
        "compact": None,
    }
    if chosen.compact:
        colorizer, metadata["compact"] = _compact(colorizer, chosen)
    if chosen.format in CONVERTERS:
        version = export_portable(colorizer, chosen.export_dir, metadata, chosen.format, portable)
    else:
        version = export_colorizer(colorizer, chosen.export_dir, metadata, serving)
    say(f"exported step {origin['step']} of {chosen.run_dir} to {version}")
    return version


def _compact(full: Colorizer, options: ExportOptions) -> tuple[Colorizer, dict[str, Any]]:
    """Returns a colorizer of float16 weights, and what it loses."""
    experiment = load_experiment(options.run_dir).select(COLORIZATION)
    policy = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(HalfStorage(policy.name))
    try:
        network = build_network(experiment, build_task(experiment, {}))
    finally:
        tf.keras.mixed_precision.set_global_policy(policy)
    copy_weights(full.network, network)
    painter = full.painter
    compact = Colorizer(network, painter.space, full.decoding, painter.size)
    loss = measure_compact(full, compact, _photographs(options))
    say(
        f"compact: PSNR {loss['psnr_db_full']:.3f} -> {loss['psnr_db_compact']:.3f} dB on"
        f" {loss['num_images']} photographs of {options.compact_images};"
        f" {loss['agreement_db']:.1f} dB between the two"
    )
    return compact, {**loss, "images": options.compact_images, "weights": "float16"}


def _photographs(options: ExportOptions) -> Iterator[np.ndarray]:
    """Yields uint8 [H, W, 3] photographs, evenly spread over the source."""
    reader = ExampleReader(open_source(options.compact_images))
    count = min(options.compact_num_images, reader.num_examples)
    for index in track(range(count), "measuring", count, "photographs"):
        yield reader.read(index * reader.num_examples // count)[0]


def _git_commit(run_dir: str) -> str | None:
    """Returns the commit that trained a run, None where it is not known."""
    try:
        return json.loads((Path(run_dir) / "run.json").read_text()).get("git_commit")
    except (OSError, ValueError):
        return None
