"""Turns published weights into a run that colors, evaluates and exports.

Examples:
  tfcolor convert --zoo
  tfcolor convert --zoo_download=autocolorize --zoo_dir=weights
  tfcolor convert --source=weights/autocolorize.caffemodel.h5 --run_dir=runs/published
  tfcolor convert --source=vgg16.h5 --network=vgg16_gray
      --rebalance_images=photos --run_dir=runs/vgg16_gray

Every tensor of the file is compared with the network before anything is
written; one that is missing, unexpected or of another shape is an error that
names it. A network that was published without a colorization head, and says so
when it is converted, needs training before it colors.
"""

import sys

from absl import flags

from tfcolor.config.command import Command, run_command
from tfcolor.config.conversion import (
    CONVERT_OPTIONS,
    ConvertOptions,
    ZooOptions,
    convert_weights,
    fetch_published,
)
from tfcolor.config.flags import read_options
from tfcolor.models.weights.zoo import format_zoo


def main(flag_values: flags.FlagValues, arguments: list[str]) -> None:
    """Converts, lists or fetches as the flags say."""
    del arguments
    zoo = read_options(ZooOptions, "", flag_values)
    if zoo.zoo:
        sys.stdout.write(format_zoo())
    elif zoo.zoo_download:
        fetch_published(zoo.zoo_download, zoo.zoo_dir)
    else:
        convert_weights(read_options(ConvertOptions, "", flag_values))


COMMAND = Command("convert", __doc__, CONVERT_OPTIONS, main)


def run() -> None:
    """Runs the command."""
    run_command(COMMAND)


if __name__ == "__main__":
    run()
