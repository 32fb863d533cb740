"""What a reproduction found: one page for people, one file for programs."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tfcolor.config.reproduction.tables import Metric, Row, Table

Figures = Mapping[str, Sequence[Mapping[str, Any]]]
"""Figures of `evaluate` for every seed, by name of row, with the `training` command."""


def make_records(number: str, table: Table, figures: Figures, scale: str) -> list[dict[str, Any]]:
    """Returns one record for every cell of a table.

    Args:
      number: of the table, "2.2".
      table: what was reproduced.
      figures: what was measured so far.
      scale: "small" or "full".

    Returns:
      Records with table, row, column, metric, published, mean, std (over seeds;
      None for one seed), seeds, scale, command and seconds. Cells with neither a
      published nor a measured number are left out.
    """
    records = []
    for row in table.rows:
        measured = figures.get(row.name, ())
        for metric in table.metrics:
            values = [one[metric.key] for one in measured if one.get(metric.key) is not None]
            published = row.published.get(metric.key)
            if not values and published is None:
                continue
            records.append(
                {
                    "table": number,
                    "row": row.title,
                    "column": metric.title,
                    "metric": metric.key,
                    "published": published,
                    "mean": statistics.fmean(values) if values else None,
                    "std": statistics.stdev(values) if len(values) > 1 else None,
                    "seeds": len(values),
                    "scale": scale,
                    "command": measured[0]["command"] if measured else None,
                    "seconds": sum(one["seconds"] for one in measured) if measured else None,
                }
            )
    return records


def format_report(
    number: str, table: Table, figures: Figures, records: Sequence[Mapping[str, Any]], head: str
) -> str:
    """Returns the page as Markdown.

    Args:
      number: of the table.
      table: what was reproduced.
      figures: what was measured so far.
      records: from `make_records`.
      head: lines that say how it was run.

    Returns:
      A page with the table, differences between its rows and every command. It
      shows `pictures.png`, which lies beside it.
    """
    lines = [f"# Table {number}. {table.title}", "", head]
    lines += ["", table.note] if table.note else []
    lines += ["", *_format_table(table, records), ""]
    lines.append(
        "Mean and standard deviation over the seeds; published numbers are those of the"
        f" dissertation on {table.dataset}. Networks, training images and test images differ, so"
        " compare the order of the rows and their distance to gray."
    )
    lines += ["", "![Colored photographs, a column for each row](pictures.png)", ""]
    lines += ["## Commands", ""]
    for row in table.rows:
        for one in figures.get(row.name, ())[:1]:
            commands = [one["training"], one["command"]]
            shown = ", then ".join(f"`{command}`" for command in commands if command)
            lines.append(f"- {row.title}: {shown}")
    return "\n".join(lines) + "\n"


def _format_table(table: Table, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the lines of the Markdown table, published beside ours."""
    cells = {(record["row"], record["metric"]): record for record in records}
    columns = [
        (metric, kind)
        for metric in table.metrics
        for kind in ("published", "mean")
        if any(record[kind] is not None for record in records if record["metric"] == metric.key)
    ]
    labels = {"published": "published", "mean": "ours"}
    lines = ["| | " + " | ".join(f"{m.title}, {labels[kind]}" for m, kind in columns) + " |"]
    lines.append("|---|" + "---|" * len(columns))
    for row in table.rows:
        texts = [_format_cell(cells.get((row.title, m.key)), m, kind) for m, kind in columns]
        lines.append(f"| {_format_title(row)} | " + " | ".join(texts) + " |")
    return lines


def _format_title(row: Row) -> str:
    """Returns a row's title, marked where the row is not run."""
    return f"{row.title} (quoted)" if row.is_quoted else row.title


def _format_cell(record: Mapping[str, Any] | None, metric: Metric, kind: str) -> str:
    """Returns the text of one cell, a dash where there is no number."""
    if record is None or record[kind] is None:
        return "-"
    text = f"{record[kind]:.{metric.digits}f}"
    if kind == "mean" and record["std"] is not None:
        text += f" ± {record['std']:.{metric.digits}f}"
    return text
