"""Fits a network of parts to images, layer by layer, without gradients.

Parts are components of a mixture fitted by EM, of oriented edges or, with
--parts_kind=gaussian, of pixels; or with kmeans, clusters of pixels.

Examples:
  tfcolor fit_parts --flagfile=configs/table_1_1/plain.cfg --images=mnist_basic:MNIST:train
      --heldout_images=mnist_basic:MNIST:test --run_dir=runs/plain
  tfcolor fit_parts --flagfile=configs/table_1_1/plain_svm.cfg --parts_from=runs/plain
      --images=mnist_basic:MNIST:train --heldout_images=mnist_basic:MNIST:test
  tfcolor fit_parts --flagfile=configs/parts_kmeans_triangle.cfg
      --images=mnist_basic:MNIST:train --heldout_images=mnist_basic:MNIST:test
  tfcolor evaluate --protocol=few_label --model=runs/plain --images=mnist:MNIST

The run's folder holds the network (network.npz), metrics.jsonl with the
log-likelihood of every iteration of EM, TensorBoard's events with pictures of the
parts, result.json with the error rate on --heldout_images, and flags.cfg, which
repeats the run. A stopped run goes on with the same command.
"""

from absl import flags

from tfcolor.config.command import Command, run_command
from tfcolor.config.fitting import run_fitting
from tfcolor.config.parts_runs import FIT_OPTIONS


def main(flag_values: flags.FlagValues, arguments: list[str]) -> None:
    """Fits as the flags say."""
    del arguments
    run_fitting(flag_values)


COMMAND = Command("fit_parts", __doc__, FIT_OPTIONS, main)


def run() -> None:
    """Runs the command."""
    run_command(COMMAND)


if __name__ == "__main__":
    run()
