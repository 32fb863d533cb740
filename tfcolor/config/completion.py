"""What a run's flags leave to its images and to other runs."""

import dataclasses
from collections.abc import Mapping, Sequence

from absl import flags

from tfcolor.backbones import BACKBONES
from tfcolor.config.distillation import count_signals
from tfcolor.config.experiment import Experiment
from tfcolor.config.task_flags import add_task_flags
from tfcolor.core.errors import UsageError
from tfcolor.data.reading import ExampleReader
from tfcolor.models.freezing import TOP
from tfcolor.tasks import TASKS
from tfcolor.tasks.base import IncompleteOptions
from tfcolor.tasks.distillation import DistillationOptions


def complete_experiment(
    experiment: Experiment,
    readers: Sequence[Mapping[str, ExampleReader]],
    flag_values: flags.FlagValues,
) -> Experiment:
    """Fills in what the flags leave to images and teachers, and changes the flags likewise.

    Args:
      experiment: what the flags describe.
      readers: the images of each task by split.
      flag_values: the parsed flags; those that are filled in get their value.

    Returns:
      The experiment that `load_experiment` gives once the flags are recorded.

    Raises:
      UserError: if a task cannot learn from its images or teachers.
    """
    side = BACKBONES[experiment.run.backbone].canonical_size
    texts = list(experiment.run.task_flags or ("",) * len(experiment.members))
    members = []
    for index, (member, own) in enumerate(zip(experiment.members, readers, strict=True)):
        options = member.options
        if isinstance(options, IncompleteOptions):
            options = options.completed(own, side)
        if isinstance(options, DistillationOptions):
            options = count_signals(options, experiment.run.backbone, experiment.backbone)
        changes = {
            f"{member.name}_{field}": value
            for field, value in dataclasses.asdict(options).items()
            if value != getattr(member.options, field)
        }
        if len(experiment.members) == 1:
            for name, value in changes.items():
                flag_values[name].value = value
        elif changes:
            texts[index] = add_task_flags(texts[index], changes)
        members.append(dataclasses.replace(member, options=options))
    run = experiment.run
    if any(texts):
        run = dataclasses.replace(run, task_flags=tuple(texts))
        flag_values["task_flags"].value = run.task_flags
    return dataclasses.replace(experiment, run=run, members=tuple(members))


def check_frozen(experiment: Experiment) -> None:
    """Checks that a backbone which no task trains is frozen.

    Else its batch norm would follow the new images, and its weights decay.

    Args:
      experiment: of a run.

    Raises:
      UsageError: if it is not.
    """
    names = [member.name for member in experiment.members]
    is_trained = any(TASKS[name].trains_backbone for name in names)
    if not is_trained and experiment.run.frozen_through != TOP:
        raise UsageError(
            f"--frozen_through={experiment.run.frozen_through}: expected {TOP}, since "
            f"{' and '.join(names)} measures a backbone as it is"
        )
