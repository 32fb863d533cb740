"""The commands that make a cell: its trainings and its measurement, each run once."""

import dataclasses
import hashlib
import json
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfcolor.config.reproduction.layout import Images
from tfcolor.config.reproduction.study import FIT_PARTS, Measure, Subject, Training, Weights
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.files import write_json, write_text

PROJECT = Path(__file__).parents[3]
"""The checkout, whose flagfiles are named relative to it."""

SMALL_FLAGFILE = "configs/base/reproduction_small.cfg"
FLAGFILE = "--flagfile="
LAST_LINES = 15


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a reproduction reads and writes.

    Args:
      images: by kind.
      work: the folder of runs, measurements and logs.
      data: the folder of the images.
      weights: the folder of converted runs; None if there is none.
      flagfile: a flagfile of `train` laid over every other of it; empty for none.
      subset: flags of `evaluate` by kind of images.
    """

    images: Mapping[str, Images]
    work: Path
    data: Path = Path()
    weights: Path | None = None
    flagfile: str = ""
    subset: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


def run_of(training: Training | Weights, seed: int, place: Place) -> Path:
    """Returns the folder of a run.

    Args:
      training: how it is trained; equal ones share it.
      seed: of the reproduction; ignored for weights.
      place: where the runs are.

    Returns:
      A path that may not exist yet.

    Raises:
      UsageError: if weights are needed and their folder is not known.
    """
    if isinstance(training, Training):
        seed += training.seed_offset
        return place.work / "runs" / f"{training.run_name}_seed{seed}"
    if place.weights is None:
        raise UsageError(f"--weights is not given: a run starts from {training.name}")
    return place.weights / training.name


def why_missing(subject: Subject, measure: Measure, place: Place) -> str:
    """Returns what a cell needs and is not there.

    Args:
      subject: what is to be measured.
      measure: how.
      place: where everything should be.

    Returns:
      What is missing, in words; empty if nothing is.
    """
    needed = [step for run in subject.runs for step in run.lineage()]
    for step in needed:
        if isinstance(step, Weights):
            path = (place.weights or Path("--weights")) / step.name
            if not path.exists():
                return f"{path} (a run that tfcolor convert makes)"
    kinds = [step.images for step in needed if isinstance(step, Training)]
    absent = (place.images[kind].missing for kind in [*kinds, measure.images])
    return next(filter(None, absent), "")


def train(training: Training, seed: int, place: Place) -> list[str]:
    """Trains, or goes on with it; first what it starts from; not what is done.

    Args:
      training: what is needed in the end.
      seed: of the reproduction.
      place: where to read and write.

    Returns:
      The commands in order, as one types them.

    Raises:
      UserError: if a training fails, the message shows its last lines; or if one
        is older than what it starts from.
    """
    commands = []
    for step in training.lineage():
        if isinstance(step, Training):
            command = _train_command(step, seed, place)
            run = run_of(step, seed, place)
            _check_order(step, seed, place)
            # One by another command or other flagfiles is for `train` to refuse.
            run_once(command, run / "result.json", place.work / "logs" / f"{run.name}.log")
            commands.append(format_command(command))
    return commands


def _train_command(training: Training, seed: int, place: Place) -> list[str]:
    """Returns the command that makes a run."""
    images, run = place.images[training.images], run_of(training, seed, place)
    own_seed, is_fit = seed + training.seed_offset, training.command == FIT_PARTS
    command = [training.command, f"{FLAGFILE}{training.config}"]
    needed = ",".join(str(run_of(one, seed, place)) for one in training.needs)
    for flag in training.flags:
        flag = flag.replace("{data}", str(place.data)).replace("{needs}", needed)
        command.append(flag.replace("{seed}", str(own_seed)))
    command += [f"{FLAGFILE}{place.flagfile}"] if place.flagfile and not is_fit else []
    command.append(f"--images={images.train}")
    # `fit_parts` learns nothing from held-out images: it is measured on them.
    heldout = images.test if is_fit else images.heldout
    command += [f"--heldout_images={heldout}"] if heldout else []
    if training.start:
        command += _start_flags(training, run_of(training.start, seed, place))
    if training.schedule:
        command.append(f"--schedule_from={run_of(training.schedule, seed, place)}")
    return [*command, f"--seed={own_seed}", f"--run_dir={run}"]


def _start_flags(training: Training, start: Path) -> list[str]:
    """Returns the flags that hand over what a run starts from."""
    if training.command == FIT_PARTS:
        return [f"--parts_from={start}"]
    chosen = any(flag.startswith("--initial_checkpoint=") for flag in training.flags)
    return [f"--initial_weights={start}", *([] if chosen else ["--initial_checkpoint=last"])]


def _check_order(training: Training, seed: int, place: Place) -> None:
    """Refuses a finished run if what it takes from was trained anew after it."""
    result = run_of(training, seed, place) / "result.json"
    for needed in training.parents:
        if result.exists():
            other = run_of(needed, seed, place) / "result.json"
            if other.exists() and other.stat().st_mtime_ns > result.stat().st_mtime_ns:
                raise UserError(
                    f"{result.parent} was trained before {other.parent}, which it starts from, was"
                    " finished: remove it, and it is trained again"
                )


def measure_cell(subject: Subject, measure: Measure, seed: int, place: Place) -> dict[str, Any]:
    """Trains and measures a cell; reads the figures if it was measured before.

    Args:
      subject: what to measure.
      measure: how.
      seed: of its runs; every seed of a baseline is the same.
      place: where to read and write.

    Returns:
      The figures of `evaluate`, or of the run that measures itself, with
      `commands`, in order, and `seconds`, all trainings included, besides.

    Raises:
      UserError: if a command fails; the message shows its last lines.
    """
    for run in subject.runs:
        train(run, seed, place)
    if subject.summary:
        ones = [measure_cell(one, measure, seed, place) for one in _one_by_one(subject)]
        return _summarize(ones, subject.summary)
    found = read_cell(subject, measure, seed, place)
    if found is not None:
        return found
    path = _figures_path(subject, measure, seed, place)
    started = time.monotonic()
    if _measures_itself(subject, measure):
        (run,) = subject.runs
        figures = json.loads((run_of(run, seed, place) / "result.json").read_text())
    else:
        figures = _evaluate(_evaluate_command(subject, measure, seed, place), path, place)
    seconds = time.monotonic() - started + _training_seconds(subject, seed, place)
    figures["commands"] = _commands(subject, measure, seed, place)
    figures["seconds"] = round(seconds, 1)
    write_json(path, figures)
    return figures


def _measures_itself(subject: Subject, measure: Measure) -> bool:
    """Tells whether the figures of a run are taken as they are."""
    return subject.measures_itself or not measure.protocol


def _one_by_one(subject: Subject) -> list[Subject]:
    """Returns each run of a subject by itself."""
    return [dataclasses.replace(subject, runs=(run,), summary="") for run in subject.runs]


def _summarize(ones: Sequence[Mapping[str, Any]], summary: str) -> dict[str, Any]:
    """Returns the mean or largest of all figures that several measurements share."""
    kinds: Mapping[str, Callable[[list[float]], float]] = {"mean": statistics.fmean, "max": max}
    kind = kinds[summary]
    shared = {name for name in ones[0] if all(_is_number(one.get(name)) for one in ones)}
    figures: dict[str, Any] = {name: kind([one[name] for one in ones]) for name in sorted(shared)}
    figures["commands"] = list(dict.fromkeys(line for one in ones for line in one["commands"]))
    return {**figures, "seconds": round(sum(one["seconds"] for one in ones), 1)}


def _is_number(value: Any) -> bool:
    """Tells whether a figure can be averaged."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _evaluate(command: Sequence[str], path: Path, place: Place) -> dict[str, Any]:
    """Returns what `evaluate` finds, which is to be kept at a path."""
    raw = path.with_suffix(".partial.json")
    run_command([*command, f"--output_json={raw}"], place.work / "logs" / f"{path.stem}.log")
    figures: dict[str, Any] = json.loads(raw.read_text())
    raw.unlink()
    return figures


