"""Training again by the schedule that an earlier run has found."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from absl import flags

from tfcolor.config.experiment import Experiment
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.progress import say
from tfcolor.training.early_stopping import FoundSchedule


def follow_schedule(experiment: Experiment, flag_values: flags.FlagValues) -> Experiment:
    """Takes rate drops and length from the run in `--schedule_from`, if it is given.

    Args:
      experiment: what the flags describe.
      flag_values: the parsed flags; those that are taken over get their value.

    Returns:
      The experiment that `load_experiment` gives once the flags are recorded.

    Raises:
      UsageError: if a schedule is to be found and followed at once.
      UserError: if the run is not finished, or found none.
    """
    optimization, source = experiment.optimization, experiment.optimization.schedule_from
    if not source:
        return experiment
    if optimization.schedule != "steps":
        raise UsageError(
            f"--schedule_from={source} with --schedule={optimization.schedule}: expected"
            " --schedule=steps, since the steps are taken from that run"
        )
    found = read_found_schedule(source)
    optimization = found.replay(optimization)
    training = dataclasses.replace(experiment.training, num_steps=found.num_steps)
    flag_values["rate_drops"].value = optimization.rate_drops
    flag_values["num_steps"].value = found.num_steps
    drops = ", ".join(map(str, found.rate_drops)) or "none"
    say(f"schedule of {source}: {found.num_steps} steps, rate drops after {drops}")
    return dataclasses.replace(experiment, optimization=optimization, training=training)


def read_found_schedule(run_dir: str) -> FoundSchedule:
    """Returns the schedule that a finished run has found.

    Args:
      run_dir: a run that ended on a plateau.

    Returns:
      Its drops, length and best step.

    Raises:
      UserError: if there is none.
    """
    path = Path(run_dir) / "result.json"
    try:
        result: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise UserError(
            f"--schedule_from={run_dir}: expected a finished run, there is no {path}"
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"--schedule_from={run_dir}: cannot read {path}: {error}") from error
    found = result.get("found_schedule")
    if found is None:
        raise UserError(
            f"--schedule_from={run_dir}: this run found no schedule; it needs --schedule=plateau"
            " and enough --num_steps to stop by itself"
        )
    return FoundSchedule(tuple(found["rate_drops"]), found["num_steps"], found["best_step"])
