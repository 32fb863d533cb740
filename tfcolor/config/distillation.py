"""The teachers of a distillation run, from the folders that its flags name."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.backbones.base import Backbone
from tfcolor.config.assembly import load_network
from tfcolor.config.experiment import Experiment, load_experiment
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.progress import say
from tfcolor.core.seeds import derive_seed
from tfcolor.core.taps import top_channels
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.inference.loading import is_saved_model, latest_version, read_metadata
from tfcolor.models.calibration import (
    Calibration,
    draw_channels,
    read_calibration,
    teacher_scales,
)
from tfcolor.models.teacher import TASK, FrozenNetwork, SavedFeatures, Teacher, TeacherMember
from tfcolor.tasks.base import TRAIN_SPLIT
from tfcolor.tasks.distillation import (
    AUXILIARY_LAYER,
    SUBSET,
    DistillationOptions,
    DistillationTask,
)
from tfcolor.training.distribution import is_chief

NUM_VIEWS, VIEW_BATCH = 10_000, 50
"""Views on which the scales are measured, unless there are fewer images."""

_CLASSIFIER = "classification"
_WITH_LOGITS = (_CLASSIFIER, "multilabel", "distillation")
"""Tasks whose networks give logits of whole images."""


class TopShape(NamedTuple):
    """The features of a top.

    Attributes:
      num_cells: positions of the map that it is flattened from; 1 if it is none.
      num_channels: features at each.
    """

    num_cells: int
    num_channels: int

    @property
    def num_features(self) -> int:
        """Returns all of them."""
        return self.num_cells * self.num_channels


def count_signals(
    options: DistillationOptions, backbone: str, backbone_options: Any
) -> DistillationOptions:
    """Fills in how many signals there are, so that a run can be loaded without its teachers.

    Does not start TensorFlow, whose devices are not configured yet.

    Args:
      options: which teachers, at which level.
      backbone: name of the student's backbone.
      backbone_options: its options.

    Returns:
      Options with the number of classes, or of features.

    Raises:
      UserError: if a folder is no teacher.
      UsageError: if there is none, or the teachers do not fit together, or not
        to the student.
    """
    if not options.teachers:
        raise UsageError("--distillation_teachers is not given: name the folders of trained runs")
    if options.level == TASK:
        return dataclasses.replace(options, num_classes=_count_classes(options))
    shapes = {folder: _teacher_shape(folder) for folder in options.teachers}
    cells = {shape.num_cells for shape in shapes.values()}
    if len(cells) > 1:
        raise UsageError(f"--distillation_teachers: {_describe(shapes)}; expected equal positions")
    channels = sum(shapes[folder].num_channels for folder in options.teachers)
    whole = TopShape(cells.pop(), channels)
    if options.adaptation == AUXILIARY_LAYER:
        return dataclasses.replace(options, num_features=whole.num_features)
    student = _top_shape(backbone, backbone_options)
    _check_fit(options, whole, student, backbone)
    return dataclasses.replace(options, num_features=student.num_features)


def prepare_teacher(
    options: DistillationOptions,
    readers: Mapping[str, ExampleReader],
    path: Path,
    *,
    seed: int,
    color_input: bool = False,
) -> Teacher:
    """Loads the teachers of a run and calibrates them, or reads how they were before.

    To be called under the run's strategy, with its precision in force.

    Args:
      options: completed, with the number of signals.
      readers: the images that the student learns from.
      path: file of the calibration, written by the chief unless it exists.
      seed: of the views that are measured and of the subset of channels.
      color_input: as of the task.

    Returns:
      The frozen teacher, whose variables are made under the strategy.

    Raises:
      UserError: if a teacher cannot be loaded or was not trained.
    """
    members = [_load_member(folder, options) for folder in options.teachers]
    teacher = Teacher(members, options.level)
    if path.exists():
        return teacher.calibrated(read_calibration(path))
    task = DistillationTask(options, readers, color_input=color_input, teacher=teacher)
    num_views = min(NUM_VIEWS, readers[TRAIN_SPLIT].num_examples)
    say(f"measuring the signals of {', '.join(options.teachers)} on {num_views} views")
    signals = _signals(task, num_views, derive_seed(seed, "teacher/views"))
    scales = teacher_scales(signals, teacher.num_cells, options.normalization)
    channels = np.arange(len(scales))
    if options.adaptation == SUBSET:
        num_drawn = options.num_features // teacher.num_cells
        channels = draw_channels(len(scales), num_drawn, derive_seed(seed, "teacher/channels"))
    calibration = Calibration(scales, channels)
    if is_chief(tf.distribute.get_strategy()):
        calibration.write(path)
    return teacher.calibrated(calibration)


def _signals(task: DistillationTask, num_views: int, seed: int) -> Iterator[np.ndarray]:
    """Yields the teacher's signals for training views, float32 [B, D]."""
    batch_size = min(VIEW_BATCH, num_views)
    plan = BatchPlan(batch_size, seed, num_batches=-(-num_views // batch_size))
    ask = tf.function(task.complete_targets, autograph=False)
    for inputs, targets in task.make_dataset(TRAIN_SPLIT, plan):
        yield ask(inputs, targets)["teacher"].numpy()


def _load_member(folder: str, options: DistillationOptions) -> TeacherMember:
    """Loads one teacher."""
    if is_saved_model(folder):
        *_, (tap, num_channels) = _saved_taps(folder).items()
        model = tf.saved_model.load(str(latest_version(Path(folder))))
        return SavedFeatures(model, tap, num_channels)
    policy = tf.keras.mixed_precision.global_policy().name
    network, _ = load_network(folder, options.teacher_checkpoint, policy, _CLASSIFIER)
    experiment = _load_experiment(folder)
    return FrozenNetwork(network, options.level, sees_color=_sees_color(experiment))


def _load_experiment(folder: str) -> Experiment:
    """Returns the experiment of a teacher; of several tasks the classifier is taken."""
    return load_experiment(folder).select(_CLASSIFIER)


def _sees_color(experiment: Experiment) -> bool:
    """Says whether a network was trained on color images."""
    return getattr(experiment.task, "input", "gray") == "color"


def _count_classes(options: DistillationOptions) -> int:
    """Returns how many logits the teachers have, which is the same for all."""
    counts = {}
    for folder in options.teachers:
        if is_saved_model(folder):
            raise UserError(
                f"--distillation_teachers={folder} is an export, which tells no logits:"
                " expected --distillation_level=top"
            )
        member = _load_experiment(folder).member
        counts[folder] = member.options.num_classes if member.name in _WITH_LOGITS else 0
    first = counts[options.teachers[0]]
    wrong = [folder for folder, count in counts.items() if not count or count != first]
    if wrong:
        told = ", ".join(f"{folder} tells {count} classes" for folder, count in counts.items())
        raise UserError(f"--distillation_teachers: {told}; expected classifiers of the same ones")
    if options.num_classes not in (0, first):
        raise UsageError(
            f"--distillation_num_classes={options.num_classes}: the teachers tell {first} apart"
        )
    return first


def _teacher_shape(folder: str) -> TopShape:
    """Returns the shape of a teacher's top."""
    if is_saved_model(folder):
        return TopShape(1, list(_saved_taps(folder).values())[-1])
    experiment = _load_experiment(folder)
    return _top_shape(experiment.run.backbone, experiment.backbone)


def _saved_taps(folder: str) -> Mapping[str, int]:
    """Returns the channels of each tap of an export by name."""
    return read_metadata(latest_version(Path(folder)))["taps"]


def _top_shape(backbone: str, options: Any) -> TopShape:
    """Returns the shape of a backbone's top, without making its weights."""
    with tf.Graph().as_default():
        kind: Callable[..., Backbone] = BACKBONES[backbone]
        network = kind(options, input_channels=len(options.input_mean), seed=0)
        channels = top_channels(network.canonical_taps())
        return TopShape(network.top_features // channels, channels)


def _check_fit(
    options: DistillationOptions, teachers: TopShape, student: TopShape, backbone: str
) -> None:
    """Raises UsageError if the features of both cannot be compared one by one."""
    is_subset = options.adaptation == SUBSET
    enough = teachers.num_channels >= student.num_channels if is_subset else teachers == student
    if enough and teachers.num_cells == student.num_cells:
        return
    if teachers.num_cells == student.num_cells:
        way = f"{SUBSET}, {AUXILIARY_LAYER} or --{backbone}_top_channels={teachers.num_channels}"
    else:
        way = AUXILIARY_LAYER
    raise UsageError(
        f"--distillation_adaptation={options.adaptation}:"
        f" {_describe({'the teachers': teachers, 'the student': student})}; expected {way}"
    )


def _describe(shapes: Mapping[str, TopShape]) -> str:
    """Returns whose top has how many features, in words."""
    return ", ".join(
        f"the top of {name} has {shape.num_channels} channels at {shape.num_cells} positions"
        for name, shape in shapes.items()
    )
