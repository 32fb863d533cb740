"""Exports a run as a SavedModel for TensorFlow Serving, or to TFLite and ONNX.

Examples:
  tfcolor export --run_dir=runs/first --export_dir=models/colorizer
  tfcolor export --run_dir=runs/first --export_dir=models/colorizer --compact
  tfcolor export --run_dir=runs/first --export_dir=lite --format=tflite --portable_size=256x384
  tfcolor export --run_dir=runs/first --export_dir=onnx --format=onnx
      --portable_signature=histograms

Each call adds a version, models/colorizer/1, 2, ..., which appears whole.
"""

from absl import flags

from tfcolor.config.command import Command, run_command
from tfcolor.config.exporting import EXPORT_OPTIONS, run_export


def main(flag_values: flags.FlagValues, arguments: list[str]) -> None:
    """Exports as the flags say."""
    del arguments
    run_export(flag_values)


COMMAND = Command("export", __doc__, EXPORT_OPTIONS, main)


def run() -> None:
    """Runs the command."""
    run_command(COMMAND)


if __name__ == "__main__":
    run()
