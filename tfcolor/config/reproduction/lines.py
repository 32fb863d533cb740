"""A figure whose points were measured as the cells of a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfcolor.analysis.figures import strip_axes
from tfcolor.config.reproduction.study import Column, Table

Record = Mapping[str, Any]


def draw_lines(table: Table, records: Sequence[Record]) -> Figure:
    """Draws what was measured of each row over the columns, and what is published.

    Args:
      table: with columns that have places on the horizontal axis.
      records: from `make_records`.

    Returns:
      A picture for each panel, in which each row is a line with error bars, or
      dashed across everything if it has a single place, with circles at the
      published numbers.
    """
    panels: dict[str, list[Column]] = {}
    for column in table.columns:
        panels.setdefault(column.panel, []).append(column)
    figure = Figure(figsize=(2.0 + 4.0 * len(panels), 4.0), layout="constrained")
    horizontal, vertical = table.axes
    for axes, (title, columns) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        places = {column.title: column.place or 0.0 for column in columns}
        own = [record for record in records if record["column"] in places]
        _draw_panel(axes, [row.title for row in table.rows], places, own)
        axes.set(xlabel=horizontal, ylabel=title or vertical)
        strip_axes(axes, "both")
    axes.legend(frameon=False, fontsize=8)
    return figure


def _draw_panel(
    axes: Axes,
    rows: Sequence[str],
    places: Mapping[str, float],
    records: Sequence[Record],
) -> None:
    """Draws the lines of all rows in one picture."""
    for row in rows:
        own = [record for record in records if record["row"] == row]
        points = [
            (places[record["column"]], record["mean"], record["std"] or 0.0)
            for record in own
            if record["mean"] is not None
        ]
        if len(own) == 1 and points:
            line = axes.axhline(points[0][1], ls="--", color="gray", label=row)
            color = line.get_color()
        else:
            along, means, deviations = zip(*points, strict=True) if points else ((), (), ())
            bars = axes.errorbar(along, means, deviations, marker="s", capsize=3, label=row)
            color = bars.lines[0].get_color()
        for record in own:
            if record["published"] is not None:
                place = places[record["column"]]
                axes.plot(place, record["published"], "o", color=color, fillstyle="none")
