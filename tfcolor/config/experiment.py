"""Everything that defines a training run, as options read from flags."""

import dataclasses
import itertools
import os
from pathlib import Path
from typing import Any

from absl import flags

from tfcolor.backbones import BACKBONES
from tfcolor.config.flags import differing_flags, read_flagfile, read_options
from tfcolor.config.task_flags import read_task_flags
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option
from tfcolor.core.seeds import derive_seed
from tfcolor.data.options import DataOptions
from tfcolor.tasks import TASKS
from tfcolor.training.options import (
    DistributionOptions,
    JointOptions,
    OptimizationOptions,
    TrainingOptions,
)

UNRECORDED = ("run_dir", "verbosity", "data_service", "data_service_workers")
"""Flags that say where a run goes, how it talks and who helps, not what it computes."""


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """What is trained, and where the run goes."""

    run_dir: str = option("", "the run's folder; empty takes the next free one in runs/")
    task: tuple[str, ...] = option(
        ("colorization",),
        "what to learn; several, with commas, share the backbone (each may come more than once)",
        choices=tuple(TASKS),
    )
    task_flags: tuple[str, ...] = option(
        (),
        "flags of each of several tasks, as '--images=A --batch_size=4','--images=B': laid over"
        " the others, in the order of --task",
    )
    backbone: str = option("vgg16", "the network below the head", choices=tuple(BACKBONES))
    three_channels: bool = option(
        False,
        "whether the backbone takes three channels though no task sees colors, with lightness in"
        " each, as it does beside tasks that see them",
    )
    field_of_view_blocks: int = option(
        0, "pools and 3x3 convolutions of 1024 features that follow the backbone", minimum=0
    )
    mixed_taps: tuple[str, ...] = option(
        (),
        "maps of one size, of which each task's head reads a mixture with weights of its own in"
        " place of the last map; all takes every one of the last map's size",
    )
    mixture_penalty: float = option(
        1e-3, "weight of the sum of a mixture's absolute weights in its task's loss", minimum=0
    )
    mixture_rate: float = option(
        0.0,
        "length of proximal steps of a mixture's weights, which make them exactly 0, in place of"
        " the optimizer's steps and of small weights; it has to be below 1 / L for a loss whose"
        " gradient by them has the Lipschitz constant L: 0.1 is a start",
        minimum=0,
    )
    initial_weights: tuple[str, ...] = option(
        (),
        "how the backbone starts: random (the same as empty), kmeans (fitted to the training"
        " images), or a run's folder, whose backbone is taken over; several runs are put side by"
        " side as the columns 0/M, 1/M, ... of this network",
    )
    initial_checkpoint: str = option(
        "best", "which checkpoint of the runs in --initial_weights: best, last or a step"
    )
    initial_cross_scale: float = option(
        0.01, "size of random weights between columns, relative to Glorot's", minimum=0
    )
    rebalance: bool = option(
        False, "scales every layer to a unit second moment on training images, before training"
    )
    recompute_batch_norm: bool = option(
        False,
        "takes the moving statistics of batch norm from training images before training; those of"
        " a pretraining are of what its tasks look at",
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
    (JointOptions, ""),
    (TrainingOptions, ""),
    (DistributionOptions, ""),
)
"""Options dataclasses of `train` with the prefix of their flags."""


@dataclasses.dataclass(frozen=True)
class ExperimentTask:
    """The options of one task of a run.

    Args:
      name: of the task.
      options: of the task.
      data: its images.
      batch_size: examples per step.
    """

    name: str
    options: Any
    data: DataOptions
    batch_size: int


@dataclasses.dataclass(frozen=True)
class Experiment:
    """The options of one training run.

    Args:
      run: backbone and folder.
      members: the tasks.
      backbone: options of the backbone.
      optimization: rates.
      joint: how several tasks share the backbone.
      training: length, batch and records.
      distribution: devices.
      selected: the task that `task` and `data` are about.
    """

    run: RunOptions
    members: tuple[ExperimentTask, ...]
    backbone: Any
    optimization: OptimizationOptions
    joint: JointOptions
    training: TrainingOptions
    distribution: DistributionOptions
    selected: int = 0

    @property
    def member(self) -> ExperimentTask:
        """Returns the selected task."""
        return self.members[self.selected]

    @property
    def task(self) -> Any:
        """Returns the options of the selected task."""
        return self.member.options

    @property
    def data(self) -> DataOptions:
        """Returns the images of the selected task."""
        return self.member.data

    @property
    def labels(self) -> tuple[str, ...]:
        """Returns a name for each task in the records: empty for the only one."""
        names = [member.name for member in self.members]
        if len(names) == 1:
            return ("",)
        return tuple(
            f"{name}_{names[:index].count(name)}" if names.count(name) > 1 else name
            for index, name in enumerate(names)
        )

    @property
    def seeds(self) -> tuple[int, ...]:
        """Returns what fixes order and views of each task's examples."""
        seed = self.training.seed
        return tuple(derive_seed(seed, f"task/{label}") if label else seed for label in self.labels)

    def select(self, task: str) -> "Experiment":
        """Returns this experiment with one task selected.

        Args:
          task: name of a task, of which the first is selected; the selection stays as
            it is where there is none. Empty for what measures the backbone, whatever
            it was trained for: the first task that sees colors, if there is one, since
            gray photographs would not show what colors have taught it.

        Returns:
          An experiment that differs in `selected` alone.
        """
        kinds = [
            member.name if task else getattr(member.options, "input", "") for member in self.members
        ]
        wanted = task or "color"
        return dataclasses.replace(self, selected=kinds.index(wanted)) if wanted in kinds else self


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
    if not run.task:
        raise UsageError("--task=: expected a task, or several with commas")
    if run.task_flags and (len(run.task) == 1 or len(run.task_flags) != len(run.task)):
        raise UsageError(
            f"--task_flags has {len(run.task_flags)} texts for {len(run.task)} tasks: expected one"
            " for each of several tasks; the only task of a run has the flags of the command"
        )
    texts = run.task_flags or ("",) * len(run.task)
    pairs = zip(run.task, texts, strict=True)
    return Experiment(
        run=run,
        members=tuple(_read_member(name, text, flag_values) for name, text in pairs),
        backbone=read_options(BACKBONES[run.backbone].Options, f"{run.backbone}_", flag_values),
        optimization=read_options(OptimizationOptions, "", flag_values),
        joint=read_options(JointOptions, "", flag_values),
        training=read_options(TrainingOptions, "", flag_values),
        distribution=read_options(DistributionOptions, "", flag_values),
    )


def _read_member(name: str, text: str, flag_values: flags.FlagValues) -> ExperimentTask:
    """Returns the options of one task, with its own flags laid over the others."""
    section = (TASKS[name].Options, f"{name}_")
    if text:
        sections = (section, (DataOptions, ""))
        flag_values = read_task_flags(flag_values, text, sections, ("batch_size",))
    return ExperimentTask(
        name,
        read_options(*section, flag_values),
        read_options(DataOptions, "", flag_values),
        read_options(TrainingOptions, "", flag_values).batch_size,
    )


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
