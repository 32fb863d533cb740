import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.config.command import define_flags
from tfcolor.backbones.cifar import CifarOptions
from tfcolor.backbones.field_of_view import WidenedBackbone
from tfcolor.color.decoding import DecodingOptions
from tfcolor.config.assembly import (
    build_network,
    build_networks,
    build_task,
    joint_network,
    load_colorizer,
    load_network,
    load_run_colorizer,
    open_experiment_readers,
    trackable_network,
)
from tfcolor.config.experiment import (
    UNRECORDED,
    ExperimentTask,
    load_experiment,
    read_experiment,
)
from tfcolor.config.flags import write_flagfile
from tfcolor.core.errors import UsageError, UserError
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.loading import SavedColorizer
from tfcolor.inference.painting import SizeOptions
from tfcolor.models.task_statistics import TaskStatistics
from tfcolor.tasks.classification import ClassificationOptions
from tfcolor.train import COMMAND
from tfcolor.training.checkpoints import Checkpoints

SIZE = SizeOptions(24, 48)


def _load(model, checkpoint="best"):
    return load_colorizer(str(model), checkpoint, DecodingOptions(), SIZE)


def test_one_experiment_gives_one_network(tiny_run):
    experiment = load_experiment(tiny_run)
    task = build_task(experiment, *open_experiment_readers(experiment))
    assert task.splits == ("train", "heldout")
    one, other = (build_network(experiment, task) for _ in range(2))
    assert len(one.trainable_variables) > 10
    for first, second in zip(one.variables, other.variables, strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_task_without_readers_gives_the_same_head(tiny_run):
    experiment = load_experiment(tiny_run)
    network = build_network(experiment, build_task(experiment, {}))
    assert network.head.hidden.kernel.shape[1] == experiment.task.hidden_units


@pytest.mark.parametrize(("checkpoint", "folder"), [("best", "best"), ("last", "")])
def test_network_of_a_run_has_the_weights_of_its_checkpoint(tiny_run, checkpoint, folder):
    network, origin = load_network(tiny_run, checkpoint)
    prefix = tf.train.latest_checkpoint(str(tiny_run / "checkpoints" / folder))
    assert origin == {
        "run": str(tiny_run),
        "task": "colorization",
        "backbone": "alexnet",
        "step": int(prefix.rsplit("-", 1)[1]),
    }
    saved = [
        tf.train.load_variable(prefix, name)
        for name, _ in tf.train.list_variables(prefix)
        if name.startswith("network/head/hidden/kernel/.ATTR")
    ]
    np.testing.assert_array_equal(network.head.hidden.kernel, saved[0])


def test_a_run_may_have_further_blocks(tiny_run, tmp_path):
    flags = (tiny_run / "flags.cfg").read_text()
    more = "--field_of_view_blocks=2\n--colorization_taps=\n"
    (tmp_path / "flags.cfg").write_text(f"{flags}\n{more}")
    experiment = load_experiment(tmp_path)
    made = build_network(experiment, build_task(experiment, {}))
    for variable in made.variables:
        variable.assign(variable + tf.ones([], variable.dtype))
    tf.train.Checkpoint(network=made).save(str(tmp_path / "checkpoints/best/ckpt"))
    network, origin = load_network(tmp_path)
    assert (type(network.backbone), origin["backbone"]) == (WidenedBackbone, "alexnet")
    assert network.head.hidden.tap_names[-3:] == ("fc7", "conv8_1", "conv9_1")
    for first, second in zip(made.variables, network.variables, strict=True):
        np.testing.assert_array_equal(first, second)
    assert network.features(tf.zeros([1, 40, 70, 1]))["conv9_1"].shape == [1, 1, 1, 32]


def _classifying(experiment, **options):
    """Returns an experiment that classifies instead."""
    member = ExperimentTask(
        "classification", ClassificationOptions(**options), experiment.data, batch_size=1
    )
    return dataclasses.replace(experiment, members=(member,))


def test_canonical_mode_has_no_further_blocks(tiny_run):
    experiment = load_experiment(tiny_run)
    run = dataclasses.replace(experiment.run, field_of_view_blocks=1)
    experiment = _classifying(dataclasses.replace(experiment, run=run), num_classes=3)
    with pytest.raises(UsageError, match=r"--field_of_view_blocks=1: expected 0.*classification"):
        build_network(experiment, build_task(experiment, {}))


def test_head_of_a_small_network_reads_its_flat_top(tiny_run):
    experiment = load_experiment(tiny_run)
    run = dataclasses.replace(experiment.run, backbone="cifar_shallow")
    experiment = dataclasses.replace(experiment, run=run, backbone=CifarOptions())
    experiment = _classifying(experiment, num_classes=100, input="color")
    network = build_network(experiment, build_task(experiment, {}))
    # Sections 3.4 and 10 of the specification: 71,152 and a task layer of 307,300.
    sizes = [
        sum(one.shape.num_elements() for one in part.trainable_variables)
        for part in (network.backbone, network.head)
    ]
    assert sizes == [71_152, 307_300]
    assert network({"image": tf.zeros([2, 32, 32, 3])})["logits"].shape == [2, 100]


def test_the_last_stands_in_for_a_missing_best(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run/checkpoints/best")
    _, origin = load_network(tmp_path / "run", "best")
    assert origin["step"] == load_network(tiny_run, "last")[1]["step"]


def test_a_run_without_checkpoints_is_a_user_error(tiny_run, tmp_path):
    shutil.copy(tiny_run / "flags.cfg", tmp_path)
    with pytest.raises(UserError, match=f"{tmp_path} has no checkpoint yet: train it first"):
        load_network(tmp_path)


def test_a_run_and_an_export_are_told_apart(tiny_run, tiny_export):
    colorizer = _load(tiny_run)
    assert type(colorizer) is Colorizer
    assert colorizer.painter.size == SIZE
    assert type(_load(tiny_export)) is SavedColorizer
    assert type(_load(tiny_export / "1")) is SavedColorizer


def test_a_missing_model_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="--model is not given"):
        _load("")
    with pytest.raises(UserError, match=f"--model={tmp_path / 'x'}: there is no such folder"):
        _load(tmp_path / "x")
    with pytest.raises(UserError, match="is not a run"):
        _load(tmp_path)


@pytest.fixture(scope="module")
def mixed_run(tiny_flags, tmp_path_factory):
    """What a run of two tasks leaves that mix the units of one trunk, and its networks."""
    run = tmp_path_factory.mktemp("mixed") / "run"
    flag_values = define_flags(COMMAND)
    trunk = {"width_multiplier": 1 / 32, "block_units": "1,1,3", "tapped_units": "all"}
    words = [f"--resnet101_v2_{name}={value}" for name, value in trunk.items()]
    words += ["--backbone=resnet101_v2", "--mixed_taps=all", "--mixture_penalty=0.5"]
    words += ["--task=classification,colorization", "--classification_num_classes=3"]
    words += ["--colorization_taps="]
    flag_values(["train", *tiny_flags, *words])
    experiment = read_experiment(flag_values)
    whole = [dataclasses.replace(experiment, selected=index) for index in range(2)]
    networks = build_networks(experiment, [build_task(one, {}) for one in whole])
    write_flagfile(run / "flags.cfg", flag_values, UNRECORDED)
    joint = joint_network(networks)
    for number, variable in enumerate(joint.trainable_variables):
        variable.assign(tf.random.stateless_normal(variable.shape, [2, number], stddev=0.1))
    Checkpoints(run / "checkpoints", tf.train.Checkpoint(network=joint), 1, is_chief=True).save(1)
    return run, networks


def test_each_task_of_a_run_has_a_mixture_of_its_own(mixed_run):
    run, networks = mixed_run
    for network, name in zip(networks, ("classification", "colorization"), strict=True):
        assert network.head_input.mixed == ("block3_unit1", "block3_unit2", "block3_unit3")
        weights = network.head_input.mixture.weights_of_units
        (penalty,) = network.losses
        assert float(penalty) == pytest.approx(0.5 * np.abs(weights).sum())
        restored, _ = load_network(run, "last", task=name)
        for one, other in zip(restored.variables, network.variables, strict=True):
            np.testing.assert_array_equal(one, other)
    rows = [network.head_input.mixture.mixing_row.numpy() for network in networks]
    assert np.abs(rows[0] - rows[1]).max() > 0
    assert len(networks[1].head.hidden.tap_names) == 4  # conv1 and the ends of three blocks


def test_a_mixture_may_take_proximal_steps(tiny_flags):
    flag_values = define_flags(COMMAND)
    words = ["--backbone=resnet101_v2", "--resnet101_v2_width_multiplier=0.03125"]
    words += ["--resnet101_v2_block_units=1,1,3", "--resnet101_v2_tapped_units=all"]
    words += ["--mixed_taps=all", "--mixture_penalty=0.5", "--mixture_rate=0.25"]
    flag_values(["train", *tiny_flags, *words, "--colorization_taps="])
    experiment = read_experiment(flag_values)
    (network,) = build_networks(experiment, [build_task(experiment, {})])
    assert (network.head_input.mixture.rate, network.head_input.mixture.penalty) == (0.25, 0.5)
    assert not network.losses


def test_a_colorizer_reads_its_mixture(mixed_run):
    run, _ = mixed_run
    gray = tf.random.stateless_uniform([1, 40, 48, 1], [1, 2])
    colorizer, _ = load_run_colorizer(str(run), "last", DecodingOptions(), SizeOptions(max_side=64))
    before = colorizer.histograms(gray)["hue"].numpy()
    colorizer.network.head_input.mixture.mixing_row.assign([1.0, -2.0, 0.5])
    assert np.abs(colorizer.histograms(gray)["hue"] - before).max() > 1e-6


def test_a_head_of_residual_units_normalizes_itself_unless_it_reads_a_mixture(tiny_flags, tmp_path):
    flag_values = define_flags(COMMAND)
    words = ["--backbone=resnet50_v2", "--resnet50_v2_width_multiplier=0.03125"]
    words += ["--resnet50_v2_block_units=1,1,1", "--colorization_taps="]
    words += ["--task=exemplar,colorization", "--exemplar_readout=average"]
    words += ["--exemplar_head=residual", "--exemplar_residual_channels=8,8"]
    flag_values(["train", *tiny_flags, *words, "--exemplar_patch_size=32"])
    experiment = read_experiment(flag_values)
    whole = [dataclasses.replace(experiment, selected=index) for index in range(2)]
    tasks = [build_task(one, {}) for one in whole]
    networks = build_networks(experiment, tasks)
    assert networks[0].head_input is None
    assert networks[1].head_input.mixture is None
    joint = joint_network(networks)
    norm = networks[1].head_input.norms["block3_unit1"]
    norm.bias.assign(tf.ones_like(norm.bias))
    saved = norm.bias.numpy()
    prefix = tf.train.Checkpoint(network=joint).write(str(tmp_path / "joint"))
    norm.bias.assign(tf.zeros_like(norm.bias))
    holder = tf.train.Checkpoint(network=trackable_network(whole[1], networks[1]))
    holder.read(prefix).assert_existing_objects_matched()
    np.testing.assert_array_equal(norm.bias, saved)
    run = dataclasses.replace(experiment.run, mixed_taps=("all",))
    mixed = build_networks(dataclasses.replace(experiment, run=run), tasks)
    assert all("block3_unit1" in one.head_input.norms for one in mixed)


@pytest.fixture(scope="module")
def joint_run(tiny_flags, tmp_path_factory):
    """What a run of two tasks leaves, of which the second one colors."""
    run = tmp_path_factory.mktemp("joint") / "run"
    flag_values = define_flags(COMMAND)
    tasks = ("--task=classification,colorization", "--classification_num_classes=3")
    flag_values(["train", *tiny_flags, *tasks])
    experiment = read_experiment(flag_values)
    whole = [dataclasses.replace(experiment, selected=index) for index in range(2)]
    networks = build_networks(experiment, [build_task(one, {}) for one in whole])
    write_flagfile(run / "flags.cfg", flag_values, UNRECORDED)
    joint = joint_network(networks)
    for task, network in enumerate(networks):
        for _, own in network.statistics.pairs():
            own.assign(tf.fill(own.shape, tf.cast(3 + task, own.dtype)))
    joint.average_statistics()
    for number, variable in enumerate(joint.trainable_variables):
        variable.assign(tf.random.stateless_normal(variable.shape, [1, number], stddev=0.1))
    Checkpoints(run / "checkpoints", tf.train.Checkpoint(network=joint), 1, is_chief=True).save(1)
    return run


def test_either_task_of_a_joint_run_can_be_loaded(joint_run):
    network, origin = load_network(joint_run, "last", task="colorization")
    other, other_origin = load_network(joint_run, "last", task="classification")
    assert [one["task"] for one in (origin, other_origin)] == ["colorization", "classification"]
    for one, same in zip(
        network.backbone.trainable_variables, other.backbone.trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(one, same)
    for value, loaded in zip((4, 3), (network, other), strict=True):
        statistics = TaskStatistics(loaded.backbone).pairs()
        assert statistics
        for shared, _ in statistics:
            np.testing.assert_array_equal(shared, np.full(shared.shape, value))
    assert other.head.classes.kernel.shape[1] == 3
    reader = tf.train.load_checkpoint(str(joint_run / "checkpoints/ckpt-1"))
    key = "network/heads/1/hidden/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    np.testing.assert_array_equal(network.head.hidden.kernel, reader.get_tensor(key))


def test_the_backbone_of_a_joint_run_has_the_mean_of_its_tasks_statistics(joint_run):
    network, _ = load_network(joint_run, "last")
    for shared, _ in TaskStatistics(network.backbone).pairs():
        value = 3 if shared.dtype.is_integer else 3.5
        np.testing.assert_array_equal(shared, np.full(shared.shape, value))


def test_a_backbone_may_take_three_channels_though_no_task_sees_colors(tiny_flags):
    for flags, channels in (((), 1), (("--three_channels",), 3)):
        flag_values = define_flags(COMMAND)
        flag_values(["train", *tiny_flags, *flags])
        experiment = read_experiment(flag_values)
        task = build_task(experiment, {})
        assert build_network(experiment, task).backbone.input_channels == channels
        assert task.as_input(tf.zeros([1, 2, 2, 3])).shape == [1, 2, 2, channels]


def test_a_joint_run_colors(joint_run):
    colorizer, origin = load_run_colorizer(
        str(joint_run), "best", DecodingOptions(), SizeOptions(max_side=64)
    )
    rgb = colorizer.colorize(tf.fill([1, 40, 50, 1], 0.5))["rgb"]
    assert rgb.shape == [1, 40, 50, 3]
    assert origin["task"] == "colorization"
