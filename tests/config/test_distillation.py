import json

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.config.command import define_flags
from tfcolor.backbones.cifar import CifarOptions
from tfcolor.config.assembly import build_network, build_task, load_network
from tfcolor.config.distillation import count_signals, prepare_teacher
from tfcolor.config.experiment import UNRECORDED, read_experiment
from tfcolor.config.flags import write_flagfile
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.features import UNRECTIFIED_TOP
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.array import ArraySource
from tfcolor.tasks.distillation import DistillationOptions, DistillationTask
from tfcolor.train import COMMAND
from tfcolor.training.checkpoints import Checkpoints

WIDTH = 1 / 16
"""Tops of 4x4 cells and 12 channels."""
STUDENT = ("cifar_shallow", CifarOptions(width_multiplier=WIDTH))
VIEWS = {"crop_size": 32, "min_side": 32, "max_side": 32}
SEED = 5


def make_run(folder, *flags):
    """Writes what a run leaves, with random weights; returns its folder as text."""
    flag_values = define_flags(COMMAND)
    narrow = [f"--cifar_{name}_width_multiplier={WIDTH}" for name in ("shallow", "deep")]
    flag_values(["train", *narrow, "--backbone=cifar_shallow", *flags])
    experiment = read_experiment(flag_values)
    network = build_network(experiment, build_task(experiment, {}))
    write_flagfile(folder / "flags.cfg", flag_values, UNRECORDED)
    checkpoint = tf.train.Checkpoint(network=network)
    Checkpoints(folder / "checkpoints", checkpoint, 1, is_chief=True).save_best(3)
    return str(folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two gray classifiers of five classes and one, in color, of four."""
    root = tmp_path_factory.mktemp("teachers")
    classifier = ("--task=classification", "--classification_num_classes=5")
    color = ("--classification_input=color", "--classification_num_classes=4")
    return [
        make_run(root / "a", *classifier, "--seed=1"),
        make_run(root / "b", *classifier, "--seed=2"),
        make_run(root / "color", *classifier, *color, "--backbone=cifar_deep"),
    ]


class ExportedNetwork(tf.Module):
    """What an export is for a student: maps of the views themselves, of two channels."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def features(self, rgb):
        return {"conv1": rgb, "fc7": rgb[:, ::8, ::8, :2]}


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """The folder of the versions of an export."""
    folder, network = tmp_path_factory.mktemp("export"), ExportedNetwork()
    tf.saved_model.save(network, str(folder / "7"), {"features": network.features})
    (folder / "7" / "assets").mkdir(exist_ok=True)
    metadata = json.dumps({"taps": {"conv1": 3, "fc7": 2}})
    (folder / "7" / "assets" / "metadata.json").write_text(metadata)
    return str(folder)


@pytest.fixture(scope="module")
def readers():
    pixels = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3)).astype(np.uint8)
    source = ArraySource(pixels, [str(index) for index in range(7)], None, ())
    return {"train": ExampleReader(source), "heldout": ExampleReader(source)}


def _options(*teachers, **options):
    return DistillationOptions(teachers=teachers, **{**VIEWS, **options})


def _signals(teacher, readers, options):
    """Returns the signals for a batch of views, and the views."""
    task = DistillationTask(options, readers, teacher=teacher)
    inputs, targets = next(iter(task.make_dataset("heldout", BatchPlan(7, 0, num_batches=1))))
    return task.complete_targets(inputs, targets)["teacher"].numpy(), inputs["image"], targets


def _tops(runs, images):
    """Returns the maps of runs before the last ReLU, float32 [M, B, cells, C]."""
    networks = [load_network(run)[0] for run in runs]
    tops = [one.backbone(images, convolutional=False)[UNRECTIFIED_TOP] for one in networks]
    return np.reshape(tops, [len(runs), len(images), 16, 12])


def test_signals_are_counted_from_flags_alone(runs):
    assert count_signals(_options(*runs[:2]), *STUDENT).num_classes == 5
    assert count_signals(_options(runs[0], level="top"), *STUDENT).num_features == 16 * 12
    subset = _options(*runs, level="top", adaptation="subset")
    assert count_signals(subset, *STUDENT).num_features == 16 * 12
    auxiliary = _options(*runs, level="top", adaptation="auxiliary_layer")
    assert count_signals(auxiliary, *STUDENT).num_features == 16 * 36
    wide = ("cifar_shallow", CifarOptions(width_multiplier=WIDTH, top_channels=36))
    assert count_signals(_options(*runs, level="top"), *wide).num_features == 16 * 36


