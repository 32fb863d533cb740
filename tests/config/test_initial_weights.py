import shutil

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.config.command import define_flags, execute
from tfcolor.color.decoding import DecodingOptions
from tfcolor.config.assembly import (
    build_network,
    build_task,
    load_colorizer,
    load_network,
    open_experiment_readers,
)
from tfcolor.config.experiment import read_experiment
from tfcolor.config.initial_weights import initialize_backbone
from tfcolor.core.errors import UsageError, UserError
from tfcolor.inference.painting import SizeOptions
from tfcolor.train import COMMAND
from tfcolor.training.checkpoints import Checkpoints

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


def _start(flags, *, reads_images=False):
    """Builds the network of a new run and gives it its initial weights."""
    experiment = _describe(flags)
    readers = open_experiment_readers(experiment)[0] if reads_images else {}
    task = build_task(experiment, readers)
    network = build_network(experiment, task)
    initialize_backbone(network.backbone, experiment, task)
    return network


def _write_run(folder, flags, steps=(7,)):
    """Writes the run of flags, with other random weights at each step; returns the last."""
    folder.mkdir()
    (folder / "flags.cfg").write_text("\n".join(flags))
    for step in steps:
        network = _build([*flags, f"--seed={step}"])
        for index, norm in enumerate(network.backbone.batch_norms.values()):
            norm.moving_mean.assign(tf.fill(norm.moving_mean.shape, -0.1 * index))
            norm.moving_variance.assign(tf.fill(norm.moving_mean.shape, 0.5 + 0.1 * index))
            norm.num_updates.assign(2000)
        checkpoint = tf.train.Checkpoint(network=network)
        Checkpoints(folder / "checkpoints", checkpoint, 3, is_chief=True).save(step)
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
    """Compares all variables but the counters of updates, which start again."""
    for one, other in zip(ours.variables, theirs.variables, strict=True):
        if "num_updates" not in one.name:
            np.testing.assert_array_equal(one, other)


def test_the_backbone_starts_where_the_other_run_was_best(classifier_run, tiny_flags):
    network = _start([*tiny_flags, f"--initial_weights={classifier_run}"])
    other, fresh = load_network(classifier_run, "best")[0], _build(tiny_flags)
    _assert_equal(network.backbone, other.backbone)
    _assert_equal(network.head, fresh.head)
    assert type(network.head) is not type(other.head)
    with pytest.raises(AssertionError):
        _assert_equal(network.backbone, fresh.backbone)


