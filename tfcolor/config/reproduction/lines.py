"""A figure whose points were measured as the cells of a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from tfcolor.config.reproduction.study import Table


def draw_lines(table: Table, records: Sequence[Mapping[str, Any]]) -> Figure:
    """Draws what was measured of each row over the columns, and what is published.

    Args:
      table: whose columns are titled by numbers, the horizontal axis.
      records: from `make_records`.

    Returns:
      A line with error bars for each row, and circles at the published numbers.
    """
    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    axes = figure.subplots()
    for row in table.rows:
        own = [record for record in records if record["row"] == row.title]
        points = [
            (float(record["column"]), record["mean"], record["std"] or 0.0)
            for record in own
            if record["mean"] is not None
        ]
        places, means, deviations = zip(*points, strict=True) if points else ((), (), ())
        lines = axes.errorbar(places, means, deviations, marker="s", capsize=3, label=row.title)
        color = lines.lines[0].get_color()
        for record in own:
            if record["published"] is not None:
                place = float(record["column"])
                axes.plot(place, record["published"], "o", color=color, fillstyle="none")
    horizontal, vertical = table.axes
    axes.set(xlabel=horizontal, ylabel=vertical)
    axes.grid(color="#dddddd", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
