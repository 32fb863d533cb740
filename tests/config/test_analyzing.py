import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from absl import flags

from tfcolor.config.command import define_flags
from tfcolor.config import analyzing
from tfcolor.config.analyzing import ANALYZE_OPTIONS, measured_step_times, run_analysis
from tfcolor.config.assembly import build_networks, build_task, joint_network
from tfcolor.config.experiment import UNRECORDED, read_experiment
from tfcolor.config.flags import define_options, write_flagfile
from tfcolor.core.errors import UsageError, UserError
from tfcolor.train import COMMAND as TRAIN
from tfcolor.training.checkpoints import Checkpoints


def analyze(*arguments):
    flag_values = flags.FlagValues()
    for options_class, prefix in ANALYZE_OPTIONS:
        define_options(options_class, prefix, flag_values)
    flag_values(["analyze", *arguments])
    return run_analysis(flag_values)


@pytest.fixture
def networks(monkeypatch, build_tiny_network):
    """Networks that stand in for those of runs, by the run's name."""
    loaded = []

    def load_observed_network(run_dir, checkpoint):
        loaded.append((run_dir, checkpoint))
        backbone = build_tiny_network(len(loaded)).backbone
        return analyzing.ObservedNetwork(run_dir, backbone, analyzing_inputs)

    def analyzing_inputs(rgb):
        return rgb[..., :1]

    monkeypatch.setattr(analyzing, "load_observed_network", load_observed_network)
    return loaded


def test_options_reach_the_analysis(networks, photos, tmp_path):
    findings = analyze(
        "--model=a",
        "--other_model=b",
        "--other_checkpoint=last",
        f"--images={photos}",
        "--num_images=2",
        "--taps=conv3_1",
        "--positions_per_image=7",
        "--network_min_side=32",
        "--network_max_side=48",
        f"--output={tmp_path}",
    )
    assert networks == [("a", "best"), ("b", "last")]
    (layer,) = findings.numbers["layers"]
    assert (layer["layer"], layer["num_positions"]) == ("conv3_1", 14)
    assert (findings.numbers["model"], findings.numbers["other_model"]) == ("a", "b")
    assert (tmp_path / "feature_shift.png").is_file()


def test_images_of_a_run_are_those_it_set_aside(networks, tiny_run, tmp_path):
    findings = analyze(
        "--analysis=top_activations",
        f"--model={tiny_run}",
        "--tap=conv2_1",
        "--num_features=1",
        "--network_max_side=64",
        f"--output={tmp_path}",
    )
    assert findings.numbers["num_images"] == 2  # 30 % of six


def test_run_that_set_nothing_aside_needs_images(networks, tiny_run, tmp_path):
    text = (tiny_run / "flags.cfg").read_text().replace("fraction=0.3", "fraction=0.0")
    (tmp_path / "flags.cfg").write_text(text)
    with pytest.raises(UsageError, match="set no images aside"):
        analyze("--analysis=top_activations", f"--model={tmp_path}", f"--output={tmp_path}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--model is not given"),
        (["--model=a"], "--output is not given"),
        (["--model=a", "--output=b"], "--other_model is not given: feature_shift compares"),
        (
            ["--model=a", "--output=b", "--other_model=c", "--analysis=first_filters"],
            "--other_model=c: first_filters takes one run",
        ),
        (["--output=b", "--analysis=parts"], "--model is not given"),
        (["--output=b", "--model=a", "--analysis=permutations"], "--model=a: .* takes no run"),
        (
            ["--output=b", "--other_model=c", "--analysis=variations"],
            "variations takes no run; feature_shift, top_activations, parts, class_mixtures take",
        ),
        (["--model=a", "--analysis=taste"], "feature_shift, top_activations, first_filters"),
        (
            ["--model=a", "--output=b", "--analysis=top_activations", "--num_patches=0"],
            "at least 1",
        ),
    ],
)
def test_mistake_is_explained(networks, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=words):
        analyze(*arguments)


def test_epochs_are_counted_by_the_images_of_the_run(tiny_run, tmp_path):
    arguments = ["--analysis=learning_curve", f"--model={tiny_run}", f"--output={tmp_path}"]
    assert analyze(*arguments).numbers["steps_per_epoch"] == 4 / 4  # six, of which two set aside
    assert analyze(*arguments, "--images_per_epoch=10").numbers["steps_per_epoch"] == 10 / 4


def test_epochs_are_unknown_where_images_are_gone(tiny_run, tmp_path):
    text = (tiny_run / "flags.cfg").read_text().replace("--images=", "--images=/gone")
    (tmp_path / "flags.cfg").write_text(text)
    (tmp_path / "metrics.jsonl").write_text((tiny_run / "metrics.jsonl").read_text())
    arguments = ["--analysis=learning_curve", f"--model={tmp_path}", f"--output={tmp_path}"]
    assert analyze(*arguments).numbers["steps_per_epoch"] is None


