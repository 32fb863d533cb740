"""Reproduces a table of the dissertation: trains and measures every row.

Examples:
  tfcolor reproduce --table=2.2 --scale=small --data=PHOTOS
  tfcolor reproduce --table=2.3 --data=PHOTOS --seeds=1 --rows=fc7,data_to_fc7
  tfcolor reproduce --table=2.2 --scale=full --data=IMAGENET

The report, with the published numbers beside ours and pictures, lies in
runs/table_2.2_small/report.md, for programs in report.json. The same command
goes on where it stopped: finished rows are not run again.
"""

from absl import flags

from tfcolor.config.command import Command, run_command
from tfcolor.config.flags import read_options
from tfcolor.config.reproduction.reproduction import ReproduceOptions, run_reproduction
from tfcolor.core.progress import say

OPTIONS = ((ReproduceOptions, ""),)


def main(flag_values: flags.FlagValues, arguments: list[str]) -> None:
    """Reproduces the table that the flags name."""
    del arguments
    report = run_reproduction(read_options(ReproduceOptions, "", flag_values))
    say(f"wrote {report}")


COMMAND = Command("reproduce", __doc__, OPTIONS, main)


def run() -> None:
    """Runs the command."""
    run_command(COMMAND)


if __name__ == "__main__":
    run()
