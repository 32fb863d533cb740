"""A figure from its trainings to its report."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from tfcolor.config.reproduction.cells import SEGMENTING
from tfcolor.config.reproduction.jobs import (
    Place,
    format_command,
    measure_cell,
    run_of,
    run_once,
    train,
    why_missing,
)
from tfcolor.config.reproduction.label_counts import format_utility, measure_label_counts
from tfcolor.config.reproduction.layout import PHOTOGRAPHS, SCENES
from tfcolor.config.reproduction.multi_task_figures import MIXTURE_WEIGHTS
from tfcolor.config.reproduction.options import ReproduceOptions
from tfcolor.config.reproduction.planning import choose
from tfcolor.config.reproduction.pretext_figures import FIRST_FILTERS, LOSS_CURVES
from tfcolor.config.reproduction.pretraining_figures import (
    FEATURE_SHIFT,
    LEARNING_CURVE,
    TOP_ACTIVATIONS,
)
from tfcolor.config.reproduction.study import SMALL, Figure, Series, Subject, Training
from tfcolor.config.reproduction.testbed_figures import GRADIENT_NORM
from tfcolor.config.reproduction.testbed_trainings import CLASSIFYING
from tfcolor.config.reproduction.utility_figure import UTILITY
from tfcolor.core.errors import UserError
from tfcolor.core.files import check_writable, write_json, write_text
from tfcolor.core.progress import ProgressReport, say
from tfcolor.training.checkpoints import find_checkpoints

SEED = 0
"""A figure shows one run of each network, but for those with error bars."""


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What was made of one series.

    Args:
      series: whose.
      commands: all that lead to it, in order.
      folder: of the picture and the JSON file, which are named after the analysis.
      numbers: what the JSON file holds.
    """

    series: Series
    commands: list[str]
    folder: Path
    numbers: dict[str, Any]


def reproduce_figure(figure: Figure, options: ReproduceOptions, place: Place, output: Path) -> Path:
    """Trains and analyzes the networks of a figure; goes on where it stopped.

    Args:
      figure: what is to be shown.
      options: as given.
      place: where the runs go.
      output: folder of the report.

    Returns:
      The report. `report.json` and a folder for each network lie beside it.

    Raises:
      UsageError: if `--rows` names no network of the figure.
      UserError: if the data is missing or a command fails.
    """
    chosen = choose("rows", figure.series, options.rows)
    check_writable(output / "report.md")
    drawn, gaps = [], []
    with ProgressReport(f"figure {options.figure}", len(chosen), "networks") as progress:
        for series in chosen:
            reason = _why_missing(series, options.scale, place)
            if reason:
                gaps.append(f"{series.title}: there is no {reason}")
                say(f"left out: {gaps[-1]}")
            else:
                drawn.append(_draw(figure, series, options, place, output))
            if drawn:
                _write_report(figure, options, drawn, gaps, output)
            progress.advance(note=series.title)
    if not drawn:
        raise UserError(f"--data={options.data}: nothing can be shown ({'; '.join(gaps)})")
    return output / "report.md"


def _why_missing(series: Series, scale: str, place: Place) -> str:
    """Returns what a series needs and is not there, in words; empty if nothing is."""
    runs = [series.downstream or series.pretraining, *series.rivals.values()]
    measure = SEGMENTING if series.downstream and not series.label_counts else CLASSIFYING
    trained = tuple(one[scale] for one in runs if one)
    return why_missing(Subject(trained), measure, place) if trained else ""


def _draw(
    figure: Figure, series: Series, options: ReproduceOptions, place: Place, output: Path
) -> Drawn:
    """Trains one network and analyzes it; only analyzes where there is none."""
    folder = output / series.name
    command = ["analyze", f"--analysis={figure.analysis}"]
    product = folder / f"{figure.analysis}.json"
    commands: list[str] = []
    if series.pretraining:
        commands, flags = _prepare(figure, series, options, place, folder)
        command += flags
        newest = _finished(series, options.scale, place, folder)
        if product.exists() and product.stat().st_mtime_ns < newest:
            product.unlink()
    command.append(f"--output={folder}")
    run_once(command, product, output / "logs" / f"{series.name}.log")
    commands.append(format_command(command))
    return Drawn(series, commands, folder, json.loads(product.read_text()))


