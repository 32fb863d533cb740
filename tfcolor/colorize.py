"""Colors black-and-white photographs.

Examples:
  tfcolor colorize --model=runs/first grandmother.jpg
  tfcolor colorize --model=saved_model album/ --output=colored_album
  tfcolor colorize --model=runs/first *.jpg --output=colored --sheet=sheet.png

Folders are searched recursively and mirrored under --output. Without --output
each result lies beside its original as NAME_colorized.png. The results are
lossless and as large and as light as the originals.
"""

import dataclasses

from absl import flags

from tfcolor.config.command import Command, run_command
from tfcolor.color.decoding import DecodingOptions
from tfcolor.config.assembly import CHECKPOINTS, load_colorizer
from tfcolor.config.flags import read_options
from tfcolor.core.options import option
from tfcolor.inference.batch import color_files
from tfcolor.inference.colorizer import SizeOptions
from tfcolor.inference.photographs import collect_jobs


@dataclasses.dataclass(frozen=True)
class ColorizeOptions:
    """With what to color, and where the results go."""

    model: str = option("", "a run's folder or a SavedModel")
    checkpoint: str = option("best", "which of a run's checkpoints", choices=CHECKPOINTS)
    output: str = option("", "folder for the results, or a file name for one photograph")
    sheet: str = option("", "PNG file for a sheet of input, output and uncertainty")


OPTIONS = ((ColorizeOptions, ""), (DecodingOptions, "decoding_"), (SizeOptions, "network_"))


def main(flag_values: flags.FlagValues, arguments: list[str]) -> None:
    """Colors what the command line names."""
    chosen = read_options(ColorizeOptions, "", flag_values)
    decoding = read_options(DecodingOptions, "decoding_", flag_values)
    size = read_options(SizeOptions, "network_", flag_values)
    jobs = collect_jobs(arguments, chosen.output or None)
    colorizer = load_colorizer(chosen.model, chosen.checkpoint, decoding, size)
    color_files(colorizer, jobs, chosen.sheet)


COMMAND = Command("colorize", __doc__, OPTIONS, main, arguments="PHOTOGRAPH|FOLDER|GLOB ...")


def run() -> None:
    """Runs the command."""
    run_command(COMMAND)


if __name__ == "__main__":
    run()
