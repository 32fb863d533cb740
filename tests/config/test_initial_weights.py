import shutil

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.config.command import define_flags, execute
from tfcolor.color.decoding import DecodingOptions
from tfcolor.config.assembly import build_network, build_task, load_colorizer, load_network
from tfcolor.config.experiment import read_experiment
from tfcolor.config.initial_weights import load_initial_weights
from tfcolor.core.errors import UserError
from tfcolor.inference.painting import SizeOptions
from tfcolor.train import COMMAND

NUM_CLASSES = "--classification_num_classes=3"
SHORT = ("--num_steps=2", "--checkpoint_every_steps=1", "--batch_size=2")


@pytest.fixture(scope="module")
def classifier_flags(tiny_flags, labelled_photos):
    views = ("--classification_min_side=227", "--classification_max_side=240")
    return [*tiny_flags, *SHORT, *views, "--task=classification", f"--images={labelled_photos}"]


@pytest.fixture(scope="module")
def classifier_run(classifier_flags, tmp_path_factory):
    """A finished run of two steps of gray classification; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "gray"
    assert execute(COMMAND, [*classifier_flags, f"--run_dir={folder}"]) == 0
    return folder


def _describe(flags):
    flag_values = define_flags(COMMAND)
    flag_values(["train", *flags])
    return read_experiment(flag_values)


def _build(flags):
    """Builds the network of a new run, with random weights."""
    experiment = _describe(flags)
    return build_network(experiment, build_task(experiment, {}))


def _start(flags):
    """Builds the network of a new run and gives it its initial weights."""
    network = _build(flags)
    load_initial_weights(network.backbone, _describe(flags))
    return network


def test_a_classification_run_can_be_loaded_without_its_images(classifier_run):
    network, origin = load_network(classifier_run)
    assert origin["task"] == "classification"
    assert not network.convolutional
    assert network({"image": tf.zeros([2, 227, 227, 1])})["logits"].shape == [2, 3]


def test_the_same_command_goes_on_with_a_classification_run(classifier_run, classifier_flags):
    recorded = (classifier_run / "flags.cfg").read_text()
    assert "--classification_num_classes=3\n" in recorded
    assert "--classification_crop_size=227\n" in recorded
    assert execute(COMMAND, [*classifier_flags, f"--run_dir={classifier_run}"]) == 0


def test_a_classification_run_colors_nothing(classifier_run):
    message = f"{classifier_run} is not a run of the task colorization"
    with pytest.raises(UserError, match=message):
        load_colorizer(str(classifier_run), "best", DecodingOptions(), SizeOptions(24, 48))


def _assert_equal(ours, theirs):
    for one, other in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_backbone_starts_where_the_other_run_was_best(classifier_run, tiny_flags):
    network = _start([*tiny_flags, f"--initial_weights={classifier_run}"])
    other, fresh = load_network(classifier_run, "best")[0], _build(tiny_flags)
    _assert_equal(network.backbone, other.backbone)
    _assert_equal(network.head, fresh.head)
    assert type(network.head) is not type(other.head)
    with pytest.raises(AssertionError):
        _assert_equal(network.backbone, fresh.backbone)


def test_a_run_starts_from_another_and_goes_on_from_itself(classifier_run, tiny_flags, tmp_path):
    shutil.copytree(classifier_run, tmp_path / "other")
    weights = f"--initial_weights={tmp_path / 'other'}"
    run = tmp_path / "run"
    arguments = [*tiny_flags, *SHORT, "--learning_rate=0", weights, f"--run_dir={run}"]
    assert execute(COMMAND, arguments) == 0
    assert f"{weights}\n" in (run / "flags.cfg").read_text()
    network, other = load_network(run, "last")[0], load_network(classifier_run)[0]
    for ours, theirs in zip(
        network.backbone.trainable_variables, other.backbone.trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    shutil.rmtree(tmp_path / "other")
    (run / "result.json").unlink()
    assert execute(COMMAND, arguments) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--backbone=vgg16", "--colorization_taps="], "--backbone=alexnet; this one has vgg16$"),
        (
            ["--task=classification", "--classification_input=color", NUM_CLASSES],
            r"first layer for gray images \(1 channels\), and this run has color ones \(3\): "
            "start from a run on color images; --classification_input chooses",
        ),
        (
            ["--alexnet_width_multiplier=0.05"],
            r"has other layers: --alexnet_width_multiplier was 0\.03, is 0\.05$",
        ),
        (
            ["--alexnet_use_batch_norm=false"],
            r"has other layers: --alexnet_use_batch_norm was True, is False$",
        ),
    ],
)
def test_another_backbone_is_refused(classifier_run, tiny_flags, flags, message):
    with pytest.raises(UserError, match=message):
        _start([*tiny_flags, f"--initial_weights={classifier_run}", *flags])


def test_what_is_no_run_or_has_no_checkpoint_is_refused(classifier_run, tiny_flags, tmp_path):
    with pytest.raises(UserError, match="is not a run: it has no flags"):
        _start([*tiny_flags, f"--initial_weights={tmp_path}"])
    shutil.copy(classifier_run / "flags.cfg", tmp_path)
    with pytest.raises(UserError, match="has no checkpoint yet: train it first"):
        _start([*tiny_flags, f"--initial_weights={tmp_path}"])
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/ckpt-3.index").write_bytes(b"torn")
    with pytest.raises(UserError, match=r"cannot read the checkpoint .*ckpt-3"):
        _start([*tiny_flags, f"--initial_weights={tmp_path}"])


def test_another_mean_is_refused(classifier_run, tiny_flags):
    flags = [*tiny_flags, f"--initial_weights={classifier_run}", "--alexnet_input_mean=0.3"]
    with pytest.raises(UserError, match=r"was made with --alexnet_input_mean=0\.4488"):
        _start(flags)
