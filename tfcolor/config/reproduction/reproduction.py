"""A table from its flags to its report."""

import dataclasses
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tfcolor
from tfcolor.config.reproduction import CURVES, FIGURES, TABLES
from tfcolor.config.reproduction.figures import reproduce_figure
from tfcolor.config.reproduction.jobs import check_project, measure_cell, read_cell
from tfcolor.config.reproduction.layout import COLORIZATION
from tfcolor.config.reproduction.lines import draw_lines
from tfcolor.config.reproduction.options import ReproduceOptions, choose_output, find_place
from tfcolor.config.reproduction.pictures import find_colorizers, make_pictures
from tfcolor.config.reproduction.planning import ALL, Job, plan_table
from tfcolor.config.reproduction.ranking import draw_ranking, format_ranking, rank_rows
from tfcolor.config.reproduction.report import Measured, format_report, make_records
from tfcolor.config.reproduction.study import SMALL, Table
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.figures import save_figure
from tfcolor.core.files import check_writable, write_json, write_text
from tfcolor.core.progress import ProgressReport, say
from tfcolor.data.images import IMAGE_SUFFIXES

NUM_PICTURES = 6


def run_reproduction(options: ReproduceOptions) -> Path:
    """Trains and measures a table or figure; goes on where it stopped.

    A measurement that fails is named, and the others are made all the same.

    Args:
      options: which table or figure, on what.

    Returns:
      The report, a Markdown file. `report.json` and pictures lie beside it; those
      of a table are written anew after every measurement that was not there.

    Raises:
      UsageError: if the options do not fit together.
      UserError: if the data is missing, or a measurement failed.
    """
    check_project()
    if bool(options.table) == bool(options.figure):
        raise UsageError(
            f"--table={options.table} with --figure={options.figure}: expected one of the two"
        )
    if options.figure in FIGURES:
        output = choose_output(options)
        return reproduce_figure(FIGURES[options.figure], options, find_place(options), output)
    return _reproduce_table(options)


def _table_of(options: ReproduceOptions) -> Table:
    """Returns the table, or the figure that is made like one."""
    return CURVES[options.figure] if options.figure else TABLES[options.table]


class Measurements:
    """What was measured, by row, column and seed."""

    def __init__(self) -> None:
        self._figures: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}

    def add(self, job: Job, figures: dict[str, Any]) -> bool:
        """Adds what a job has measured, in the place of what was there.

        Args:
          job: whose.
          figures: from `measure_cell`.

        Returns:
          Whether it differs from what was there.
        """
        is_new = False
        for column in job.columns:
            seeds = self._figures.setdefault((job.row.name, column.name), {})
            is_new |= seeds.get(job.seed) != figures
            seeds[job.seed] = figures
        return is_new

    def by_cell(self) -> Measured:
        """Returns the figures of every cell in the order of the seeds."""
        return {
            key: [figures[seed] for seed in sorted(figures)]
            for key, figures in self._figures.items()
        }


def _reproduce_table(options: ReproduceOptions) -> Path:
    """Makes all measurements and pictures of a table; returns its report."""
    table, output = _table_of(options), choose_output(options)
    place = find_place(options, table.dataset, table.subset)
    plan = plan_table(table, options, place)
    check_writable(output / "report.md")
    for gap in plan.gaps:
        say(f"left out: {gap}")
    everything = plan_table(table, dataclasses.replace(options, rows=(), columns=(ALL,)), place)
    measured = Measurements()
    for job in everything.jobs:
        # What another call has measured is shown too.
        one = read_cell(job.subject, job.measure, job.seed, place)
        if one is not None:
            measured.add(job, one)
    failures: list[str] = []
    number = options.table or options.figure
    with ProgressReport(f"{table.kind} {number}", len(plan.jobs), "measurements") as progress:
        for job in plan.jobs:
            try:
                one = measure_cell(job.subject, job.measure, job.seed, place)
            except UserError as error:
                failures.append(f"{job.title}: {error}")
                note, is_new = failures[-1], True
            else:
                is_new = measured.add(job, one)
                note = f"{job.title}: {_format_figures(job, one)}"
            if is_new:
                _write_report(options, measured, [*plan.gaps, *failures], output)
            progress.advance(note=note)
    colorizers = find_colorizers(plan.jobs)
    if colorizers and options.scale == SMALL and not failures:
        photographs = _choose_photographs(place.images[COLORIZATION].test)
        make_pictures(colorizers, photographs, place, output)
    _write_report(options, measured, [*plan.gaps, *failures], output)
    if failures:
        raise UserError(f"{len(failures)} measurements failed; the first: {failures[0]}")
    return output / "report.md"


def _format_figures(job: Job, one: dict[str, Any]) -> str:
    """Returns what a measurement found, in the units of its columns."""
    pairs = [(column, column.read(one)) for column in job.columns]
    texts = ["none" if value is None else f"{value:.{column.digits}f}" for column, value in pairs]
    return ", ".join(texts)


def _choose_photographs(images: str) -> list[Path]:
    """Returns some photographs, spread evenly over a folder."""
    paths = sorted(
        path for path in Path(images).rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES
    )
    count = min(NUM_PICTURES, len(paths))
    return [paths[index * len(paths) // count] for index in range(count)]


def _write_report(
    options: ReproduceOptions,
    measurements: Measurements,
    gaps: Sequence[str],
    output: Path,
) -> None:
    """Writes both files with what was measured so far."""
    table, measured = _table_of(options), measurements.by_cell()
    number = options.table or options.figure
    records = make_records(number, table, measured, options.scale)
    chosen = [
        f"--{name}={','.join(getattr(options, name))}"
        for name in ("rows", "columns")
        if getattr(options, name)
    ]
    flags = [f"--{table.kind}={number}", f"--scale={options.scale}", f"--data={options.data}"]
    head = (
        f"`tfcolor reproduce {' '.join([*flags, f'--seeds={options.seeds}', *chosen])}`: tfcolor"
        f" {tfcolor.__version__}, {platform.machine()}, last checkpoint of each run."
    )
    lines = [head, *(["", "Left out:", "", *(f"- {gap}" for gap in gaps)] if gaps else [])]
    sections = _illustrate(table, measured, records, output)
    page = format_report(number, table, measured, records, "\n".join(lines), sections)
    write_json(output / "report.json", records)
    write_text(output / "report.md", page)


def _illustrate(
    table: Table, measured: Measured, records: Sequence[dict[str, Any]], output: Path
) -> list[str]:
    """Draws what a table has beyond its numbers; returns the lines that show it."""
    sections: list[str] = []
    ranking = rank_rows(table, measured)
    if ranking:
        save_figure(draw_ranking(table, ranking), output / "ranking.png")
        sections += [*format_ranking(table, ranking), "![Gains over a row](ranking.png)", ""]
    if (output / "pictures.png").exists():
        sections += ["![Colored photographs, a column for each row](pictures.png)", ""]
    if table.axes:
        save_figure(draw_lines(table, records), output / "lines.png")
        sections += ["![A line for each row](lines.png)", ""]
    return sections
