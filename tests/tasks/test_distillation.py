import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.core.errors import UsageError
from tfcolor.core.features import UNRECTIFIED_TOP
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.array import ArraySource
from tfcolor.losses.distillation import normalized_divergence, temperature_divergence
from tfcolor.models.calibration import Calibration
from tfcolor.models.network import Network
from tfcolor.models.teacher import Teacher
from tfcolor.tasks.base import TargetCompleter
from tfcolor.tasks.distillation import DistillationOptions, DistillationTask

SMALL = {"crop_size": 32, "min_side": 32, "max_side": 32}
NUM_FEATURES = 192
"""Of the top of the narrow student, 4x4 cells of 12 channels."""


class Corners:
    """A teacher that tells the brightest of three corners, or of channels in color."""

    num_cells = 1

    def __init__(self, sees_color=False):
        self.sees_color = sees_color

    def __call__(self, images):
        if self.sees_color:
            return tf.reduce_mean(images, axis=[1, 2])
        return tf.stack([images[:, 0, 0, 0], images[:, 0, -1, 0], images[:, -1, 0, 0]], axis=-1)


class Maps:
    """A teacher of random features, [B, 192]."""

    sees_color, num_cells = False, 16

    def __call__(self, images):
        return tf.random.stateless_normal([len(images), NUM_FEATURES], [1, 2])


@pytest.fixture(scope="module")
def student():
    kind = BACKBONES["cifar_shallow"]
    return kind(kind.Options(width_multiplier=1 / 16, use_dropout=False), 3, 0)


def _reader(class_names="xyz"):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3)).astype(np.uint8)
    labels = [0, 1, 2] * 2 if class_names else None
    names = [str(index) for index in range(6)]
    return ExampleReader(ArraySource(pixels, names, labels, tuple(class_names)))


def _task(reader=None, member=None, *, teacher=None, **options):
    readers = dict.fromkeys(("train", "heldout"), reader) if reader else {}
    options = DistillationOptions(**{**SMALL, "num_classes": 3, **options})
    teacher = teacher or Teacher([member or Corners()], options.level)
    return DistillationTask(options, readers, teacher=teacher)


def _batch(task, split="train", seed=0):
    return next(iter(task.make_dataset(split, BatchPlan(4, seed, num_batches=1))))


def test_the_teacher_sees_the_view_of_the_student():
    task = _task(_reader())
    inputs, targets = _batch(task)
    assert isinstance(task, TargetCompleter)
    completed = task.complete_targets(inputs, targets)
    assert set(completed) == {"label", "teacher"}
    np.testing.assert_array_equal(completed["teacher"], Corners()(inputs["image"]))
    np.testing.assert_array_equal(completed["label"], targets["label"])


def test_the_teacher_may_see_more_than_the_student():
    inputs, targets = _batch(_task(_reader(), Corners(sees_color=True)))
    assert inputs["image"].shape == [4, 32, 32, 1]
    gray = tf.reduce_mean(targets["view"], axis=-1, keepdims=True)
    np.testing.assert_allclose(inputs["image"], gray, atol=1e-6)
    task = _task(_reader(), Corners(sees_color=True))
    completed = task.complete_targets(inputs, targets)
    assert set(completed) == {"label", "teacher"}
    np.testing.assert_allclose(completed["teacher"], tf.reduce_mean(targets["view"], [1, 2]))
    assert set(_batch(_task(_reader(), Corners(sees_color=True), input="color"))[1]) == {"label"}


@pytest.mark.parametrize(
    ("class_names", "options"),
    [("", {}), ("vwxyz", {}), ("xyz", {"level": "top", "num_classes": 0})],
)
def test_labels_are_not_needed(class_names, options):
    task = _task(_reader(class_names), **options)
    assert not _batch(task)[1]
    assert task.score != "top1_accuracy"


def test_training_views_are_mirrored_and_shifted_if_asked():
    reader = _reader()
    plain = _task(reader, use_mirror=False, input="color")
    sums = {float(one.sum()) for one in _batch(plain)[0]["image"].numpy()}
    known = {float(np.float32(reader.read(i)[0] / 255).sum()) for i in range(6)}
    assert all(min(abs(one - other) for other in known) < 0.1 for one in sums)
    views = _batch(_task(reader, max_shift=4, input="color"))[0]["image"].numpy()
    assert np.any(views[:, :, 0] == 0)
    heldout = _batch(_task(reader, max_shift=4, input="color"), "heldout")[0]["image"].numpy()
    sums = {float(one.sum()) for one in heldout}
    assert all(min(abs(one - other) for other in known) < 0.1 for one in sums)


