"""Makes the batches of training in other processes: a dispatcher, and any number of workers.

Examples:
  tfcolor data_service --role=dispatcher --port=5050
  tfcolor data_service --dispatcher=HOST:5050 --host=HERE --flagfile=configs/quickstart.cfg
  tfcolor train --data_service=HOST:5050 --data_service_workers=4
      --flagfile=configs/quickstart.cfg

Reading, decoding and augmenting move out of the training process, which then only
trains, and looks at the held-out images. HERE is the name by which it reaches a
worker. Workers need the flags and the images of the run, under the same paths; runs
with the same task, images, batch size and seed may share them. The examples and their order are
those of training without the service, whatever the number of workers; workers that
come later help the next run. If one is lost, training ends with an error, and the same
command goes on from the last checkpoint.

There is no access control: for trusted networks only. SIGTERM ends a process.
"""

from absl import flags

from tfcolor.config.command import Command, run_command
from tfcolor.config.data_service import SERVICE_OPTIONS, serve_data
from tfcolor.training.signals import listen_for_stop


def main(flag_values: flags.FlagValues, arguments: list[str]) -> None:
    """Serves as the flags say, until a signal."""
    del arguments
    with listen_for_stop() as request:
        raise SystemExit(serve_data(flag_values, request))


COMMAND = Command("data_service", __doc__, SERVICE_OPTIONS, main)


def run() -> None:
    """Runs the command."""
    run_command(COMMAND)


if __name__ == "__main__":
    run()
