"""Exports a run as a SavedModel for TensorFlow Serving.

Example:
  tfcolor export --run_dir=runs/first --export_dir=models/colorizer

Each call adds a version, models/colorizer/1, 2, ..., which appears whole.
"""

import dataclasses

from absl import flags

import tfcolor
from tfcolor.config.command import Command, run_command
from tfcolor.color.decoding import DecodingOptions
from tfcolor.config.assembly import CHECKPOINTS, load_run_colorizer
from tfcolor.config.flags import read_options
from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.core.progress import say
from tfcolor.inference.painting import SizeOptions
from tfcolor.savedmodel.exporter import export_colorizer


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """What is exported, and where to."""

    run_dir: str = option("", "the run's folder")
    checkpoint: str = option("best", "which of its checkpoints", choices=CHECKPOINTS)
    export_dir: str = option("", "holds one folder per version")


OPTIONS = ((ExportOptions, ""), (DecodingOptions, "decoding_"), (SizeOptions, "network_"))


def main(flag_values: flags.FlagValues, arguments: list[str]) -> None:
    """Exports as the flags say."""
    del arguments
    chosen = read_options(ExportOptions, "", flag_values)
    decoding = read_options(DecodingOptions, "decoding_", flag_values)
    size = read_options(SizeOptions, "network_", flag_values)
    if not chosen.run_dir or not chosen.export_dir:
        raise UsageError("--run_dir and --export_dir must both be given")
    colorizer, origin = load_run_colorizer(chosen.run_dir, chosen.checkpoint, decoding, size)
    metadata = {"tfcolor": tfcolor.__version__, **origin}
    version = export_colorizer(colorizer, chosen.export_dir, metadata)
    say(f"exported step {origin['step']} of {chosen.run_dir} to {version}")


COMMAND = Command("export", __doc__, OPTIONS, main)


def run() -> None:
    """Runs the command."""
    run_command(COMMAND)


if __name__ == "__main__":
    run()