@pytest.fixture(scope="module")
def make_mixed_run(tiny_flags, tmp_path_factory):
    """Returns what makes an untrained run with mixtures: its folder, and the row of each task.

    Rows of the checkpoint of step 1 are those of step 2 in reverse.
    """

    def make(*words):
        run = tmp_path_factory.mktemp("mixed")
        flag_values = define_flags(TRAIN)
        trunk = ["--backbone=resnet50_v2", "--resnet50_v2_width_multiplier=0.03125"]
        trunk += ["--resnet50_v2_tapped_units=all", "--resnet50_v2_block_units=1,1,3"]
        flag_values(["train", *tiny_flags, *trunk, "--colorization_taps=", *words])
        write_flagfile(run / "flags.cfg", flag_values, UNRECORDED)
        experiment = read_experiment(flag_values)
        members = range(len(experiment.members))
        tasks = [build_task(dataclasses.replace(experiment, selected=one), {}) for one in members]
        networks = build_networks(experiment, tasks)
        whole = joint_network(networks) if len(tasks) > 1 else networks[0]
        holder = tf.train.Checkpoint(network=whole)
        saved = Checkpoints(run / "checkpoints", holder, 2, is_chief=True)
        count = len(networks[0].head_input.mixed)
        rows = np.random.default_rng(0).normal(size=[len(tasks), count])
        for step, direction in ((1, -1), (2, 1)):
            for network, row in zip(networks, rows, strict=True):
                network.head_input.mixture.mixing_row.assign(row[::direction])
            saved.save(step)
        return run, rows / np.linalg.norm(rows, axis=1, keepdims=True)

    return make


@pytest.fixture(scope="module")
def joint_mixed_run(make_mixed_run):
    """A run in which two of three tasks are the same, in gray; the first sees colors."""
    tasks = ["--task=exemplar,colorization,colorization", "--exemplar_patch_size=32"]
    return make_mixed_run(*tasks, "--exemplar_readout=average", "--mixed_taps=all")


def test_every_task_of_every_run_is_a_row_of_mixture_weights(
    joint_mixed_run, make_mixed_run, photos, tmp_path
):
    joint, rows = joint_mixed_run
    single, (row,) = make_mixed_run("--mixed_taps=all")
    sizes = ["--network_min_side=32", "--network_max_side=48", "--num_images=2"]
    runs = f"--mixtures=J:{joint},:{single}"
    found = analyze(
        "--analysis=mixture_weights", runs, f"--images={photos}", f"--output={tmp_path}", *sizes
    ).numbers
    names = ["J, exemplar", "J, colorization_0", "J, colorization_1", "colorization"]
    assert [one["title"] for one in found["rows"]] == names
    assert [one["task"] for one in found["rows"]] == ["exemplar", *["colorization"] * 3]
    assert [one["model"] for one in found["rows"]] == [str(joint)] * 3 + [str(single)]
    assert [one["step"] for one in found["rows"]] == [2] * 4
    weights = [one["weights"] for one in found["rows"]]
    np.testing.assert_allclose(weights, [*rows, row], rtol=1e-5)
    assert found["units"] == ["block3_unit1", "block3_unit2", "block3_unit3"]
    assert found["num_images"] == 2
    in_color, in_gray, also_gray, _ = (one["unit_rms"] for one in found["rows"])
    assert in_gray == also_gray
    assert np.abs(np.subtract(in_color, in_gray)).max() > 1e-4


def test_mixture_weights_are_of_the_checkpoint_and_need_no_images(joint_mixed_run, tmp_path):
    joint, rows = joint_mixed_run
    arguments = [f"--mixtures=:{joint}", "--checkpoint=1", f"--output={tmp_path}"]
    found = analyze("--analysis=mixture_weights", *arguments).numbers
    np.testing.assert_allclose([one["weights"] for one in found["rows"]], rows[:, ::-1], rtol=1e-5)
    assert [one["title"] for one in found["rows"]] == [
        "exemplar",
        "colorization_0",
        "colorization_1",
    ]
    assert found["num_images"] == 0


def test_runs_without_comparable_mixtures_are_refused(
    joint_mixed_run, make_mixed_run, tiny_run, tmp_path
):
    joint, _ = joint_mixed_run
    arguments = ["--analysis=mixture_weights", f"--output={tmp_path}"]
    with pytest.raises(
        UserError, match=f"{tiny_run} mixes no units: train it with --mixed_taps=all"
    ):
        analyze(*arguments, f"--mixtures=a:{tiny_run}")
    with pytest.raises(UserError, match=f"{tmp_path} is not a run"):
        analyze(*arguments, f"--mixtures=a:{tmp_path}")
    (tmp_path / "flags.cfg").write_text((joint / "flags.cfg").read_text())
    with pytest.raises(UserError, match=f"{tmp_path} has no checkpoint yet"):
        analyze(*arguments, f"--mixtures=a:{tmp_path}")


def test_measured_step_times_are_those_that_a_run_has_logged(tiny_flags, tmp_path):
    speeds = [1.0] * 5 + [16.0, 32.0]
    row = {"loss": 1.0, "learning_rate": 0.1}
    lines = [json.dumps({"step": 1, "images_per_second": speed, **row}) for speed in speeds]
    (tmp_path / "metrics.jsonl").write_text("\n".join([*lines, '{"torn']))
    write_flags(tmp_path, tiny_flags, "--log_every_steps=1", "--batch_size=8")
    np.testing.assert_array_equal(measured_step_times(str(tmp_path)), [0.5, 0.25])
    (tmp_path / "metrics.jsonl").write_text(lines[0])
    with pytest.raises(UserError, match="has 1 steps: expected more than 5"):
        measured_step_times(str(tmp_path))
    for flag in ("--log_every_steps=10", "--task=colorization,colorization"):
        write_flags(tmp_path, tiny_flags, "--log_every_steps=1", flag)
        with pytest.raises(UserError, match="expected a run of one task with --log_every_steps=1"):
            measured_step_times(str(tmp_path))
    (tmp_path / "times.txt").write_text("2\n3\n")
    np.testing.assert_array_equal(measured_step_times(str(tmp_path / "times.txt")), [2, 3])


def write_flags(run, *arguments):
    """Writes the flags of a run."""
    flag_values = define_flags(TRAIN)
    flag_values(["train", *arguments[0], *arguments[1:]])
    write_flagfile(run / "flags.cfg", flag_values, UNRECORDED)
