"""The rows of a table in order of what they gain over one of them."""

import dataclasses
import statistics
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfcolor.analysis.figures import BLUE, GRAY, RED, strip_axes
from tfcolor.config.reproduction.report import Measured
from tfcolor.config.reproduction.study import Column, Row, Table
from tfcolor.metrics.intervals import LEVEL, Interval, control_intervals


@dataclasses.dataclass(frozen=True)
class Standing:
    """How one row stands in a column.

    Args:
      title: of the row.
      gain: how much better than the baseline, in the unit of the column; negative
        if it is worse.
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

    Args:
      table: with a baseline, or without.
      measured: the figures so far.

    Returns:
      Standings by column, of the rows that have been measured. Columns in which the
      baseline or everything else is missing are left out.
    """
    baselines = [row for row in table.rows if row.name == table.baseline]
    ranking = {
        column: _rank_column(table.rows, baseline, column, measured)
        for baseline in baselines
        for column in table.columns
    }
    return {column: standings for column, standings in ranking.items() if len(standings) > 1}


def _rank_column(
    rows: Sequence[Row], baseline: Row, column: Column, measured: Measured
) -> list[Standing]:
    """Returns the standings of one column, none without the baseline."""
    sign = -1.0 if column.lower_is_better else 1.0
    values = {
        row.name: [sign * value for one in seeds if (value := column.read(one)) is not None]
        for row in rows
        if (seeds := measured.get((row.name, column.name)))
    }
    others = {name: one for name, one in values.items() if one}
    control = others.pop(baseline.name, None)
    if control is None:
        return []
    has_deviation = any(len(one) > 1 for one in (control, *others.values()))
    intervals = control_intervals(others, control) if has_deviation else {}
    middle = statistics.fmean(control)
    titles = {row.name: row.title for row in rows}
    standings = [
        Standing(titles[name], statistics.fmean(one) - middle, intervals.get(name))
        for name, one in others.items()
    ]
    return sorted([Standing(baseline.title, 0.0), *standings], key=lambda one: -one.gain)


def format_ranking(table: Table, ranking: Ranking) -> list[str]:
    """Returns the section of the report.

    Args:
      table: with a baseline.
      ranking: from `rank_rows`.

    Returns:
      Lines of Markdown; none if nothing can be compared.
    """
    if not ranking:
        return []
    titles = {row.name: row.title for row in table.rows}
    baseline = titles[table.baseline]
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
      table: with a baseline.
      ranking: from `rank_rows`, of at least one column.

    Returns:
      A picture for each column: blue is surely better, red surely worse, gray
      cannot be told from the baseline, which is the dashed line.
    """
    longest = max(map(len, ranking.values()))
    size = (1.0 + 4.0 * len(ranking), 1.2 + 0.25 * longest)
    figure = Figure(figsize=size, layout="constrained")
    titles = {row.name: row.title for row in table.rows}
    panels = figure.subplots(1, len(ranking), squeeze=False)[0]
    for axes, (column, standings) in zip(panels, ranking.items(), strict=True):
        _draw_column(axes, standings)
        more = "less" if column.lower_is_better else "more"
        axes.set_xlabel(f"{column.title},\n{more} than {titles[table.baseline]}", fontsize=8)
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
