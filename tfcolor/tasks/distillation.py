"""Learning to answer as one or several trained networks do."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.options import option
from tfcolor.core.taps import Tap
from tfcolor.data.labels import label_annotation
from tfcolor.data.pipeline import Annotation, BatchPlan, Example, build_dataset
from tfcolor.data.reading import ExampleReader
from tfcolor.data.transforms import center_view, random_view
from tfcolor.heads.classifier import ClassifierHead
from tfcolor.heads.top import TopHead
from tfcolor.losses.distillation import normalized_divergence, temperature_divergence
from tfcolor.models.calibration import NORMALIZATIONS
from tfcolor.models.teacher import LEVELS, TASK, TOP, Teacher
from tfcolor.tasks.base import TRAIN_SPLIT, Tensors, count_examples
from tfcolor.tasks.canonical_view import CanonicalViewOptions, canonical_side
from tfcolor.tasks.classification import TopAccuracy
from tfcolor.tasks.image_task import ImageTask

SUBSET, AUXILIARY_LAYER = "subset", "auxiliary_layer"
"""How the top of a student is compared with that of a teacher that has more features."""


@dataclasses.dataclass(frozen=True)
class DistillationOptions(CanonicalViewOptions):
    """Whose answers distillation learns, at which layer, with which loss."""

    teachers: tuple[str, ...] = option(
        (), "folders of runs, or of exports for their last features: who is learned from"
    )
    teacher_checkpoint: str = option("best", "which checkpoint of the teachers: best, last, a step")
    level: str = option(
        TASK,
        "what is learned: logits, the mean over the teachers; or the features of the top before"
        " its ReLU, those of all teachers",
        choices=LEVELS,
    )
    loss: str = option(
        "ab",
        "ab: the alpha-beta divergence of normalized signals; l2: the same at (0, 0);"
        " temperature_kl: that of softmaxes of signals as they are, times T^2",
        choices=("ab", "l2", "temperature_kl"),
    )
    alpha: float = option(0.25, "first parameter of ab: 1 / T where the second is 0")
    beta: float = option(0.0, "second parameter of ab")
    temperature: float = option(4.0, "T of temperature_kl", minimum=1e-3)
    normalization: str = option(
        "feature",
        "whether signals are divided by a scale for each feature of the teachers, by one or none",
        choices=NORMALIZATIONS,
    )
    normalize_student: bool = option(
        True, "divide the student's signals likewise; else it learns the normalized ones"
    )
    adaptation: str = option(
        "none",
        "where the teachers' tops have more features: learn a random subset of their channels, or"
        " all of them through a layer that only training has. None for the same number, as of a"
        " student with wider top_channels",
        choices=("none", SUBSET, AUXILIARY_LAYER),
    )
    num_classes: int = option(0, "logits of the level task; 0 for the teachers'", minimum=0)
    num_features: int = option(
        0, "features that are compared at the level top; 0 finds out", minimum=0
    )
    dropout_rate: float = option(
        0.0, "dropout before the student's logits, besides the backbone's", minimum=0, maximum=0.99
    )

    def __post_init__(self) -> None:
        """Raises UsageError if logits are to be adapted."""
        if self.level == TASK and self.adaptation != "none":
            raise UsageError(
                f"--distillation_adaptation={self.adaptation} with --distillation_level={TASK}:"
                f" expected none; only features differ in number, at --distillation_level={TOP}"
            )

    def completed(
        self, readers: Mapping[str, ExampleReader], canonical_size: int
    ) -> "DistillationOptions":
        """Fills in the size of the view.

        Args:
          readers: not read.
          canonical_size: side of the images that the backbone takes, pixels.

        Returns:
          Options without a crop size of 0. The number of signals is left to who
          knows the teachers.

        Raises:
          UsageError: if the backbone takes views of another size.
        """
        del readers
        crop_size = canonical_side(self.crop_size, canonical_size, "distillation_crop_size")
        return dataclasses.replace(self, crop_size=crop_size)


class DistillationTask(ImageTask):
    """Teaches a student to answer images as its teacher does; labels are not needed.

    The teacher sees the same views, in color if it can tell colors. It answers on
    the device, in `complete_targets`. At the level "top" nothing is needed of the
    tasks that the teachers were trained for.

    Args:
      options: signals, loss and views; with their number of classes or features
        if a head is to be built.
      readers: where each split's images come from. Where their classes are as
        many as the logits, accuracy is measured.
      color_input: feeds the gray image copied to three channels, for a
        backbone that is shared with tasks on color images.
      teacher: gives the signals and their scales; None for a task that is only
        to be built upon.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, section 4.3.
    """

    name = "distillation"
    convolutional = False
    Options = DistillationOptions
    count_samples = staticmethod(count_examples)

    def __init__(
        self,
        options: DistillationOptions,
        readers: Mapping[str, ExampleReader],
        *,
        color_input: bool = False,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__(options, readers, color_input=color_input)
        self._teacher = teacher
        self._teacher_sees_more = (
            teacher is not None and teacher.sees_color and not self._sees_color
        )
        self._is_labelled = options.level == TASK and all(
            len(reader.class_names) == options.num_classes > 0 for reader in readers.values()
        )

    @property
    def score(self) -> str | None:
        """Returns the metric by which a student is judged."""
        if self.options.level == TOP:
            return "explained_share"
        return "top1_accuracy" if self._is_labelled else "teacher_agreement"

    def make_dataset(self, split: str, plan: BatchPlan) -> tf.data.Dataset:
        """Yields (inputs, targets) batches of views.

        Args:
          split: "train" for random views, "heldout" for the middle.
          plan: which examples, in which batches.

        Returns:
          A dataset of two dicts. Inputs: `image` float32 [B, S, S, 1 or 3] in
          [0, 1] and `seed` int64 [B, 2]. Targets: `label` int32 [B] where the
          images have the classes of the logits, and `view` float32 [B, S, S, 3]
          where only the teacher sees colors.
        """
        make_example = self.make_example if split == TRAIN_SPLIT else self.make_heldout_example
        annotation = self._annotation(split)
        return build_dataset(self._readers[split], make_example, plan, annotation=annotation)

    def make_example(self, rgb: tf.Tensor, *known: tf.Tensor) -> Example:
        """Returns the inputs and targets of one random view.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          *known: its label if it has one, int32 [], and the example's seed,
            int64 [2].

        Returns:
          The two dicts of `make_dataset`, without the batch axis and `seed`.
        """
        *label, seed = known
        view_seed = tf.random.experimental.stateless_fold_in(seed, 1)
        view = random_view(rgb, view_seed, self.options.training_view)
        return self._finish(view, label)

    def make_heldout_example(self, rgb: tf.Tensor, *known: tf.Tensor) -> Example:
        """Returns the inputs and targets of the middle of a photograph.

        Args:
          rgb: uint8 [H, W, 3], a photograph.
          *known: as of `make_example`; the seed is not read.

        Returns:
          As `make_example`.
        """
        view = center_view(rgb, self.options.min_side, self.options.crop_size)
        return self._finish(view, list(known[:-1]))

    def complete_targets(self, inputs: Tensors, targets: Tensors) -> Tensors:
        """Asks the teacher.

        Args:
          inputs: `image`, float32 [B, S, S, 1 or 3] in [0, 1].
          targets: as of `make_dataset`.

        Returns:
          `label` if there is one, and `teacher`, float32 [B, D]: the teacher's
          signals as they are, not normalized.

        Raises:
          ValueError: if the task has no teacher.
        """
        if self._teacher is None:
            raise ValueError("teacher=None; expected one, to learn from it")
        signals = self._teacher(targets.get("view", inputs["image"]))
        kept = {name: value for name, value in targets.items() if name != "view"}
        return {**kept, "teacher": signals}

    def build_head(self, taps: Mapping[str, Tap], seed: int) -> tf.keras.Model:
        """Returns what gives the student's signals.

        Args:
          taps: the backbone's geometry by tap name.
          seed: of the initial weights and the dropout masks.

        Returns:
          A head with the output `logits` float32 [B, K], of one layer on the top,
          which at the level "top" is the auxiliary layer; or, without a layer,
          with the output `signals` float32 [B, D], the top before its ReLU.
        """
        options = self.options
        if options.level == TASK:
            return ClassifierHead(taps, options.num_classes, options.dropout_rate, seed=seed)
        if options.adaptation == AUXILIARY_LAYER:
            return ClassifierHead(taps, options.num_features, seed=seed)
        return TopHead()

    def compute_losses(self, targets: Tensors, outputs: Tensors) -> Tensors:
        """Returns how far the student's signals are from the teacher's.

        Args:
          targets: `teacher`, float32 [B, D].
          outputs: `logits` or `signals`, float32 [B, D].

        Returns:
          `divergence`, float32 [B]: the mean over D, or for temperature_kl that
          of the whole distribution.
        """
        options, signals = self.options, targets["teacher"]
        if options.loss == "temperature_kl":
            loss = temperature_divergence(signals, _answer(outputs), options.temperature)
        else:
            alpha, beta = (0.0, 0.0) if options.loss == "l2" else (options.alpha, options.beta)
            loss = normalized_divergence(
                signals,
                _answer(outputs),
                self._scales,
                alpha,
                beta,
                normalize_student=options.normalize_student,
            )
        return {"divergence": loss}

    def build_metrics(
        self, fitted: Mapping[str, tf.keras.metrics.Metric] | None = None
    ) -> Mapping[str, tf.keras.metrics.Metric]:
        """Returns how well the student does its teacher's work.

        Args:
          fitted: not read; there is no baseline to fit.

        Returns:
          For logits `teacher_agreement` in [0, 1] and, where the images have
          classes, `top1_accuracy`; for features `explained_share`.
        """
        del fitted
        if self.options.level == TOP:
            is_plain = self.options.loss == "temperature_kl"
            scales = tf.constant(1.0) if is_plain else self._scales
            return {"explained_share": ExplainedShare(scales, self.options.normalize_student)}
        metrics: dict[str, tf.keras.metrics.Metric] = {"teacher_agreement": TeacherAgreement()}
        return metrics | ({"top1_accuracy": TopAccuracy(1)} if self._is_labelled else {})

    @property
    def _scales(self) -> tf.Tensor:
        """Returns the size of each of the teacher's signals, float32 [D] or []."""
        return tf.constant(1.0 if self._teacher is None else self._teacher.scales)

    def _annotation(self, split: str) -> Annotation | None:
        """Returns the labels of a split, if they are of the classes of the logits."""
        if not self._is_labelled:
            return None
        names = self._readers[TRAIN_SPLIT].class_names
        return label_annotation(self._readers[split], self.options.num_classes, names)

    def _finish(self, view: tf.Tensor, label: list[tf.Tensor]) -> Example:
        """Returns an example from a view, float32 [S, S, 3] in [0, 1]."""
        targets = {"label": label[0]} if label else {}
        if self._teacher_sees_more:
            targets["view"] = view
        return {"image": self.as_input(view)}, targets


