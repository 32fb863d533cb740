"""Trains a network on a task, from its last checkpoint on if there is one.

Examples:
  tfcolor train --flagfile=configs/quickstart.cfg --run_dir=runs/first
  tfcolor train --images=~/photos --backbone=vgg16 --vgg16_width_multiplier=0.25
  tfcolor train --flagfile=runs/first/flags.cfg --seed=1

Everything lands in the run's folder: checkpoints, TensorBoard events
(tensorboard --logdir=RUN/events), metrics.jsonl, result.json and flags.cfg,
which repeats the run. The same command on the same folder goes on with it.
"""

from absl import flags

from tfcolor.config.command import Command, run_command
from tfcolor.config.experiment import TRAIN_OPTIONS
from tfcolor.config.training import run_training


def main(flag_values: flags.FlagValues, arguments: list[str]) -> None:
    """Trains as the flags say."""
    del arguments
    run_training(flag_values)


COMMAND = Command("train", __doc__, TRAIN_OPTIONS, main)


def run() -> None:
    """Runs the command."""
    run_command(COMMAND)


if __name__ == "__main__":
    run()
