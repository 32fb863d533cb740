"""Training loss, rate drops, and what the snapshots on the way are worth."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfcolor.analysis.figures import draw_learning_curve
from tfcolor.analysis.findings import Findings
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option

NAME = "learning_curve"
KEYS, OPTIONAL_KEYS = ("step", "loss", "learning_rate"), ("gradient_norm", "images_per_second")
MAX_SCALARS = 1000
"""Points of the loss in TensorBoard: the run's own events have them all."""


@dataclasses.dataclass(frozen=True)
class LearningCurveOptions:
    """What learning_curve draws."""

    downstream: tuple[str, ...] = option(
        (),
        "results of snapshots, each STEP:FILE.json with a file that tfcolor evaluate wrote; step 0"
        " is random initialization",
    )
    metric: str = option("mean_iou", "which number of these files; a.b for b inside of a")
    smoothing: float = option(
        0.9, "weight of the past in the drawn loss; 0 smooths nothing", minimum=0, maximum=0.9999
    )
    images_per_epoch: int = option(
        0, "images of an epoch; 0 counts those of the run, if they can be reached", minimum=0
    )


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingLog:
    """What a run logged.

    Args:
      steps: int64 [N], in rising order.
      losses: float64 [N]; NaN where the loss was not finite.
      rates: float64 [N], the learning rate of each step.
      gradient_norms: float64 [N], Euclidean, over all parameters; NaN where it was
        not finite or not logged.
      speeds: float64 [N], images per second; NaN where it was not logged.
    """

    steps: np.ndarray
    losses: np.ndarray
    rates: np.ndarray
    gradient_norms: np.ndarray
    speeds: np.ndarray


def trace_learning(
    run_dir: str, options: LearningCurveOptions, steps_per_epoch: float | None = None
) -> Findings:
    """Draws the loss of a run with its rate drops and downstream results.

    Args:
      run_dir: the run's folder.
      options: results and smoothing.
      steps_per_epoch: None if it is not known.

    Returns:
      `rate_drops` (the first logged step with each lower rate), `downstream`
      (step, value, file), and `steps`, `losses` and `smoothed_losses`.

    Raises:
      UsageError: if a downstream result is not STEP:FILE.json.
      UserError: if the run has no log, or a file cannot be used.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, figure 3.4.
    """
    log = read_log(run_dir)
    results = [read_result(text, options.metric) for text in options.downstream]
    results.sort(key=lambda result: result["step"])
    smoothed = smooth(log.losses, options.smoothing)
    drops = find_drops(log)
    scalars = [
        ("smoothed_loss", int(log.steps[index]), float(smoothed[index]))
        for index in range(0, len(smoothed), -(-len(smoothed) // MAX_SCALARS))
    ]
    scalars += [(options.metric, result["step"], result["value"]) for result in results]
    return Findings(
        name=NAME,
        numbers={
            "analysis": NAME,
            "model": run_dir,
            "metric": options.metric,
            "steps_per_epoch": steps_per_epoch,
            "rate_drops": [{"step": step, "learning_rate": rate} for step, rate in drops],
            "downstream": results,
            "steps": log.steps.tolist(),
            "losses": log.losses.tolist(),
            "smoothed_losses": smoothed.tolist(),
        },
        figure=draw_learning_curve(
            (log.steps, smoothed),
            [step for step, _ in drops],
            [(result["step"], result["value"]) for result in results],
            metric=options.metric,
            steps_per_epoch=steps_per_epoch,
            title=run_dir,
        ),
        scalars=scalars,
        headline=f"loss {smoothed[-1]:.4f} after {log.steps[-1]} steps; rate drops: {len(drops)}; "
        f"downstream results: {len(results)}",
    )


def read_log(run_dir: str) -> TrainingLog:
    """Reads `metrics.jsonl`.

    Args:
      run_dir: the run's folder.

    Returns:
      The logged steps; a last line that is torn is passed over.

    Raises:
      UserError: if there is no log, no step in it, or a broken line.
    """
    path = Path(run_dir) / "metrics.jsonl"
    if not path.is_file():
        raise UserError(f"{run_dir} has no metrics.jsonl: it is no run, or no step is logged yet")
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            values = [*(row[key] for key in KEYS), *map(row.get, OPTIONAL_KEYS)]
            rows.append([float("nan" if value is None else value) for value in values])
        except (ValueError, KeyError, TypeError) as error:
            if number < len(lines):
                raise UserError(f"{path}: line {number} is not a logged step") from error
    if not rows:
        raise UserError(f"{path} has no logged step yet")
    steps, *others = np.array(rows, np.float64).T
    return TrainingLog(steps.astype(np.int64), *others)


def find_drops(log: TrainingLog) -> list[tuple[int, float]]:
    """Returns where the learning rate fell.

    Args:
      log: of a run; a rising rate is a warm-up and no drop.

    Returns:
      (step, rate) of the first logged step with each lower rate.

    Example:
      >>> rates = np.array([1.0, 1.0, 0.1])
      >>> find_drops(TrainingLog(np.array([50, 100, 150]), *[rates] * 4))
      [(150, 0.1)]
    """
    is_lower = log.rates[1:] < log.rates[:-1] * (1 - 1e-6)
    return [
        (int(log.steps[index]), float(log.rates[index])) for index in np.flatnonzero(is_lower) + 1
    ]


def smooth(values: np.ndarray, weight: float) -> np.ndarray:
    """Averages a curve exponentially over its past.

    Args:
      values: float64 [N]; NaN is passed over.
      weight: of the past, in [0, 1).

    Returns:
      float64 [N], corrected for the start, where there is no past.

    Example:
      >>> smooth(np.array([4.0, 1.0]), 0.5).tolist()
      [4.0, 2.0]
    """
    total, norm, smoothed = 0.0, 0.0, []
    for value in values:
        if np.isfinite(value):
            total = weight * total + (1 - weight) * value
            norm = weight * norm + (1 - weight)
        smoothed.append(total / norm if norm else float("nan"))
    return np.array(smoothed)


def read_result(
    text: str, metric: str, name: str = "downstream", number: str = "STEP", prefix: str = ""
) -> dict[str, Any]:
    """Reads a downstream result, as of a snapshot.

    Args:
      text: "STEP:FILE.json".
      metric: the key of the number, with dots between nested ones.
      name: of the option that gave the text, for errors.
      number: what the number before the file is called, for errors.
      prefix: of the flags of these options, for errors.

    Returns:
      `step`, `value` and `file`.

    Raises:
      UsageError: if the text is not of this form.
      UserError: if the file cannot be read or lacks the number.
    """
    flag = f"--{prefix}{name}"
    step, separator, file = text.partition(":")
    if not (step.isdecimal() and separator and file):
        raise UsageError(f"{flag}={text}: expected {number}:FILE.json, as 1000:scores.json")
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{flag}={text}: cannot read {file}: {error}") from error
    numbers = dict(_numbers(content)) if isinstance(content, dict) else {}
    if metric not in numbers:
        known = ", ".join(numbers) or "none"
        raise UserError(f"--{prefix}metric={metric}: {file} has no such number; it has {known}")
    return {"step": int(step), "value": numbers[metric], "file": file}


def _numbers(content: Mapping[str, Any], prefix: str = "") -> Sequence[tuple[str, float]]:
    """Returns the name and value of every number in nested dictionaries."""
    found: list[tuple[str, float]] = []
    for key, value in content.items():
        if isinstance(value, dict):
            found += _numbers(value, f"{prefix}{key}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found.append((prefix + key, float(value)))
    return found