class TeacherAgreement(tf.keras.metrics.Mean):
    """How often student and teacher hold the same class for the most probable.

    Args:
      name: what the metric is called.
      dtype: type of the sums.
    """

    def __init__(self, name: str = "teacher_agreement", dtype: str = "float64") -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `teacher` and `logits`, both float32 [B, K]."""
        guesses = (tf.argmax(one, axis=-1) for one in (targets["teacher"], outputs["logits"]))
        super().update_state(tf.equal(*guesses))


class ExplainedShare(tf.keras.metrics.Metric):
    """Which share of the teacher's mean square the student gives.

    `1 - sum |y/s - z|^2 / sum |y/s|^2`: 1 for a perfect copy, 0 for a student
    that always answers 0.

    Args:
      scales: float32 [D] or [], s.
      is_normalized: whether the student's z is divided by s too.
      name: what the metric is called.
    """

    def __init__(
        self, scales: tf.Tensor, is_normalized: bool, name: str = "explained_share"
    ) -> None:
        super().__init__(name=name, dtype="float64")
        self._scales, self._is_normalized = scales, is_normalized
        self._error = self.add_weight("error", initializer="zeros")
        self._total = self.add_weight("total", initializer="zeros")

    def update_state(self, targets: Tensors, outputs: Tensors) -> None:
        """Adds `teacher` and `logits` or `signals`, all float32 [B, D]."""
        wanted, given = targets["teacher"] / self._scales, _answer(outputs)
        given = given / self._scales if self._is_normalized else given
        for weight, value in ((self._error, wanted - given), (self._total, wanted)):
            weight.assign_add(tf.cast(tf.reduce_sum(tf.square(value)), weight.dtype))

    def result(self) -> tf.Tensor:
        """Returns the share, float64 [], at most 1."""
        return 1 - tf.math.divide_no_nan(self._error, self._total)


def _answer(outputs: Tensors) -> tf.Tensor:
    """Returns the student's signals, float32 [B, D], whatever head they come from."""
    return outputs["signals"] if "signals" in outputs else outputs["logits"]
