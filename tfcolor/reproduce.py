r"""Reproduces a table or figure of the dissertation: trains and measures every cell.

Examples:
  tfcolor reproduce --table=2.2 --scale=small --data=DATA
  tfcolor reproduce --table=2.3 --data=DATA --seeds=1 --rows=fc7,data_to_fc7
  tfcolor reproduce --table=3.4 --data=DATA --columns=segmentation,fov --work=runs/chapter_3
  tfcolor reproduce --figure=3.3 --data=DATA --work=runs/chapter_3
  tfcolor reproduce --table=3.1 --scale=full --data=DATA --weights=CONVERTED

A cell is a chain of processes: a pretraining, what is trained from it, a measurement. Cells, rows
and tables share the runs they have in common. The report, with the published numbers beside ours,
lies in runs/table_2.2_small/report.md, for programs in report.json. The same command goes on where
it stopped: finished runs are not run again. Columns whose data is missing are left out.
"""

from absl import flags

from tfcolor.config.command import Command, run_command
from tfcolor.config.flags import read_options
from tfcolor.config.reproduction.options import ReproduceOptions
from tfcolor.config.reproduction.reproduction import run_reproduction
from tfcolor.core.progress import say

OPTIONS = ((ReproduceOptions, ""),)


def main(flag_values: flags.FlagValues, arguments: list[str]) -> None:
    """Reproduces the table or figure that the flags name."""
    del arguments
    report = run_reproduction(read_options(ReproduceOptions, "", flag_values))
    say(f"wrote {report}")


COMMAND = Command("reproduce", __doc__, OPTIONS, main)


def run() -> None:
    """Runs the command."""
    run_command(COMMAND)


if __name__ == "__main__":
    run()
