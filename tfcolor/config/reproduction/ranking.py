"""The rows of a table in order of what they gain over one of them, or over their parts."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfcolor.analysis.figures import BLUE, GRAY, RED, strip_axes
from tfcolor.config.reproduction.report import Measured
from tfcolor.config.reproduction.study import Column, Table
from tfcolor.metrics.intervals import LEVEL, Interval, control_intervals


@dataclasses.dataclass(frozen=True)
class Standing:
    """How one row stands in a column.

    Args:
      title: of the row, and of the one that it is compared with where that varies.
      gain: how much better than that one, in the unit of the column; negative if it
        is worse.
      interval: of the gain; None for the baseline, and without several seeds.
    """

    title: str
    gain: float
    interval: Interval | None = None

    @property
    def is_better(self) -> bool:
        """Tells whether the seeds suffice to call it better."""
        return self.interval is not None and self.interval.is_positive

    @property
    def is_worse(self) -> bool:
        """Tells whether the seeds suffice to call it worse."""
        return self.interval is not None and self.interval.is_negative


Ranking = dict[Column, list[Standing]]


def rank_rows(table: Table, measured: Measured) -> Ranking:
    """Returns how all rows compare with the baseline of a table, best first.

    Rows with parts are compared with the best of their parts instead, and no others
    are. The best by its mean: a row that is surely better than that one is better
    than each of them.

    Args:
      table: with a baseline, with rows that have parts, or without either.
      measured: the figures so far.

    Returns:
      Standings by column, of the rows that have been measured. Columns in which the
      baseline or everything else is missing are left out.
    """
    ranking = {column: _rank_column(table, column, measured) for column in table.columns}
    return {column: standings for column, standings in ranking.items() if standings}


def _rank_column(table: Table, column: Column, measured: Measured) -> list[Standing]:
    """Returns the standings of one column, none without anything to compare with."""
    sign = -1.0 if column.lower_is_better else 1.0
    values = {
        row.name: numbers
        for row in table.rows
        if (seeds := measured.get((row.name, column.name)))
        and (numbers := [sign * value for one in seeds if (value := column.read(one)) is not None])
    }
    controls = _choose_controls(table, values)
    if not controls:
        return []
    has_deviation = any(len(values[name]) > 1 for pair in controls.items() for name in pair)
    intervals = control_intervals(values, controls) if has_deviation else {}
    titles = {row.name: row.title for row in table.rows}
    standings = [
        Standing(
            titles[name] if table.baseline else f"{titles[name]} over {titles[control]}",
            statistics.fmean(values[name]) - statistics.fmean(values[control]),
            intervals.get(name),
        )
        for name, control in controls.items()
    ]
    if table.baseline:
        standings.append(Standing(titles[table.baseline], 0.0))
    return sorted(standings, key=lambda one: -one.gain)


def _choose_controls(table: Table, values: Mapping[str, Sequence[float]]) -> dict[str, str]:
    """Returns the row that each row is compared with, by their names."""
    if table.baseline:
        others = [name for name in values if name != table.baseline]
        return dict.fromkeys(others, table.baseline) if table.baseline in values else {}
    return {
        row.name: max(row.parts, key=lambda part: statistics.fmean(values[part]))
        for row in table.rows
        if row.parts and values.keys() >= {row.name, *row.parts}
    }


def _reference(table: Table) -> str:
    """Returns what the report calls the rows that others are compared with."""
    titles = {row.name: row.title for row in table.rows}
    return titles.get(table.baseline, "its best counterpart")


def format_ranking(table: Table, ranking: Ranking) -> list[str]:
    """Returns the section of the report.

    Args:
      table: with a baseline, or rows with parts.
      ranking: from `rank_rows`.

    Returns:
      Lines of Markdown; none if nothing can be compared.
    """
    if not ranking:
        return []
    baseline = _reference(table)
    text = f"What each row gains over *{baseline}*, best first."
    if any(one.interval for standings in ranking.values() for one in standings):
        text += (
            " The half widths of the intervals are Student's, of the deviation between seeds pooled"
            " over all rows of a column, widened after Bonferroni: all of a column hold together"
            f" with a probability of {LEVEL:.0%}. Bold is surely better by them, italic surely"
            " worse; the others cannot be told from it."
        )
    lines = ["## Ranking", "", text]
    lines += ["", "| place | " + " | ".join(column.title for column in ranking) + " |"]
    lines.append("|---|" + "---|" * len(ranking))
    for place in range(max(map(len, ranking.values()))):
        texts = [
            _format_standing(standings[place], column) if place < len(standings) else ""
            for column, standings in ranking.items()
        ]
        lines.append(f"| {place + 1} | " + " | ".join(texts) + " |")
    return [*lines, "", *(_summarize(one, ranking[one], baseline) for one in ranking), ""]


def _format_standing(standing: Standing, column: Column) -> str:
    """Returns one entry of the ranking."""
    text = f"{standing.title} {standing.gain:+.{column.digits}f}"
    if standing.interval is None:
        return text
    text += f" ± {standing.interval.high - standing.interval.mean:.{column.digits}f}"
    mark = "**" if standing.is_better else "*" if standing.is_worse else ""
    return f"{mark}{text}{mark}"


def _summarize(column: Column, standings: Sequence[Standing], baseline: str) -> str:
    """Returns how many rows can be told from the baseline in one column."""
    others = [one for one in standings if one.title != baseline]
    if not any(one.interval for one in others):
        return f"- {column.title}: one seed, which cannot tell."
    better = sum(one.is_better for one in others)
    worse = sum(one.is_worse for one in others)
    return (
        f"- {column.title}: of {len(others)} rows {better} surely better than {baseline}, {worse}"
        f" surely worse, {len(others) - better - worse} not to be told from it."
    )


def draw_ranking(table: Table, ranking: Ranking) -> Figure:
    """Draws the gains with their intervals, best on top.

    Args:
      table: with a baseline, or rows with parts.
      ranking: from `rank_rows`, of at least one column.

    Returns:
      A picture for each column: blue is surely better, red surely worse, gray
      cannot be told from the baseline, which is the dashed line.
    """
    longest = max(map(len, ranking.values()))
    size = (1.0 + 4.0 * len(ranking), 1.2 + 0.25 * longest)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(ranking), squeeze=False)[0]
    for axes, (column, standings) in zip(panels, ranking.items(), strict=True):
        _draw_column(axes, standings)
        more = "less" if column.lower_is_better else "more"
        axes.set_xlabel(f"{column.title},\n{more} than {_reference(table)}", fontsize=8)
    return figure


def _draw_column(axes: Axes, standings: Sequence[Standing]) -> None:
    """Draws the standings of one column from top to bottom."""
    for place, one in enumerate(standings):
        color = BLUE if one.is_better else RED if one.is_worse else GRAY
        half = one.interval.high - one.interval.mean if one.interval else 0.0
        axes.errorbar(one.gain, place, xerr=half, fmt="o", ms=4, color=color, capsize=3)
    axes.axvline(0, color=GRAY, ls="--", lw=1.2)
    axes.set_yticks(range(len(standings)), [one.title for one in standings], fontsize=8)
    axes.invert_yaxis()
    strip_axes(axes, "x")