def _prepare(
    figure: Figure, series: Series, options: ReproduceOptions, place: Place, folder: Path
) -> tuple[list[str], list[str]]:
    """Trains one network; returns the commands and the flags of `analyze` for it."""
    scale = options.scale
    if figure.analysis == UTILITY:
        return measure_label_counts(series, options, place, folder)
    pretraining = series.pretraining[scale]
    run = run_of(pretraining, SEED, place)
    command = [f"--model={run}", "--checkpoint=last"]
    if figure.analysis == LOSS_CURVES:
        return _train_rivals(series, scale, place, "curves")
    if figure.analysis == MIXTURE_WEIGHTS:
        commands, flags = _train_rivals(series, scale, place, "mixtures")
        return commands, [*flags, f"--images={place.images[PHOTOGRAPHS].test}"]
    if figure.analysis == FEATURE_SHIFT:
        downstream = series.downstream[scale]
        commands = train(downstream, SEED, place)
        command += [f"--other_model={run_of(downstream, SEED, place)}", "--other_checkpoint=last"]
        command.append(f"--images={place.images[SCENES].test}")
    elif figure.analysis == TOP_ACTIVATIONS:
        commands = train(pretraining, SEED, place)
        command.append(f"--images={place.images[PHOTOGRAPHS].test}")
    elif figure.analysis in (GRADIENT_NORM, FIRST_FILTERS):
        commands = train(pretraining, SEED, place)
    else:
        commands, results = _measure_snapshots(series, scale, place, folder)
        command.append(f"--downstream={','.join(results)}")
    return commands, command


def _train_rivals(
    series: Series, scale: str, place: Place, flag: str
) -> tuple[list[str], list[str]]:
    """Trains all networks of a picture; returns the commands and the flag of `analyze`."""
    trainings = {series.title: series.pretraining[scale]}
    trainings |= {title: each[scale] for title, each in series.rivals.items()}
    commands = [line for one in trainings.values() for line in train(one, SEED, place)]
    curves = [f"{title}:{run_of(one, SEED, place)}" for title, one in trainings.items()]
    return list(dict.fromkeys(commands)), [f"--{flag}={','.join(curves)}"]


def _finished(series: Series, scale: str, place: Place, folder: Path) -> int:
    """Returns when the last run or measurement of a series was finished, in nanoseconds."""
    trainings = [series.pretraining, *series.rivals.values()]
    results = [run_of(one[scale], SEED, place) / "result.json" for one in trainings]
    results += folder.glob("*_seed*.json")
    return max(result.stat().st_mtime_ns for result in results)


def _measure_snapshots(
    series: Series, scale: str, place: Place, folder: Path
) -> tuple[list[str], list[str]]:
    """Measures random weights and the snapshots of a pretraining downstream.

    Returns the commands and, for each, STEP:FILE with its figures.
    """
    pretraining, downstream = series.pretraining[scale], series.downstream[scale]
    commands = train(pretraining, SEED, place)
    run = run_of(pretraining, SEED, place)
    saved = [step for step, _ in find_checkpoints(run, "last")]
    length = json.loads((run / "result.json").read_text())["steps"]
    steps = sorted(
        {min(saved, key=lambda step: abs(step - moment * length)) for moment in series.moments}
    )
    subjects: dict[int, Training] = {0: dataclasses.replace(downstream, start=None)}
    for step in steps:
        subjects[step] = dataclasses.replace(
            downstream,
            name=f"{downstream.name}_from_{step}",
            flags=(*downstream.flags, f"--initial_checkpoint={step}"),
        )
    results = []
    for step, subject in subjects.items():
        figures = measure_cell(Subject((subject,)), SEGMENTING, SEED, place)
        path = folder / f"step_{step}.json"
        write_json(path, figures)
        commands += figures["commands"]
        results.append(f"{step}:{path}")
    return list(dict.fromkeys(commands)), results


def _write_report(
    figure: Figure, options: ReproduceOptions, drawn: list[Drawn], gaps: list[str], output: Path
) -> None:
    """Writes both files with what was made so far."""
    lines = [f"# Figure {options.figure}. {figure.title}", ""]
    flags = f"--figure={options.figure} --scale={options.scale} --data={options.data}"
    if figure.analysis == UTILITY:
        flags += f" --seeds={options.seeds}"
        flags += f" --columns={','.join(options.columns)}" if options.columns else ""
    lines += [f"`tfcolor reproduce {flags}`", "", f"Published: {figure.published}"]
    lines += ["", figure.note] if figure.note and options.scale == SMALL else []
    lines += [line for gap in gaps for line in ("", f"Left out: {gap}.")]
    records = []
    for one in drawn:
        place = f"{one.series.name}/{figure.analysis}"
        lines += ["", f"## {one.series.title}", "", f"![{one.series.title}]({place}.png)", ""]
        if figure.analysis == LEARNING_CURVE:
            lines += _format_results(one.numbers["downstream"])
        if figure.analysis == UTILITY:
            lines += format_utility(one.numbers)
        lines += [f"Numbers: [{place}.json]({place}.json). Commands:", ""]
        lines += [f"- `{command}`" for command in one.commands]
        records.append(
            {
                "figure": options.figure,
                "series": one.series.title,
                "analysis": figure.analysis,
                "scale": options.scale,
                "command": " && ".join(one.commands),
                "numbers": f"{place}.json",
            }
        )
    write_json(output / "report.json", records)
    write_text(output / "report.md", "\n".join(lines) + "\n")


def _format_results(results: list[dict[str, Any]]) -> list[str]:
    """Returns a Markdown table of what the snapshots are worth."""
    rows = [f"| {one['step']} | {100 * one['value']:.1f} |" for one in results]
    return ["| pretraining steps | segmentation (% mIU) |", "|---|---|", *rows, ""]
