"""The trainings of chapter 4's testbed, CIFAR-100 divided into tasks, at either scale."""

import dataclasses

from tfcolor.config.reproduction.layout import CIFAR, FINE_TUNING, TESTBED, TESTED
from tfcolor.config.reproduction.study import (
    FULL,
    SMALL,
    Column,
    Measure,
    Subject,
    Training,
)
from tfcolor.config.reproduction.trainings import laid

LOSSES = ("kl", "l2", "multilabel", "multihinge")
"""Those of the four tasks with mixed losses."""
NUM_IMAGES = {FULL: 40_000, SMALL: 12_800}
"""Those of pretraining, the first ones; the rest is for fine-tuning."""
SMALL_STEPS, SMALL_DROPS = 1600, 1200
"""Length of joint training at small scale, as configs/base/small_testbed.cfg has it."""

JOINT_BATCH, SINGLE_BATCH, WHOLE_BATCH = 8, 16, 32
"""Examples per step at small scale: of each task of several, of a task alone, and where
one network learns from all images."""
RATES = {
    FULL: {"momentum": 0.01, "adam": 0.001, "multi_adam": 0.001, "norm_sgd": 0.00003},
    SMALL: {"momentum": 0.01, "adam": 0.001, "multi_adam": 0.001, "norm_sgd": 0.0001},
}
"""Learning rates by optimizer, which are not published."""

CLASSIFYING = Measure("classification", "image_classification", TESTBED)
OWN = Measure("own", "", TESTED)
"""Takes the figures that a run has of the test images."""
PROBING = Measure(
    "linear",
    "linear_evaluation",
    FINE_TUNING,
    (
        f"--image_range={NUM_IMAGES[SMALL]}:16000",
        f"--linear_evaluation_test_images=cifar100:{{data}}/{CIFAR}:test",
        "--linear_evaluation_strengths=0.01",
    ),
)
"""A classifier that needs no training run, for the features of small scale."""
SMALL_NOTE = (
    "Small scale: Deep with a quarter of its channels, batch norm and no dropout learns for 1,600"
    " steps from 12,800 images of CIFAR-100. A linear classifier upon it, fitted by scikit-learn,"
    " learns from the other 3,200."
)


@dataclasses.dataclass(frozen=True)
class Division:
    """How CIFAR-100 becomes several tasks.

    Args:
      name: for `--columns` and the names of runs.
      title: as the report shows it.
      count: of the tasks.
      rule: value of `--class_subset` without the number of the task, {} in its
        place; empty divides the images instead.
      losses: of the tasks, in turn.
    """

    name: str
    title: str
    count: int
    rule: str = ""
    losses: tuple[str, ...] = ("kl",)

    @property
    def column(self) -> Column:
        """Returns the column of a table whose networks learn these tasks."""
        return Column(self.name, self.title, PROBING, "top1_accuracy")

    def loss(self, index: int) -> str:
        """Returns the loss of a task, counted from 0."""
        return self.losses[index % len(self.losses)]

    def flags(self, index: int, scale: str) -> tuple[str, ...]:
        """Returns the flags that make a task.

        Args:
          index: of the task, counted from 0.
          scale: "small" or "full".

        Returns:
          Flags of one task of `train`.
        """
        share = NUM_IMAGES[scale] // self.count
        part = (
            f"--class_subset={self.rule.format(index)}"
            if self.rule
            else f"--image_range={index * share}:{(index + 1) * share}"
        )
        loss = self.loss(index)
        return (part, *((f"--classification_loss={loss}",) if loss != "kl" else ()))


SAMPLES = Division("samples_25", "4 tasks, 25 % of the images", 4)
OVERLAPPING = Division("independent_50", "4 tasks, any 50 % of the classes", 4, "independent:{}:50")
HALVES = Division("disjoint_50", "2 tasks, 50 % of the classes", 2, "disjoint:{}:50")
QUARTERS = Division("disjoint_25", "4 tasks, 25 % of the classes", 4, "disjoint:{}:25")
TENTHS = Division("disjoint_10", "10 tasks, 10 % of the classes", 10, "disjoint:{}:10")
MIXED = Division("mixed", "4 tasks, mixed losses", 4, QUARTERS.rule, LOSSES)
DIVISIONS = (SAMPLES, OVERLAPPING, HALVES, QUARTERS, TENTHS, MIXED)


def thin(scale: str, batch_size: int = SINGLE_BATCH) -> tuple[str, ...]:
    """Returns the flags that make a training a small one.

    Args:
      scale: "small" or "full".
      batch_size: examples per step at small scale.

    Returns:
      Flags of `train`; none at full scale.
    """
    return (*laid("small_testbed"), f"--batch_size={batch_size}") if scale == SMALL else ()


def by(scale: str, optimizer: str) -> tuple[str, ...]:
    """Returns the flags of an optimizer with its rate.

    Args:
      scale: "small" or "full".
      optimizer: value of `--optimizer`.

    Returns:
      Flags of `train`.
    """
    rate = RATES[scale][optimizer]
    return (f"--optimizer={optimizer}", f"--learning_rate={rate}")


def everything(scale: str) -> Training:
    """Returns the network that learns the labels of all images of pretraining."""
    return Training("deep_all", "configs/table_4_5/separate.cfg", TESTBED, thin(scale, WHOLE_BATCH))