def test_a_frozen_run_keeps_the_other_backbone_and_goes_on_from_itself(
    classifier_run, tiny_flags, tmp_path
):
    shutil.copytree(classifier_run, tmp_path / "other")
    weights = f"--initial_weights={tmp_path / 'other'}"
    run = tmp_path / "run"
    arguments = [*tiny_flags, *SHORT, "--frozen_through=top", weights, f"--run_dir={run}"]
    assert execute(COMMAND, arguments) == 0
    assert f"{weights}\n" in (run / "flags.cfg").read_text()
    network, other = load_network(run, "last")[0], load_network(classifier_run)[0]
    _assert_equal(network.backbone, other.backbone)
    with pytest.raises(AssertionError):
        _assert_equal(network.head, _build(tiny_flags).head)
    shutil.rmtree(tmp_path / "other")
    (run / "result.json").unlink()
    assert execute(COMMAND, arguments) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--backbone=vgg16", "--colorization_taps="], "--backbone=alexnet; this one has vgg16$"),
        (
            ["--alexnet_width_multiplier=0.05"],
            r"has other layers: --alexnet_width_multiplier was 0\.03, is 0\.05$",
        ),
        (
            ["--alexnet_use_batch_norm=false", "--alexnet_width_multiplier=0.05"],
            r"layers: --alexnet_width_multiplier was 0\.03, is 0\.05; --alexnet_use_batch_norm",
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


COLOR = ("--task=classification", "--classification_input=color", NUM_CLASSES)
PLAIN = "--alexnet_use_batch_norm=false"


@pytest.mark.parametrize("flags", [[PLAIN], [*COLOR], [PLAIN, *COLOR]])
def test_batch_norm_is_absorbed_and_gray_becomes_color(tiny_flags, tmp_path, caplog, flags):
    caplog.set_level("INFO")
    other = _write_run(tmp_path / "run", tiny_flags)
    network = _start([*tiny_flags, f"--initial_weights={tmp_path / 'run'}", *flags])
    gray = tf.random.stateless_uniform([2, 40, 48, 1], [1, 2])
    images = tf.repeat(gray, network.backbone.input_channels, axis=-1)
    expected, ours = other.features(gray), network.features(images)
    for name in set(expected) - {"x"}:
        assert np.max(expected[name]) > 0.1
        np.testing.assert_allclose(ours[name], expected[name], atol=1e-5, err_msg=name)
    said = caplog.text
    assert f"alexnet starts from step 7 of {tmp_path / 'run'}; its" in said
    assert ("batch norm is absorbed" in said) == (PLAIN in flags)
    assert ("its first layer goes from gray to color" in said) == (COLOR[0] in flags)


def test_batch_norm_cannot_be_made_up(tiny_flags, tmp_path):
    _write_run(tmp_path / "run", [*tiny_flags, PLAIN])
    with pytest.raises(UserError, match=r"has no batch norm, .*--alexnet_use_batch_norm=false too"):
        _start([*tiny_flags, f"--initial_weights={tmp_path / 'run'}"])


def test_residual_networks_keep_their_batch_norm(tmp_path, tiny_flags):
    flags = [
        *tiny_flags,
        "--backbone=resnet50",
        "--resnet50_width_multiplier=0.03",
        "--resnet50_stage_blocks=1,1,1,1",
        "--colorization_taps=res5a",
    ]
    other = _write_run(tmp_path / "run", flags)
    weights = f"--initial_weights={tmp_path / 'run'}"
    _assert_equal(_start([*flags, weights]).backbone, other.backbone)
    with pytest.raises(UserError, match=r"which resnet50 keeps: .*use_batch_norm=true"):
        _start([*flags, weights, "--resnet50_use_batch_norm=false"])
    with pytest.raises(UserError, match=r"other layers: --resnet50_batch_norm_scale was False, is"):
        _start([*flags, weights, "--resnet50_batch_norm_scale=true"])


@pytest.mark.parametrize(("theirs", "ours"), [(0, 2), (2, 1), (2, 0), (2, 2)])
def test_blocks_above_are_taken_over_where_there_are_as_many(tiny_flags, tmp_path, theirs, ours):
    other = _write_run(tmp_path / "run", [*tiny_flags, f"--field_of_view_blocks={theirs}"])
    flags = [*tiny_flags, f"--field_of_view_blocks={ours}"]
    network, fresh = _start([*flags, f"--initial_weights={tmp_path / 'run'}"]), _build(flags)
    for name, layer in network.backbone.convolutions.items():
        is_taken = theirs == ours or not name.endswith("_1")
        expected = (other if is_taken else fresh).backbone.convolutions[name]
        _assert_equal(layer, expected)
    for name, norm in network.backbone.batch_norms.items():
        _assert_equal(norm, other.backbone.batch_norms[name])


def test_moving_statistics_follow_the_new_run_as_fast_as_at_first(tiny_flags, tmp_path):
    other = _write_run(tmp_path / "run", tiny_flags)
    network = _start([*tiny_flags, f"--initial_weights={tmp_path / 'run'}"])
    norm = network.backbone.batch_norms["conv1"]
    _assert_equal(norm, other.backbone.batch_norms["conv1"])
    values = tf.random.stateless_normal([50, norm.moving_mean.shape[0]], [1, 2], mean=3.0)
    norm(values, training=True)
    np.testing.assert_allclose(norm.moving_mean, tf.reduce_mean(values, axis=0), rtol=1e-5)


def test_blocks_above_are_taken_over_with_absorption(tiny_flags, tmp_path):
    flags = [*tiny_flags, "--field_of_view_blocks=1"]
    other = _write_run(tmp_path / "run", flags)
    network = _start([*flags, PLAIN, f"--initial_weights={tmp_path / 'run'}"])
    gray = tf.random.stateless_uniform([1, 64, 64, 1], [1, 2])
    expected, ours = other.features(gray)["conv8_1"], network.features(gray)["conv8_1"]
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_a_checkpoint_is_chosen_by_its_step(tiny_flags, tmp_path):
    _write_run(tmp_path / "run", tiny_flags, steps=(3, 5))
    weights = f"--initial_weights={tmp_path / 'run'}"
    kernels = {step: _build([*tiny_flags, f"--seed={step}"]).backbone for step in (3, 5)}
    for choice, step in (("3", 3), ("last", 5)):
        network = _start([*tiny_flags, weights, f"--initial_checkpoint={choice}"])
        _assert_equal(network.backbone.convolutions["conv5"], kernels[step].convolutions["conv5"])
    with pytest.raises(UserError, match="of step 4: expected best, last or one of 3, 5"):
        _start([*tiny_flags, weights, "--initial_checkpoint=4"])
    with pytest.raises(UsageError, match="'first': expected best, last or a step"):
        _start([*tiny_flags, weights, "--initial_checkpoint=first"])


def test_weight_files_are_to_be_converted_and_unknown_names_refused(tiny_flags, tmp_path):
    path = tmp_path / "vgg16.caffemodel"
    path.write_bytes(b"weights")
    with pytest.raises(UserError, match=f"is a file; .*tfcolor convert --source={path} --run_dir"):
        _start([*tiny_flags, f"--initial_weights={path}"])
    with pytest.raises(UserError, match="=k_means: expected random, kmeans or a run's folder"):
        _start([*tiny_flags, "--initial_weights=k_means"])


@pytest.mark.parametrize("flags", [[], ["--initial_weights=random"]])
def test_without_another_choice_weights_are_random(tiny_flags, caplog, flags):
    caplog.set_level("INFO")
    _assert_equal(_start([*tiny_flags, *flags]), _build(tiny_flags))
    assert ("alexnet starts from random weights" in caplog.text) == bool(flags)


def test_filters_are_fitted_to_the_training_images(tiny_flags, caplog, monkeypatch):
    caplog.set_level("INFO")
    monkeypatch.setattr("tfcolor.config.initial_weights.MAX_IMAGES", 24)
    flags = [*tiny_flags, "--initial_weights=kmeans", "--field_of_view_blocks=1", PLAIN]
    network, fresh = _start(flags, reads_images=True), _build(flags)
    assert "alexnet starts from k-means filters of 24 training images; " in caplog.text
    assert "fc7 random, of unit variance on them; its further blocks stay random" in caplog.text
    block = network.backbone.convolutions["conv8_1"]
    _assert_equal(block, fresh.backbone.convolutions["conv8_1"])
    ratio = (
        network.backbone.convolutions["conv1"].kernel / fresh.backbone.convolutions["conv1"].kernel
    )
    assert np.std(ratio) > 0.1
    _assert_equal(network.head, fresh.head)


def test_layers_are_rebalanced_after_loading(tiny_flags, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr("tfcolor.config.initial_weights.MAX_IMAGES", 8)
    flags = [*tiny_flags, PLAIN]
    other = _write_run(tmp_path / "run", flags)
    start = [*flags, f"--initial_weights={tmp_path / 'run'}", "--rebalance"]
    ours = _start(start, reads_images=True).backbone.convolutions["conv1"].kernel
    ratio = ours / other.backbone.convolutions["conv1"].kernel
    np.testing.assert_allclose(ratio, tf.fill(ratio.shape, ratio[0, 0, 0, 0]), rtol=1e-5)
    assert abs(float(ratio[0, 0, 0, 0]) - 1) > 0.1
    assert "run; every layer is re-balanced on training images" in caplog.text
    with pytest.raises(UserError, match="cannot re-balance a network with batch norm"):
        _start([*tiny_flags, "--rebalance"])


def test_batch_norm_has_the_statistics_of_the_images_at_hand(
    tiny_flags, tmp_path, monkeypatch, caplog
):
    caplog.set_level("INFO")
    monkeypatch.setattr("tfcolor.config.initial_weights.MAX_IMAGES", 8)
    other = _write_run(tmp_path / "run", tiny_flags)
    start = [*tiny_flags, f"--initial_weights={tmp_path / 'run'}", "--recompute_batch_norm"]
    ours = _start(start, reads_images=True).backbone
    assert "batch norm has the statistics of 32 training images" in caplog.text
    first = other.backbone.batch_norms["conv1"]
    assert np.abs(ours.batch_norms["conv1"].moving_mean - first.moving_mean).max() > 1e-3


def test_workers_cannot_fit_weights_to_images(tiny_flags):
    for flag in ("--initial_weights=kmeans", "--rebalance", "--recompute_batch_norm"):
        with pytest.raises(UserError, match=f"{flag} with --strategy=multi_worker"):
            _start([*tiny_flags, flag, "--strategy=multi_worker"])


COLUMNS = (
    "--task=classification",
    "--backbone=cifar_shallow",
    "--cifar_shallow_width_multiplier=0.5",
    "--cifar_shallow_use_batch_norm=true",
    "--images=unread",
    NUM_CLASSES,
)


@pytest.fixture(scope="module")
def column_runs(tmp_path_factory):
    """The folders of the two columns of a network, and their networks."""
    folder = tmp_path_factory.mktemp("columns")
    runs = [folder / name for name in ("left", "right")]
    networks = [
        _write_run(run, [*COLUMNS, f"--cifar_shallow_column={index}/2"], steps=(5 + index,))
        for index, run in enumerate(runs)
    ]
    return runs, networks


def _join(runs, *flags):
    """Starts from several runs."""
    return _start([*COLUMNS, f"--initial_weights={','.join(map(str, runs))}", *flags])


def test_several_runs_become_the_columns_of_one_network(column_runs, caplog):
    caplog.set_level("INFO")
    runs, networks = column_runs
    images = tf.random.stateless_uniform([2, 32, 32, 1], [1, 2])
    maps = [one.backbone(images, convolutional=False) for one in networks]
    expected = np.concatenate([one["conv4b"] for one in maps], axis=-1)
    found = {
        scale: _join(runs, f"--initial_cross_scale={scale}", "--seed=3").backbone
        for scale in (0, 0.01)
    }
    top = {scale: one(images)["conv4b"].numpy() for scale, one in found.items()}
    np.testing.assert_allclose(top[0], expected, atol=1e-5)
    assert 1e-4 < np.abs(top[0.01] - expected).max() < 0.2 * expected.max()
    _assert_equal(_join(runs, "--seed=3").backbone, found[0.01])
    said = f"cifar_shallow starts from columns: step 5 of {runs[0]}, step 6 of {runs[1]}"
    assert said in caplog.text


def test_runs_that_are_not_the_columns_of_the_network_are_refused(column_runs, tmp_path):
    left, right = column_runs[0]
    with pytest.raises(
        UserError,
        match=f"{right} is not column 0/2 of this network: --cifar_shallow_column was 1/2, is 0/2",
    ):
        _join([right, left])
    with pytest.raises(UserError, match=r"not column 0/3 .*_column was 0/2, is 0/3"):
        _join([left, right, right])
    with pytest.raises(UserError, match=r"_column was 0/2, is 1/2"):
        _join([left, left])
    with pytest.raises(UserError, match=r"--cifar_shallow_input_mean was \(0\.4.*, is \(0\.3,\)$"):
        _join([left, right], "--cifar_shallow_input_mean=0.3")
    with pytest.raises(UserError, match=r"is not column 0 of 2 of cifar_shallow: expected {'x': 3"):
        _join([left, right], "--classification_input=color")
    with pytest.raises(UserError, match="and there is no such folder"):
        _join([left, tmp_path / "nowhere"])


def test_only_a_whole_chain_can_be_put_together_of_columns(column_runs):
    message = "expected one run, since only a whole network that is a chain of layers can have"
    with pytest.raises(UsageError, match=message):
        _join(column_runs[0], "--cifar_shallow_column=0/2")
    with pytest.raises(UsageError, match=f"{message} columns, and resnet50 is none"):
        _join(column_runs[0], "--backbone=resnet50", "--resnet50_width_multiplier=0.03")


def test_one_column_is_not_the_network(column_runs):
    with pytest.raises(UserError, match=r"has other layers: --cifar_shallow_column was 0/2, is $"):
        _join(column_runs[0][:1])
