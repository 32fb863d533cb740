"""Every flagfile in configs/ parses, reads as a lab note and makes two steps."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tfcolor.config.command import define_flags, execute
from tfcolor.config.assembly import build_network, build_task, open_experiment_readers
from tfcolor.config.completion import complete_experiment
from tfcolor.config.experiment import read_experiment
from tfcolor.config.parts_runs import read_fit_experiment
from tfcolor.evaluation import preview
from tfcolor.fit_parts import COMMAND as FIT
from tfcolor.train import COMMAND
from tfcolor.training.checkpoints import Checkpoints

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.cfg"))
# Rows of chapter 2, tested on narrow networks: at full width they are the VGG-16 of others.
# Those of chapters 1 and 3 are parsed, at both scales, by
# tests/config/reproduction/test_tables.py; their networks are those of the configs that
# make two steps here.
TABLES = [config for config in CONFIGS if config.parent.name.startswith(("table_", "figure_"))]
ROWS = [
    config
    for config in TABLES
    if config.parent.name.startswith("table_2_") and "segmentation" not in config.stem
]
# One of each kind of chapter 3: a task, and what is particular about its network.
CHAPTER_3 = [
    Path("configs/table_3_1/alexnet_segmentation_again.cfg"),
    Path("configs/table_3_3/vgg16_segmentation_fov_color.cfg"),
    Path("configs/table_3_4/resnet152_10_epochs.cfg"),
    Path("configs/table_3_6/vgg16_segmentation_fov_frozen_conv3_3.cfg"),
]
# Their networks are those of colorization_vgg16_imagenet, half a minute to build, and
# of quickstart.
TWINS = [
    Path("configs/classification_vgg16_gray_imagenet.cfg"),
    Path("configs/colorization_vgg16_small.cfg"),
]
# The tasks make batches, losses and gradients in tests/tasks/test_base.py.
SIMCLR = Path("configs/simclr_resnet50_imagenet.cfg")
UNTRAINED = ("pretext", "linear_probe")
PRETEXTS = [SIMCLR, *(config for config in CONFIGS if config.parent.name in UNTRAINED)]
# Of images with depth; the task makes two steps in SMOKE.
DETECTIONS = [config for config in CONFIGS if config.name.startswith("detection_")]
DEPTHS = [Path(f"configs/depth_{name}.cfg") for name in ("resnet101_v2_nyu", "small")]
# What rows share, or what is laid over them: no experiments by themselves.
PARTS = [config for config in CONFIGS if config.parent.name == "base"]
FLAG = re.compile(r"--(\w+)=(.*)")
ONLY_FIT = {*define_flags(FIT)} - {*define_flags(COMMAND)}
TEACHER = Path("configs/smoke/classification_digits_cnn.cfg")
# Flags that decide how long two steps take but not which code they run.
SMALL = {
    "num_steps": 2,
    "batch_size": 2,
    "log_every_steps": 1,
    "checkpoint_every_steps": 2,
    "evaluate_every_steps": 2,
    "evaluate_num_examples": 2,
    "colorization_crop_size": 32,
    "colorization_min_side": 32,
    "colorization_max_side": 40,
    "colorization_num_locations": 4,
    "colorization_edge": 4,
}


def lines_of(config: Path) -> list[str]:
    return (ROOT / config).read_text(encoding="utf-8").splitlines()


def flags_of(config: Path) -> list[tuple[str, str]]:
    """Returns name and value of each flag in the file itself, in order."""
    matches = (FLAG.fullmatch(line) for line in lines_of(config))
    return [match.groups() for match in matches if match]


def is_fit(config: Path) -> bool:
    """Tells whether a flagfile, or the one in it, is for `fit_parts`."""
    flags = flags_of(config)
    nested = [Path(value) for name, value in flags if name == "flagfile"]
    return any(name in ONLY_FIT for name, _ in flags) or any(map(is_fit, nested))


# Flagfiles of `fit_parts`; all others are of `train`.
FITS = [config for config in CONFIGS if is_fit(config)]
SMOKE = [config for config in CONFIGS if config.parent.name == "smoke" and config not in FITS]


def parse(config: Path, *more: str):
    """Parses a flagfile as its command does."""
    command, read = (FIT, read_fit_experiment) if config in FITS else (COMMAND, read_experiment)
    flag_values = define_flags(command)
    flag_values([command.name, f"--flagfile={config}", *more])
    return read(flag_values)


@pytest.fixture(autouse=True)
def in_repository(monkeypatch):
    """Nested flagfiles resolve against the working directory.

    A preview shows one photograph, as four took half the time of a run.
    """
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(preview, "NUM_PHOTOGRAPHS", 1)


def test_there_are_configs():
    assert Path("configs/quickstart.cfg") in CONFIGS
    assert SMOKE


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_config_opens_with_what_it_is(config):
    lines = lines_of(config)
    head = lines[: lines.index("")]
    assert len(head) >= 2
    assert all(line.startswith("# ") for line in head)
    assert any("Command: " in line for line in head)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_config_has_only_flags_comments_and_blank_lines(config):
    for number, line in enumerate(lines_of(config), 1):
        assert not line or line.startswith("#") or FLAG.fullmatch(line), f"{config}:{number}"
    assert all("#" not in value and value == value.strip() for _, value in flags_of(config))


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_config_names_each_flag_once_and_nests_once_at_most(config):
    names = [name for name, _ in flags_of(config)]
    assert len(set(names)) == len(names)
    nested = [Path(value) for name, value in flags_of(config) if name == "flagfile"]
    for path in nested:
        assert "flagfile" not in dict(flags_of(path)), f"{path} nests again"


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_config_parses_and_changes_what_it_names(config):
    parse(config)
    command = FIT if config in FITS else COMMAND
    flag_values = define_flags(command)
    assert list(flag_values([command.name, f"--flagfile={config}"])) == [command.name]
    for name, text in flags_of(config):
        if name != "flagfile":
            assert flag_values[name].value == flag_values[name].parser.parse(text)


def test_pairs_of_patches_are_cut_at_the_published_scale():
    # Areas from 150,000 to 450,000 pixels, as of photographs of 4:3.
    options = parse(Path("configs/table_s4/rp.cfg")).task.completed({}, 224)
    sides = options.view.min_side, options.view.max_side
    np.testing.assert_allclose([side * side * 4 / 3 for side in sides], [150e3, 450e3], rtol=5e-3)


def make_two_steps(config: Path, run: Path, *more: str) -> None:
    """Trains by a config and checks what the run logged."""
    assert execute(COMMAND, [f"--flagfile={config}", *more, f"--run_dir={run}"]) == 0
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert np.isfinite([line["loss"] for line in lines]).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        config
        for config in CONFIGS
        if config not in [*TWINS, *SMOKE, *TABLES, *PRETEXTS, *DEPTHS, *DETECTIONS, *PARTS, *FITS]
    ],
    ids=str,
)
def test_config_makes_two_steps_at_full_width(config, labelled_photos, tmp_path, monkeypatch):
    # Gigabytes, whose writing other tests cover.
    monkeypatch.setattr(Checkpoints, "_write", lambda *arguments: None)
    smaller = [f"--{name}={value}" for name, value in SMALL.items()]
    images = [f"--images={labelled_photos}", f"--heldout_images={labelled_photos}"]
    make_two_steps(config, tmp_path / "run", *smaller, *images)


@pytest.mark.parametrize("config", ROWS, ids=str)
def test_row_of_a_table_gives_a_network(config):
    experiment = parse(config, "--vgg16_width_multiplier=0.03125", "--colorization_hidden_units=8")
    task = build_task(experiment, {})
    network = build_network(experiment, task)
    assert set(network.head.hidden.tap_names) == set(
        task.options.taps or network.backbone.tap_channels
    )
    assert set(network.head.histograms) == {output.name for output in task.output_space.outputs}


NARROW = [*TWINS, *(config for config in ROWS if config.parent.name == "table_2_2")]


@pytest.mark.slow
@pytest.mark.parametrize("config", NARROW, ids=str)
def test_config_makes_two_steps_on_a_narrow_network(config, labelled_photos, tmp_path):
    smaller = [f"--{name}={value}" for name, value in SMALL.items()]
    smaller += ["--vgg16_width_multiplier=0.03125", "--colorization_hidden_units=8"]
    make_two_steps(config, tmp_path / "run", *smaller, f"--images={labelled_photos}")


@pytest.mark.parametrize("config", CHAPTER_3, ids=str)
def test_row_of_chapter_3_gives_a_network(config):
    narrow = [f"--{name}_width_multiplier=0.03125" for name in ("vgg16", "alexnet", "resnet152")]
    narrow += ["--resnet152_stage_blocks=1,1,1,3", "--segmentation_num_classes=5"]
    experiment = parse(config, *narrow)
    network = build_network(experiment, build_task(experiment, {}))
    assert ("conv9_1" in network.backbone.tap_channels) == ("_fov" in config.stem)
    assert network.backbone.input_channels == (3 if "color" in config.stem else 1)
    taps = experiment.task.taps or tuple(network.backbone.tap_channels)
    assert network.head.hidden.tap_names == taps


@pytest.mark.parametrize("config", DETECTIONS, ids=str)
def test_detection_config_gives_a_network(config):
    experiment = parse(config, "--detection_num_classes=3")
    network = build_network(experiment, build_task(experiment, {}))
    assert network.head.num_classes == 3


@pytest.mark.parametrize("config", PRETEXTS, ids=str)
def test_pretext_config_gives_a_network(config, labelled_photos):
    narrow = [
        f"--{name}_width_multiplier=0.03125" for name in ("alexnet", "resnet50", "resnet101_v2")
    ]
    flags = [f"--images={labelled_photos}", *narrow]
    flags += ["--deep_clustering_num_clusters=2"]  # of five photographs
    flag_values = define_flags(COMMAND)
    flag_values([COMMAND.name, f"--flagfile={config}", *flags])
    experiment = read_experiment(flag_values)
    (readers,) = open_experiment_readers(experiment)
    experiment = complete_experiment(experiment, (readers,), flag_values)
    task = build_task(experiment, {})
    network = build_network(experiment, task)
    assert network.backbone.input_channels == (1 if config.stem == "colorization" else 3)
    assert network.convolutional == (config.stem != SIMCLR.stem)


@pytest.mark.parametrize("config", DEPTHS, ids=str)
def test_depth_config_gives_a_network(config):
    experiment = parse(config, "--resnet101_v2_width_multiplier=0.03125")
    network = build_network(experiment, build_task(experiment, {}))
    tap = list(network.backbone.taps(224, 224).values())[-1]
    assert (network.head.tap_name, tap.stride, network.head.factor) == (tap.name, 16, 8)


@pytest.mark.parametrize("config", SMOKE, ids=str)
def test_smoke_config_makes_two_steps_as_it_stands(config, tmp_path):
    experiment = parse(config)
    assert experiment.training.num_steps == 2
    assert experiment.data.images.startswith("builtin:")
    flags = []
    if experiment.run.task == ("distillation",):
        make_two_steps(TEACHER, tmp_path / "teacher")
        flags = [f"--distillation_teachers={tmp_path / 'teacher'}"]
    make_two_steps(config, tmp_path / "run", *flags)


def test_smoke_config_fits_two_iterations_as_it_stands(tmp_path):
    (config,) = (config for config in FITS if config.parent.name == "smoke")
    experiment, run = parse(config), tmp_path / "run"
    assert experiment.parts.num_iterations == experiment.classes.num_iterations == 2
    assert experiment.data.images.startswith("builtin:")
    assert execute(FIT, [f"--flagfile={config}", f"--run_dir={run}"]) == 0
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert np.isfinite([line["log_likelihood_per_patch"] for line in lines]).all()
    result = json.loads((run / "result.json").read_text())
    assert result["num_parts"] == 8 and 0 <= result["heldout_error_rate"] < 0.6
