"""Serves SavedModels as TensorFlow Serving does, over gRPC and REST.

Examples:
  tfcolor serve --model_base_path=models/colorizer --model_name=colorizer
  tfcolor serve --model_config_file=serving/models.config --enable_batching
  tfcolor serve --model_base_path=models/colorizer --studio

The folder holds one SavedModel for each version, models/colorizer/1, 2, ...;
the largest is served, and replaced without losing a request when a larger one
appears. The flags are those of tensorflow_model_server, and a few of ours.
SIGTERM lets the running requests finish. --studio shows a page in the browser
on which a person colors photographs with the first model.
"""

from absl import flags

from tfcolor.config.command import Command, run_command
from tfcolor.config.serving import (
    SERVE_OPTIONS,
    read_settings,
    serve_until_stopped,
    studio_beside,
)
from tfcolor.server.lifecycle import ServingServer
from tfcolor.training.signals import listen_for_stop


def main(flag_values: flags.FlagValues, arguments: list[str]) -> None:
    """Serves as the flags say, until a signal."""
    del arguments
    settings = read_settings(flag_values)
    server = ServingServer(settings)
    with listen_for_stop() as request:
        server.start()
        with studio_beside(server, settings, flag_values):
            raise SystemExit(serve_until_stopped(server, request))


COMMAND = Command("serve", __doc__, SERVE_OPTIONS, main)


def run() -> None:
    """Runs the command."""
    run_command(COMMAND)


if __name__ == "__main__":
    run()
