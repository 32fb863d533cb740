"""Colors black-and-white photographs and videos.

Examples:
  tfcolor colorize --model=runs/first grandmother.jpg
  tfcolor colorize --model=saved_model album/ --output=colored --report=colored/report.html
  tfcolor colorize --model=runs/first *.tif --output=colored --format=tiff --sheet=sheet.png
  tfcolor colorize --model=runs/first film.mp4

Six alternatives, drawn at random or each with another favored color:
  tfcolor colorize --model=runs/a a.jpg --num_samples=6
  tfcolor colorize --model=runs/a a.jpg --num_samples=6 --samples_by=bias --decoding_bias_strength=2

With the colors of another photograph, or of the histograms written from one:
  tfcolor colorize --model=runs/a a.jpg --reference=beach.jpg
  tfcolor colorize --model=runs/a --reference=beach.jpg --write_histogram=beach.json
  tfcolor colorize --model=runs/a album/ --histogram=beach.json --transfer_weight=3

With colors that are known at some points, from where they spread:
  tfcolor colorize --model=runs/a a.jpg --hints=hints.json
  tfcolor colorize --model=runs/a a.jpg --hint_image=a_strokes.png

At a model server (TensorFlow Serving, or tfcolor's own), which runs the network:
  tfcolor colorize --model=grpc://localhost:8500/tfcolor grandmother.jpg

On a cluster, by Apache Beam; all machines see the same folders:
  tfcolor colorize --model=/nfs/run /nfs/scans --output=/nfs/out --runner=flink

Folders are searched recursively and mirrored under --output. Without --output
each result lies beside its original as NAME_colorized.png; of several, they are
numbered NAME_colorized_1.png and so on. Results have the size, depth,
lightness, metadata and color profile of their originals. A manifest in the folder
of the results remembers what is done: after an interruption the same command goes
on. An export, also at a server, decodes by its own options unless a --decoding_
flag is given. TFCOLOR_TOKEN and TFCOLOR_CA_FILE in the environment hold the token
and the certificates for a server.
"""

from absl import flags

from tfcolor.config.command import Command, run_command
from tfcolor.config.coloring import COLORIZE_OPTIONS, run_coloring


def main(flag_values: flags.FlagValues, arguments: list[str]) -> None:
    """Colors what the command line names."""
    run_coloring(flag_values, arguments)


COMMAND = Command(
    "colorize", __doc__, COLORIZE_OPTIONS, main, arguments="PHOTOGRAPH|VIDEO|FOLDER|GLOB ..."
)


def run() -> None:
    """Runs the command."""
    run_command(COMMAND)


if __name__ == "__main__":
    run()
