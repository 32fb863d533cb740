import json

import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.config.command import execute
from tfcolor.analyze import COMMAND
from tfcolor.config.analyzing import ANALYSES
from tfcolor.config.assembly import build_network, build_task
from tfcolor.config.experiment import load_experiment
from tfcolor.training.checkpoints import Checkpoints

RUNLESS = (
    "variations",
    "permutations",
    "divergence_shapes",
    "loss_curves",
    "heldout_curves",
    "utility",
    "synchronization_speed",
    "mixture_weights",
)
OF_PARTS = ("parts", "feature_transformation", "class_mixtures")
SMALL = ["--num_images=2", "--network_min_side=32", "--network_max_side=64"]


def analyze(*arguments: str) -> int:
    return execute(COMMAND, list(arguments))


def test_help_teaches(capsys):
    assert analyze("--help") == 0
    shown = capsys.readouterr().out
    assert "--other_model=" in shown
    for name in ANALYSES:
        assert f"tfcolor analyze --analysis={name}" in shown


@pytest.fixture
def mixed_run(tiny_run, tmp_path):
    """The folder of an untrained run whose head reads a mixture of two layers."""
    run = tmp_path / "mixed"
    run.mkdir()
    flags = (tiny_run / "flags.cfg").read_text()
    (run / "flags.cfg").write_text(f"{flags}\n--mixed_taps=fc6,fc7\n")
    experiment = load_experiment(run)
    network = build_network(experiment, build_task(experiment, {}))
    holder = tf.train.Checkpoint(network=network)
    Checkpoints(run / "checkpoints", holder, 1, is_chief=True).save(1)
    return run


@pytest.mark.parametrize("name", ANALYSES)
def test_run_is_analyzed(request, photos, tmp_path, capfd, name):
    run = request.getfixturevalue("tiny_parts_run" if name in OF_PARTS else "tiny_run")
    scores = tmp_path / "scores.json"
    scores.write_text('{"mean_iou": 0.25}')
    more = {
        "feature_shift": [f"--other_model={run}", f"--images={photos}"],
        "top_activations": ["--tap=conv2", "--features=1,0", f"--images={photos}"],
        "first_filters": [],
        "learning_curve": [f"--downstream=2:{scores}"],
        "variations": [f"--images={photos},builtin:digits", "--examples_per_place=2"],
        "parts": [f"--other_model={run}", "--num_parts=3"],
        "feature_transformation": ["--images=builtin:digits", "--turn_num_images=2"],
        "class_mixtures": [],
        "permutations": [],
        "gradient_norm": [],
        "divergence_shapes": [],
        "loss_curves": [f"--curves=one:{run},same:{run}"],
        "heldout_curves": [f"--curves=one:{run},same:{run}"],
        "utility": [
            *(f"--utility_{one}=5:{scores},50:{scores}" for one in ("scratch", "tuned")),
            "--utility_metric=mean_iou",
        ],
        "synchronization_speed": [
            "--synchronization_workers=2,4",
            "--synchronization_num_steps=20",
        ],
        "mixture_weights": [f"--images={photos}"],
    }[name]
    if name == "mixture_weights":
        more += [f"--mixtures=one:{request.getfixturevalue('mixed_run')}"]
    more += [] if name in RUNLESS else [f"--model={run}"]
    target = tmp_path / "copy/figures.json"
    places = [f"--output={tmp_path / 'new'}", f"--output_json={target}"]
    assert analyze(f"--analysis={name}", *places, *SMALL, *more) == 0
    figures = json.loads(target.read_text())
    assert figures == json.loads((tmp_path / "new" / f"{name}.json").read_text())
    assert (figures["analysis"], figures.get("model")) == (
        name,
        None if name in RUNLESS else str(run),
    )
    assert min(Image.open(tmp_path / "new" / f"{name}.png").size) > 100
    assert list((tmp_path / "new/events" / name).iterdir())
    assert f"see {tmp_path}" in capfd.readouterr().err.splitlines()[-1]
    if name == "feature_shift":
        assert [layer["median"] for layer in figures["layers"]] == pytest.approx([1] * 7)


@pytest.mark.parametrize(
    ("status", "arguments", "words"),
    [
        (2, ["--output={folder}"], ("--model",)),
        (2, ["--model={run}", "--output={folder}"], ("--other_model",)),
        (
            2,
            ["--model={run}", "--analysis=top_activations", "--output={folder}", "--tap=pool9"],
            ("pool9", "conv1", "fc7"),
        ),
        (
            2,
            [
                "--model={run}",
                "--analysis=top_activations",
                "--output={folder}",
                "--tap=conv1",
                "--features=99",
            ],
            ("--features=99", "0 to 3"),
        ),
        (1, ["--model={folder}", "--analysis=first_filters", "--output={folder}"], ("not a run",)),
        (
            1,
            ["--model={folder}", "--analysis=learning_curve", "--output={folder}"],
            ("no metrics.jsonl",),
        ),
        (1, ["--model={run}", "--analysis=first_filters", "--output={file}"], ("cannot write",)),
        (
            1,
            ["--analysis=mixture_weights", "--mixtures=a:{run}", "--output={folder}"],
            ("mixes no units", "--mixed_taps=all"),
        ),
        (2, ["{run}", "--analysis=first_filters"], ("--name=value",)),
    ],
)
def test_mistake_is_one_line(tiny_run, tmp_path, capfd, status, arguments, words):
    (tmp_path / "file").touch()
    places = {"run": tiny_run, "folder": tmp_path / "folder", "file": tmp_path / "file"}
    capfd.readouterr()
    assert analyze(*(text.format(**places) for text in arguments)) == status
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.startswith("tfcolor analyze: ")
    assert all(word in line for word in words)