def read_cell(subject: Subject, measure: Measure, seed: int, place: Place) -> dict[str, Any] | None:
    """Reads what was measured of a cell after its runs were finished.

    Args:
      subject: what was measured.
      measure: how.
      seed: of its runs.
      place: where to read.

    Returns:
      As `measure_cell`; None if there is no such measurement.
    """
    if subject.summary:
        ones = [read_cell(one, measure, seed, place) for one in _one_by_one(subject)]
        there = [one for one in ones if one is not None]
        return _summarize(there, subject.summary) if len(there) == len(ones) else None
    path = _figures_path(subject, measure, seed, place)
    results = _results(subject, seed, place)
    if not path.exists() or not all(result.exists() for result in results):
        return None
    newest = max((result.stat().st_mtime_ns for result in results), default=0)
    figures: dict[str, Any] = json.loads(path.read_text())
    commands = _commands(subject, measure, seed, place)
    is_current = path.stat().st_mtime_ns >= newest and figures["commands"] == commands
    return figures if is_current else None


def _figures_path(subject: Subject, measure: Measure, seed: int, place: Place) -> Path:
    """Returns the file of a measurement."""
    command = _commands(subject, measure, seed, place)[-1]
    names = [run_of(run, seed, place).name for run in subject.runs] or ["gray"]
    # Flags make a difference too.
    mark = hashlib.sha256(command.encode()).hexdigest()[:8]
    return place.work / "figures" / f"{names[0]}_{measure.name}_{mark}.json"