def separate(scale: str, division: Division, column: bool = False) -> tuple[Training, ...]:
    """Returns a network for each task.

    Args:
      scale: "small" or "full".
      division: into tasks.
      column: whether the networks have but their task's share of the channels.

    Returns:
      Trainings in the order of the tasks.
    """
    trainings = []
    for index in range(division.count):
        # A task that has the loss of others of another division is one with them.
        base = QUARTERS.name if division is MIXED else division.name
        loss = division.loss(index)
        name = f"{base}_{index}" + (f"_{loss}" if loss != "kl" else "")
        flags = (*thin(scale), *division.flags(index, scale))
        if column:
            name = f"{name}_column"
            flags = (*flags, f"--cifar_deep_column={index}/{division.count}")
        trainings.append(Training(name, "configs/table_4_5/separate.cfg", TESTBED, flags))
    return tuple(trainings)


def joint(scale: str, division: Division, name: str, *flags: str, split: bool = False) -> Training:
    """Returns a network that learns all tasks at once.

    Args:
      scale: "small" or "full".
      division: into tasks.
      name: of the method.
      flags: of the method.
      split: whether each task owns a share of the channels.

    Returns:
      A training of several tasks.
    """
    flags = (*thin(scale, JOINT_BATCH), *_task_flags(scale, division, split), *flags)
    name = f"{name}_{division.name}"
    return Training(name, "configs/table_4_5/joint.cfg", TESTBED, flags)


def in_turns(scale: str, division: Division, quantum: int) -> Training:
    """Returns a network that learns the tasks in turns.

    At small scale it is as long as the tasks are many, so that it sees as many
    examples as joint training, which has one batch of each task in a step.

    Args:
      scale: "small" or "full".
      division: into tasks.
      quantum: length of a turn, in steps of 200,000.

    Returns:
      A training of several tasks by NormSGD.
    """
    length = division.count * SMALL_STEPS
    flags = (*by(scale, "norm_sgd"), f"--task_quantum={quantum}")
    if scale == SMALL:
        flags = (
            *by(scale, "norm_sgd"),
            f"--task_quantum={quantum * length // 200_000}",
            f"--rate_drops={division.count * SMALL_DROPS}",
            f"--norm_freeze_step={division.count * SMALL_DROPS}",
            f"--num_steps={length}",
        )
    flags = (*thin(scale, JOINT_BATCH), *_task_flags(scale, division, False), *flags)
    name = f"turns_{quantum}_{division.name}"
    return Training(name, "configs/table_4_6/round_robin.cfg", TESTBED, flags)


def side_by_side(scale: str, division: Division) -> Training:
    """Returns the thin networks of all tasks as one, with a linear layer upon it.

    Args:
      scale: "small" or "full".
      division: into tasks.

    Returns:
      A training of the linear layer; at small scale of one step, since features
      alone are probed.
    """
    flags = (*thin(scale), "--initial_weights={needs}", "--initial_checkpoint=last")
    if scale == SMALL:
        flags = (*flags, "--num_steps=1")
    columns = separate(scale, division, column=True)
    name = f"columns_{division.name}"
    config = "configs/table_4_5/linear.cfg"
    images = TESTBED if scale == SMALL else TESTED
    return Training(name, config, images, flags, needs=columns)


def distilled(
    scale: str,
    name: str,
    teachers: tuple[Training, ...],
    *flags: str,
    level: str = "top",
    start: Training | None = None,
) -> Training:
    """Returns a student.

    Args:
      scale: "small" or "full".
      name: what it adds to the run's name.
      teachers: whose signals it learns.
      flags: of `train` besides.
      level: of the signals, "top" or "task".
      start: whose weights it starts from; None for random ones.

    Returns:
      A training of the whole network.
    """
    config = "configs/table_4_4/student.cfg" if level == "top" else "configs/table_4_3/student.cfg"
    common = (*thin(scale, WHOLE_BATCH), "--distillation_teachers={needs}")
    images = TESTBED if level == "top" else TESTED
    return Training(name, config, images, (*common, *flags), start, needs=teachers)


def represented(scale: str, training: Training) -> Subject:
    """Returns what measures the representation of a network.

    Args:
      scale: "small" or "full".
      training: of the network.

    Returns:
      The network itself, whose features are probed, at small scale; a linear
      layer trained upon it at full scale.
    """
    if scale == SMALL:
        return Subject((training,))
    return Subject((linear(training),), measure=CLASSIFYING)


def linear(training: Training) -> Training:
    """Returns a linear layer trained upon a frozen network, at full scale."""
    shallow = [flag for flag in training.flags if flag.startswith("--backbone=")]
    return Training("linear", "configs/table_4_5/linear.cfg", TESTBED, tuple(shallow), training)


def _task_flags(scale: str, division: Division, split: bool) -> tuple[str, ...]:
    """Returns the flags that name all tasks."""
    count = division.count
    texts = []
    for index in range(count):
        segment = (f"--classification_segment={index}/{count}",) if split else ()
        texts.append(" ".join((*division.flags(index, scale), *segment)))
    tasks = ",".join(["classification"] * count)
    return (f"--task={tasks}", f"--task_flags={','.join(texts)}")
