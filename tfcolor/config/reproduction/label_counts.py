"""Networks trained with more and more labels, after pretraining and from scratch."""

import dataclasses
import itertools
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfcolor.config.reproduction.jobs import Place, measure_cell
from tfcolor.config.reproduction.layout import CLASSES
from tfcolor.config.reproduction.options import ReproduceOptions
from tfcolor.config.reproduction.study import Series, Subject, Training
from tfcolor.config.reproduction.testbed_trainings import CLASSIFYING
from tfcolor.core.errors import UsageError
from tfcolor.core.files import write_json


def measure_label_counts(
    series: Series, options: ReproduceOptions, place: Place, folder: Path
) -> tuple[list[str], list[str]]:
    """Trains and measures with each number of labels, after pretraining and from scratch.

    A series that differs in its pretraining alone shares what is from scratch.

    Args:
      series: with label counts.
      options: scale, and how many seeds; each has a sample of the images of its
        own. `columns` are the numbers of images of each class; none for all.
      place: where the runs go.
      folder: for the figures of each measurement.

    Returns:
      (commands, flags): all commands in order, and the flags of `analyze`.

    Raises:
      UsageError: if a column is no number of labels of the series.
      UserError: if a command fails.
    """
    counts = _choose_counts(series, options)
    tuned = series.downstream[options.scale]
    commands: list[str] = []
    flags = []
    for flag, training in (("scratch", dataclasses.replace(tuned, start=None)), ("tuned", tuned)):
        results = []
        for seed, count in itertools.product(range(options.seeds), counts):
            subject = Subject((with_labels(training, count),))
            figures = measure_cell(subject, CLASSIFYING, seed, place)
            path = folder / f"{flag}_{count}_seed{seed}.json"
            if not path.exists() or json.loads(path.read_text()) != figures:
                write_json(path, figures)
            commands += figures["commands"]
            results.append(f"{CLASSES * count}:{path}")
        flags.append(f"--utility_{flag}={','.join(results)}")
    return list(dict.fromkeys(commands)), flags


def with_labels(training: Training, count: int) -> Training:
    """Returns a training on a few images of each class, other ones for each seed.

    Args:
      training: on all images.
      count: images of each class.

    Returns:
      A training with a name of its own.
    """
    sample = (f"--images_per_class={count}", "--data_seed={seed}")
    return dataclasses.replace(
        training, name=f"{training.name}_{count}", flags=(*training.flags, *sample)
    )


def format_utility(numbers: Mapping[str, Any]) -> list[str]:
    """Returns what `analyze --analysis=utility` found, as Markdown.

    Args:
      numbers: of its JSON file.

    Returns:
      Lines with the outcome and a table: a row for each number of labels.
    """
    scratch = {point["count"]: _format_seeds(point["accuracies"]) for point in numbers["scratch"]}
    tuned = {point["count"]: _format_seeds(point["accuracies"]) for point in numbers["tuned"]}
    lines = [f"Outcome: {numbers['verdict']}.", ""]
    lines += [
        "| labelled images | from scratch (%) | fine-tuned (%) | utility |",
        "|---|---|---|---|",
    ]
    for one in numbers["utilities"]:
        count = one["count"]
        lines.append(f"| {count} | {scratch.get(count, '-')} | {tuned[count]} | {one['text']} |")
    return [*lines, ""]


def _format_seeds(accuracies: Sequence[float]) -> str:
    """Returns mean and standard deviation over seeds, in percent."""
    text = f"{100 * statistics.fmean(accuracies):.1f}"
    return text + (f" ± {100 * statistics.stdev(accuracies):.1f}" if len(accuracies) > 1 else "")


def _choose_counts(series: Series, options: ReproduceOptions) -> list[int]:
    """Returns the numbers of images of each class that are asked for."""
    known = {str(count): count for count in series.label_counts[options.scale]}
    if any(name not in known for name in options.columns):
        raise UsageError(
            f"--columns={','.join(options.columns)}: expected some of {', '.join(known)}"
        )
    return [
        count for name, count in known.items() if not options.columns or name in options.columns
    ]
