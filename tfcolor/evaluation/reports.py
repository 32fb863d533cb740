"""Files that an evaluation leaves besides its figures in JSON."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tfcolor.core.figures import save_figure
from tfcolor.core.files import check_writable
from tfcolor.evaluation.tables import write_rows

NUM_SHOWN = 3
"""Photographs in each block of a sheet."""


@dataclasses.dataclass(frozen=True)
class Reports:
    """Where to write more than the figures.

    Args:
      table: CSV file with a row per photograph; empty for none.
      figures: folder for PNG files; empty for none.
    """

    table: str = ""
    figures: str = ""

    def check(self) -> None:
        """Raises UserError unless all can be written, before hours go into them."""
        if self.table:
            check_writable(self.table)
        if self.figures:
            check_writable(Path(self.figures) / "figure.png")

    def write(
        self, rows: Sequence[Mapping[str, Any]], drawings: Iterable[tuple[str, Figure]]
    ) -> None:
        """Writes what is wanted.

        Args:
          rows: of the table, at least one.
          drawings: name and figure of each file; not asked for one where none
            is wanted, so a generator draws nothing in vain.

        Raises:
          UserError: if a file cannot be written.
        """
        if self.table:
            write_rows(self.table, rows)
        if self.figures:
            for name, figure in drawings:
                save_figure(figure, Path(self.figures) / f"{name}.png")


def ranked_blocks(scores: Sequence[float]) -> dict[str, list[int]]:
    """Chooses the photographs that a sheet shows.

    Args:
      scores: of each photograph, higher for better.

    Returns:
      Positions by `best`, `median` and `worst`, in falling order of the score;
      no photograph is in two of them, so some may be empty.

    Example:
      >>> ranked_blocks([3.0, 1.0, 2.0])
      {'best': [0], 'median': [2], 'worst': [1]}
    """
    order = [int(position) for position in np.argsort(-np.asarray(scores), kind="stable")]
    count = min(NUM_SHOWN, -(-len(order) // 3))
    best, rest = order[:count], order[count:]
    worst = rest[max(len(rest) - count, 0) :]
    between = rest[: len(rest) - len(worst)]
    start = (len(between) - count) // 2 if len(between) > count else 0
    return {"best": best, "median": between[start : start + count], "worst": worst}