def test_an_ensemble_answers_with_its_mean(runs, readers, tmp_path):
    options = count_signals(_options(*runs[:2]), *STUDENT)
    path = tmp_path / "teacher.npz"
    teacher = prepare_teacher(options, readers, path, seed=SEED)
    signals, images, _ = _signals(teacher, readers, options)
    expected = np.mean([load_network(run)[0]({"image": images})["logits"] for run in runs[:2]], 0)
    np.testing.assert_allclose(signals, expected, rtol=1e-4, atol=1e-6)
    # All training views are the images, mirrored or not.
    assert 0.5 < teacher.scales[0] / np.sqrt(np.mean(expected[:, 0] ** 2)) < 2


def test_a_subset_is_drawn_once_and_read_again(runs, readers, tmp_path):
    options = _options(*runs[:2], level="top", adaptation="subset", use_mirror=False)
    options, path = count_signals(options, *STUDENT), tmp_path / "teacher.npz"
    teacher = prepare_teacher(options, readers, path, seed=SEED)
    signals, images, _ = _signals(teacher, readers, options)
    with np.load(path) as arrays:
        channels, scales = arrays["channels"], arrays["scales"]
    whole = np.concatenate(_tops(runs[:2], images), axis=-1)
    expected = whole[..., channels].reshape(7, 192)
    np.testing.assert_allclose(signals, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scales, np.sqrt(np.mean(whole**2, axis=(0, 1))), rtol=1e-4)
    np.testing.assert_allclose(teacher.scales, np.tile(scales[channels], 16), rtol=1e-6)
    # With another seed the views and the subset would be others.
    again = prepare_teacher(options, {}, path, seed=SEED + 1)
    np.testing.assert_array_equal(_signals(again, readers, options)[0], signals)


def test_a_teacher_in_color_sees_the_colors_that_the_student_does_not(runs, readers, tmp_path):
    options = count_signals(_options(runs[2], normalization="none"), *STUDENT)
    teacher = prepare_teacher(options, readers, tmp_path / "teacher.npz", seed=SEED)
    signals, images, targets = _signals(teacher, readers, options)
    assert images.shape[-1] == 1
    expected = load_network(runs[2])[0]({"image": targets["view"]})["logits"]
    np.testing.assert_allclose(signals, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(teacher.scales, np.ones(4))


def test_an_export_teaches_its_last_features(export, readers, tmp_path):
    options = count_signals(_options(export, level="top", adaptation="auxiliary_layer"), *STUDENT)
    teacher = prepare_teacher(options, readers, tmp_path / "teacher.npz", seed=SEED)
    signals, images, _ = _signals(teacher, readers, options)
    assert options.num_features == 2
    means = images.numpy()[:, ::8, ::8].mean(axis=(1, 2))
    np.testing.assert_allclose(signals, np.repeat(means, 2, axis=1), rtol=1e-5)


def test_a_student_is_loaded_without_its_teachers(tmp_path):
    flags = ("--task=distillation", "--distillation_teachers=runs/gone")
    student = make_run(tmp_path / "run", *flags, "--distillation_num_classes=6")
    network, origin = load_network(student)
    assert network({"image": tf.zeros([2, 32, 32, 1])})["logits"].shape == [2, 6]
    assert origin["task"] == "distillation"
    # And teaches another.
    assert count_signals(_options(student), *STUDENT).num_classes == 6


def test_teachers_must_fit_together_and_to_the_student(runs, export):
    def complain(error, message, *teachers, **options):
        with pytest.raises(error, match=message):
            count_signals(_options(*teachers, **options), *STUDENT)

    complain(UsageError, "distillation_teachers is not given")
    complain(UserError, "nowhere is not a run", "nowhere")
    complain(UserError, "tells 4 classes; expected classifiers of the same", *runs)
    complain(UserError, "is an export, which tells no logits", export)
    complain(UsageError, "num_classes=3: the teachers tell 5 apart", runs[0], num_classes=3)
    complain(
        UsageError,
        "the teachers has 24 channels at 16 positions, the top of the student has 12 channels at "
        "16 positions; expected subset, auxiliary_layer or --cifar_shallow_top_channels=24",
        *runs[:2],
        level="top",
    )
    subset = {"level": "top", "adaptation": "subset"}
    complain(UsageError, "expected auxiliary_layer", export, **subset)
    complain(UsageError, "expected equal positions", runs[0], export, level="top")
