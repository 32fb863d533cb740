"""Everything that defines a training run, as options read from flags."""

import dataclasses
import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

from tfcolor.backbones import BACKBONES
from tfcolor.config.flags import differing_flags, read_flagfile, read_options
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option
from tfcolor.data.options import DataOptions
from tfcolor.data.reading import ExampleReader
from tfcolor.tasks import TASKS
from tfcolor.tasks.base import IncompleteOptions
from tfcolor.training.options import DistributionOptions, OptimizationOptions, TrainingOptions

UNRECORDED = ("run_dir", "verbosity")
"""Flags that say where a run goes and how it talks, not what it computes."""


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """What is trained, and where the run goes."""

    run_dir: str = option("", "the run's folder; empty takes the next free one in runs/")
    task: tuple[str, ...] = option(("colorization",), "what to learn", choices=tuple(TASKS))
    backbone: str = option("vgg16", "the network below the head", choices=tuple(BACKBONES))
    field_of_view_blocks: int = option(
        0, "pools and 3x3 convolutions of 1024 features that follow the backbone", minimum=0
    )
    initial_weights: str = option(
        "",
        "how the backbone starts: random (the same as empty), kmeans (fitted to the training"
        " images), or a run's folder, whose backbone is taken over",
    )
    initial_checkpoint: str = option(
        "best", "which checkpoint of the run in --initial_weights: best, last or a step"
    )
    rebalance: bool = option(
        False, "scales every layer to a unit second moment on training images, before training"
    )
    frozen_through: str = option(
        "", "the last tap whose layers are not trained, or top for all of the backbone"
    )


TRAIN_OPTIONS: tuple[tuple[type, str], ...] = (
    (RunOptions, ""),
    *((task.Options, f"{name}_") for name, task in TASKS.items()),
    (DataOptions, ""),
    *((backbone.Options, f"{name}_") for name, backbone in BACKBONES.items()),
    (OptimizationOptions, ""),
    (TrainingOptions, ""),
    (DistributionOptions, ""),
)
"""Options dataclasses of `train` with the prefix of their flags."""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """The options of one training run.

    Args:
      run: task, backbone and folder.
      task: options of the task.
      data: images.
      backbone: options of the backbone.
      optimization: rates.
      training: length, batch and records.
      distribution: devices.
    """

    run: RunOptions
    task: Any
    data: DataOptions
    backbone: Any
    optimization: OptimizationOptions
    training: TrainingOptions
    distribution: DistributionOptions


def read_experiment(flag_values: flags.FlagValues) -> Experiment:
    """Returns the experiment that the parsed flags of `train` describe.

    Args:
      flag_values: with the flags of `TRAIN_OPTIONS`.

    Returns:
      Checked options.

    Raises:
      UsageError: if a value is not accepted.
    """
    run = read_options(RunOptions, "", flag_values)
    if len(run.task) != 1:
        raise UsageError(f"--task={','.join(run.task)}: expected exactly one task")
    name = run.task[0]
    return Experiment(
        run=run,
        task=read_options(TASKS[name].Options, f"{name}_", flag_values),
        data=read_options(DataOptions, "", flag_values),
        backbone=read_options(BACKBONES[run.backbone].Options, f"{run.backbone}_", flag_values),
        optimization=read_options(OptimizationOptions, "", flag_values),
        training=read_options(TrainingOptions, "", flag_values),
        distribution=read_options(DistributionOptions, "", flag_values),
    )


def complete_experiment(
    experiment: Experiment, readers: Mapping[str, ExampleReader], flag_values: flags.FlagValues
) -> Experiment:
    """Fills in what the flags leave to the images, and changes the flags likewise.

    Args:
      experiment: what the flags describe.
      readers: its images by split.
      flag_values: the parsed flags; those that are filled in get their value.

    Returns:
      The experiment that `load_experiment` gives once the flags are recorded.

    Raises:
      UserError: if the task cannot learn from these images.
    """
    options = experiment.task
    if not isinstance(options, IncompleteOptions):
        return experiment
    completed = options.completed(readers, BACKBONES[experiment.run.backbone].canonical_size)
    for name, value in dataclasses.asdict(completed).items():
        flag_values[f"{experiment.run.task[0]}_{name}"].value = value
    return dataclasses.replace(experiment, task=completed)


def load_experiment(run_dir: str | os.PathLike[str]) -> Experiment:
    """Returns the experiment that made a run.

    Args:
      run_dir: a run's folder.

    Returns:
      The options in its `flags.cfg`.

    Raises:
      UserError: if the folder is not a run.
    """
    path = Path(run_dir) / "flags.cfg"
    if not path.is_file():
        raise UserError(f"{run_dir} is not a run: it has no flags.cfg")
    return read_experiment(read_flagfile(path, TRAIN_OPTIONS))


def choose_run_dir(run_dir: str, name: str) -> Path:
    """Returns a run's folder: the one given, or the next free one in runs/.

    Args:
      run_dir: what the user gave; empty for nothing.
      name: what folders of such runs begin with.

    Returns:
      A path that may not exist yet.
    """
    if run_dir:
        return Path(run_dir)
    candidates = (Path("runs") / f"{name}_{number:03d}" for number in itertools.count(1))
    return next(path for path in candidates if not path.exists())


def check_same_flags(flagfile: Path, flag_values: flags.FlagValues) -> None:
    """Raises UserError if a run was started with other flags.

    Args:
      flagfile: the run's `flags.cfg`; nothing is checked if it is missing.
      flag_values: the parsed flags.

    Raises:
      UserError: naming every flag that differs and both values.
    """
    if not flagfile.exists():
        return
    differing = differing_flags(flagfile, flag_values, UNRECORDED)
    if differing:
        rows = "; ".join(f"--{name} was {old!r}, is {new!r}" for name, old, new in differing)
        raise UserError(
            f"{flagfile.parent} was started with other flags: {rows}. "
            "Give the same flags to go on with it, or another --run_dir"
        )