def _commands(subject: Subject, measure: Measure, seed: int, place: Place) -> list[str]:
    """Returns all commands that lead to a measurement, in order."""
    steps = dict.fromkeys(step for run in subject.runs for step in run.lineage())
    commands = [_train_command(step, seed, place) for step in steps if isinstance(step, Training)]
    if not _measures_itself(subject, measure):
        commands.append(_evaluate_command(subject, measure, seed, place))
    return [format_command(command) for command in commands]


def _evaluate_command(subject: Subject, measure: Measure, seed: int, place: Place) -> list[str]:
    """Returns the command that measures a cell."""
    command = ["evaluate", f"--protocol={measure.protocol}"]
    command.append(f"--images={place.images[measure.images].test}")
    if subject.runs:
        runs = ",".join(str(run_of(run, seed, place)) for run in subject.runs)
        # Not the best checkpoint: held-out images that choose it may be those
        # measured on, and early stopping ends where it is to be measured.
        command += [f"--model={runs}", "--checkpoint=last"]
    else:
        command.append("--baseline=gray")
    own = [flag.replace("{data}", str(place.data)) for flag in measure.flags]
    return [*command, *own, *place.subset.get(measure.images, ()), *subject.flags]


def _results(subject: Subject, seed: int, place: Place) -> list[Path]:
    """Returns the result files of all runs of a subject and those before them."""
    steps = dict.fromkeys(step for run in subject.runs for step in run.lineage())
    trained = [step for step in steps if isinstance(step, Training)]
    return [run_of(step, seed, place) / "result.json" for step in trained]


def _training_seconds(subject: Subject, seed: int, place: Place) -> float:
    """Returns how long all runs of a subject were trained, 0 for a baseline."""
    results = [json.loads(path.read_text()) for path in _results(subject, seed, place)]
    return float(sum(result["wall_seconds"] for result in results))


def run_once(command: Sequence[str], product: Path, log: Path) -> None:
    """Runs a command unless it has made its product, with flagfiles as they are now.

    Args:
      command: its name and its flags.
      product: the file that it leaves last.
      log: file for what it prints.

    Raises:
      UserError: as `run_command`.
    """
    lines = log.read_text().splitlines() if log.exists() else []
    if not product.exists() or lines[:1] != [_header(command)]:
        run_command(command, log)


def run_command(arguments: Sequence[str], log: Path) -> None:
    """Runs a command of tfcolor in a process of its own.

    Args:
      arguments: the command's name and its flags.
      log: file for what it prints, below a line that says what was run.

    Raises:
      UserError: if it fails; the message names the log and shows its end.
      KeyboardInterrupt: if it was interrupted.
    """
    program = [sys.executable, "-m", f"tfcolor.{arguments[0]}", *arguments[1:]]
    header = _header(arguments)
    done = subprocess.run(
        program,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    write_text(log, f"{header}\n{done.stdout}")
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode:
        last = " | ".join(done.stdout.strip().splitlines()[-LAST_LINES:])
        raise UserError(f"{format_command(arguments)} failed, see {log}: {last}")


def format_command(arguments: Sequence[str]) -> str:
    """Returns a command as one types it in a shell."""
    return shlex.join(["tfcolor", *arguments])


def _header(arguments: Sequence[str]) -> str:
    """Returns a command with a mark of the content of its flagfiles."""
    content = "".join(_flagfile_texts(arguments))
    mark = hashlib.sha256(content.encode()).hexdigest()[:12]
    return f"{format_command(arguments)}  # flagfiles {mark}"


def _flagfile_texts(lines: Sequence[str]) -> Iterator[str]:
    """Yields the flags of all flagfiles that lines name, nested ones too."""
    for line in lines:
        if line.startswith(FLAGFILE):
            text = (PROJECT / line.removeprefix(FLAGFILE)).read_text()
            flags = [one for one in text.splitlines() if one.startswith("--")]
            yield "\n".join(flags)
            yield from _flagfile_texts(flags)


def check_project() -> None:
    """Raises UsageError unless the flagfiles of the tables are here."""
    if not (PROJECT / SMALL_FLAGFILE).is_file():
        raise UsageError(
            f"there is no {SMALL_FLAGFILE} in {PROJECT}: reproduce needs a checkout of tfcolor"
            " (installed with pip install -e .)"
        )
