"""What a reproduction found: one page for people, one file for programs."""

import datetime
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tfcolor.config.reproduction.study import SMALL, Column, Row, Table

Measured = Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]
"""What `measure_cell` returned for every seed, by names of row and column."""


def make_records(number: str, table: Table, measured: Measured, scale: str) -> list[dict[str, Any]]:
    """Returns one record for every cell of a table.

    Args:
      number: of the table, "2.2".
      table: what was reproduced.
      measured: the figures so far.
      scale: "small" or "full".

    Returns:
      Records with table, row, column, metric, published, mean, std (over seeds;
      None for one seed), seeds, scale, command (all that lead to the cell, for the
      first seed) and seconds. Cells with neither a published nor a measured number
      are left out.
    """
    records = []
    for row in table.rows:
        for column in table.columns:
            seeds = measured.get((row.name, column.name), ())
            values = [value for one in seeds if (value := column.read(one)) is not None]
            published = row.cells[column.name].published if column.name in row.cells else None
            if not values and published is None:
                continue
            records.append(
                {
                    "table": number,
                    "row": row.title,
                    "column": column.title,
                    "metric": column.key,
                    "published": published,
                    "mean": statistics.fmean(values) if values else None,
                    "std": statistics.stdev(values) if len(values) > 1 else None,
                    "seeds": len(values),
                    "scale": scale,
                    "command": " && ".join(seeds[0]["commands"]) if seeds else None,
                    "seconds": sum(one["seconds"] for one in seeds) if seeds else None,
                }
            )
    return records


def format_report(
    number: str,
    table: Table,
    measured: Measured,
    records: Sequence[Mapping[str, Any]],
    head: str,
    sections: Sequence[str] = (),
) -> str:
    """Returns the page as Markdown.

    Args:
      number: of the table.
      table: what was reproduced.
      measured: the figures so far.
      records: from `make_records`.
      head: lines that say how it was run.
      sections: lines that come between the table and the commands.

    Returns:
      A page with the table, the sections and every command.
    """
    is_small = any(record["scale"] == SMALL for record in records)
    lines = [f"# {table.kind.capitalize()} {number}. {table.title}", "", head]
    lines += ["", table.note] if table.note and is_small else []
    lines += ["", table.remark] if table.remark else []
    lines += ["", *_format_table(table, records), ""]
    lines.append(_explain(table, records, is_small))
    return "\n".join([*lines, "", *sections, *_format_commands(table, measured)]) + "\n"


def _explain(table: Table, records: Sequence[Mapping[str, Any]], is_small: bool) -> str:
    """Returns what the numbers of a table are."""
    text = "Mean and standard deviation over the seeds"
    if all(record["published"] is None for record in records):
        return f"{text}."
    if not is_small:
        return f"{text}, beside the numbers of {table.source}."
    return (
        f"{text}; published numbers are those of {table.source} on {table.dataset}. Networks,"
        f" training images and test images differ, so {table.reading}."
    )


def _format_commands(table: Table, measured: Measured) -> list[str]:
    """Returns the commands of every cell and what they took, those of equal cells once."""
    told = "For the first seed; times are of all seeds and all that led to them."
    lines = ["## Commands", "", told, ""]
    for row in table.rows:
        shown: dict[str, list[str]] = {}
        for column in table.columns:
            seeds = measured.get((row.name, column.name), ())
            for one in seeds[:1]:
                commands = ", then ".join(f"`{command}`" for command in one["commands"])
                text = f"{_format_effort(seeds)}: {commands}"
                shown.setdefault(text, []).append(column.title)
        for text, titles in shown.items():
            which = "" if len(shown) == 1 else f" ({', '.join(titles)})"
            lines.append(f"- {row.title}{which}, {text}")
    return lines


def _format_effort(seeds: Sequence[Mapping[str, Any]]) -> str:
    """Returns how many seeds a cell has, and what they took."""
    count = f"{len(seeds)} seeds" if len(seeds) > 1 else "1 seed"
    duration = datetime.timedelta(seconds=round(sum(one["seconds"] for one in seeds)))
    return f"{count}, {duration}"


def _format_table(table: Table, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the lines of the Markdown table, published beside ours."""
    cells = {(record["row"], record["column"]): record for record in records}
    columns = [
        (column, kind)
        for column in table.columns
        for kind in ("published", "mean")
        if any(record[kind] is not None for record in records if record["column"] == column.title)
    ]
    labels = {"published": "published", "mean": "ours"}
    lines = ["| | " + " | ".join(f"{one.title}, {labels[kind]}" for one, kind in columns) + " |"]
    lines.append("|---|" + "---|" * len(columns))
    for row in table.rows:
        texts = [
            _format_cell(cells.get((row.title, one.title)), one, kind) for one, kind in columns
        ]
        lines.append(f"| {_format_title(row)} | " + " | ".join(texts) + " |")
    return lines


def _format_title(row: Row) -> str:
    """Returns a row's title, marked where the row is not run."""
    return f"{row.title} (quoted)" if row.is_quoted else row.title


def _format_cell(record: Mapping[str, Any] | None, column: Column, kind: str) -> str:
    """Returns the text of one cell, a dash where there is no number."""
    if record is None or record[kind] is None:
        return "-"
    text = f"{record[kind]:.{column.digits}f}"
    if kind == "mean" and record["std"] is not None:
        text += f" ± {record['std']:.{column.digits}f}"
    return text
