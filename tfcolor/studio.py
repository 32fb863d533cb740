"""Shows a page in the browser on which a person colors photographs.

With a model at a server, `tfcolor serve` or TensorFlow Serving:
  tfcolor studio --server=grpc://localhost:8500/tfcolor

Without a server:
  tfcolor studio --model=runs/first

Then open http://127.0.0.1:8600/ in a browser. Only this machine can reach it unless
--host says otherwise. Photographs stay in memory; nothing is written or sent on,
except to the model server.
"""

from absl import flags

from tfcolor.config.command import Command, run_command
from tfcolor.config.studio import STUDIO_OPTIONS, run_studio_command


def main(flag_values: flags.FlagValues, arguments: list[str]) -> None:
    """Shows the studio."""
    del arguments
    run_studio_command(flag_values)


COMMAND = Command("studio", __doc__, STUDIO_OPTIONS, main)


def run() -> None:
    """Runs the command."""
    run_command(COMMAND)


if __name__ == "__main__":
    run()