def test_losses_are_those_of_the_options():
    signals, logits = np.random.default_rng(1).normal(size=(2, 4, 3)).astype(np.float32)
    calibration = Calibration(np.array([0.5, 1.0, 2.0]), np.arange(3))
    teacher = Teacher([Corners()], "task", calibration)
    targets, outputs = {"teacher": signals}, {"logits": tf.constant(logits)}

    def loss(**options):
        return _task(teacher=teacher, **options).compute_losses(targets, outputs)["divergence"]

    scales = np.float32([0.5, 1, 2])
    expected = normalized_divergence(signals, logits, scales, 0.25, 0.0)
    np.testing.assert_allclose(loss(), expected)
    expected = np.mean((signals - logits) ** 2 / scales**2, axis=-1) / 2
    np.testing.assert_allclose(loss(loss="l2"), expected, rtol=1e-4)
    expected = normalized_divergence(signals, logits, scales, 1.0, 0.5, normalize_student=False)
    np.testing.assert_allclose(loss(alpha=1.0, beta=0.5, normalize_student=False), expected)
    expected = temperature_divergence(signals, logits, 2.0)
    np.testing.assert_allclose(loss(loss="temperature_kl", temperature=2.0), expected)


def test_the_top_of_the_student_needs_no_layer(student):
    options = {"level": "top", "num_classes": 0, "num_features": NUM_FEATURES}
    images = tf.random.stateless_uniform([2, 32, 32, 3], [5, 6])
    task = _task(member=Maps(), **options, adaptation="subset")
    network = Network(student, task.build_head(student.canonical_taps(), 0), convolutional=False)
    assert not network.head.variables
    outputs = network({"image": images})
    expected = student(images, convolutional=False)[UNRECTIFIED_TOP]
    np.testing.assert_array_equal(outputs["signals"], expected)
    with tf.GradientTape() as tape:
        outputs = network({"image": images}, training=True)
        targets = task.complete_targets({"image": images}, {})
        losses = task.compute_losses(targets, outputs)["divergence"]
        assert losses.shape == [2]
        loss = tf.reduce_sum(losses)
    gradients = tape.gradient(loss, student.trainable_variables)
    assert all(float(tf.reduce_max(tf.abs(one))) > 0 for one in gradients)


def test_the_auxiliary_layer_reads_the_rectified_top(student):
    options = {"level": "top", "num_classes": 0, "num_features": 7}
    task = _task(member=Maps(), **options, adaptation="auxiliary_layer")
    head = task.build_head(student.canonical_taps(), 0)
    images = tf.random.stateless_uniform([2, 32, 32, 3], [5, 6])
    top = student(images, convolutional=False)["top"].numpy()
    outputs = Network(student, head, convolutional=False)({"image": images})
    np.testing.assert_allclose(outputs["logits"], top @ head.classes.kernel.numpy(), rtol=1e-4)


def test_explained_share_is_1_for_a_copy_and_0_for_silence():
    calibration = Calibration(np.array([0.5, 1.0, 2.0]), np.arange(3))
    task = _task(teacher=Teacher([Corners()], "top", calibration), level="top", num_features=3)
    signals = np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32)

    def share(given):
        metric = task.build_metrics()["explained_share"]
        for half in (slice(0, 2), slice(2, 4)):
            metric.update_state({"teacher": signals[half]}, {"signals": given[half]})
        return float(metric.result())

    assert task.score == "explained_share"
    assert share(signals) == 1
    assert share(0 * signals) == 0
    given = signals + np.float32([[0.1, -0.2, 0.3]])
    scaled = [one / np.array([0.5, 1, 2]) for one in (signals, given)]
    expected = 1 - np.sum((scaled[0] - scaled[1]) ** 2) / np.sum(scaled[0] ** 2)
    np.testing.assert_allclose(share(given), expected, rtol=1e-5)


def test_accuracy_and_agreement_are_counted():
    task = _task(_reader())
    assert task.score == "top1_accuracy"
    targets = {"teacher": np.eye(3)[[0, 1, 2, 0]], "label": np.array([0, 1, 0, 0])}
    outputs = {"logits": tf.constant(np.eye(3)[[0, 1, 1, 2]], tf.float32)}
    results = {}
    for name, metric in task.build_metrics().items():
        metric.update_state(targets, outputs)
        results[name] = float(metric.result())
    assert results == {"teacher_agreement": 0.5, "top1_accuracy": 0.5}
    assert list(_task(_reader("")).build_metrics()) == ["teacher_agreement"]


def test_view_is_completed_and_checked():
    assert DistillationOptions().completed({}, 32).crop_size == 32
    with pytest.raises(UsageError, match="distillation_crop_size=24: the backbone takes 32"):
        DistillationOptions(crop_size=24).completed({}, 32)


def test_logits_are_not_adapted():
    with pytest.raises(UsageError, match="adaptation=subset with --distillation_level=task"):
        DistillationOptions(adaptation="subset")


def test_learning_needs_a_teacher():
    with pytest.raises(ValueError, match="teacher=None"):
        DistillationTask(DistillationOptions(), {}).complete_targets({}, {})
