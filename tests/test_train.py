import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfcolor.config.command import execute
from tfcolor.train import COMMAND


def train(*arguments: str) -> int:
    return execute(COMMAND, list(arguments))


def last_weights(run: Path) -> dict[str, np.ndarray]:
    """Reads the last checkpoint without building a network."""
    import tensorflow as tf

    prefix = tf.train.latest_checkpoint(str(run / "checkpoints"))
    names = [name for name, _ in tf.train.list_variables(prefix)]
    return {name: tf.train.load_variable(prefix, name) for name in names if "ATTR" in name}


def assert_refused(capfd, status: int, arguments: list[str], *words: str) -> None:
    """Checks exit status and that stderr ends with one line with these words."""
    capfd.readouterr()
    assert train(*arguments) == status
    error = capfd.readouterr().err
    assert "Traceback" not in error
    (line,) = [
        line for line in error.splitlines() if "WARNING" not in line and "skipped" not in line
    ]
    assert line.startswith("tfcolor train: ")
    for word in words:
        assert word in line


def test_help_teaches(capsys):
    assert train("--help") == 0
    shown = capsys.readouterr().out
    assert "tensorboard" in shown
    assert "--colorization_crop_size=352" in shown


def test_run_leaves_everything_that_was_promised(tiny_run):
    left = {path.name for path in tiny_run.iterdir()}
    assert left == {
        "flags.cfg",
        "run.json",
        "checkpoints",
        "events",
        "metrics.jsonl",
        "result.json",
    }
    assert {"train", "eval"} <= {path.name for path in (tiny_run / "events").iterdir()}
    started = json.loads((tiny_run / "run.json").read_text())
    assert {"tfcolor", "git_commit", "packages", "devices", "strategy", "seed"} <= set(started)
    result = json.loads((tiny_run / "result.json").read_text())
    assert result["steps"] == 4
    assert np.isfinite([result["train/loss"], result["heldout/loss"], result["best_loss"]]).all()


def test_log_has_every_step_once_with_finite_figures(tiny_run):
    lines = [json.loads(line) for line in (tiny_run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    for line in lines:
        assert line["loss"] == pytest.approx(line["loss_hue"] + line["loss_chroma"], rel=1e-6)
        assert np.isfinite(list(line.values())).all()
        assert line["learning_rate"] == 0.01
        assert line["images_per_second"] > 0


def test_recorded_flags_repeat_the_run_bit_for_bit(tiny_run, tmp_path):
    again = tmp_path / "again"
    assert train(f"--flagfile={tiny_run}/flags.cfg", f"--run_dir={again}") == 0
    first, second = last_weights(tiny_run), last_weights(again)
    assert set(first) == set(second)
    assert len(first) > 20
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def test_another_seed_gives_other_weights(tiny_run, tmp_path):
    other = tmp_path / "other"
    flags = [f"--flagfile={tiny_run}/flags.cfg", "--seed=1", "--num_steps=1", f"--run_dir={other}"]
    assert train(*flags) == 0
    first, second = last_weights(tiny_run), last_weights(other)
    kernels = [name for name in first if "hidden/kernel" in name]
    assert kernels
    assert not np.allclose(first[kernels[0]], second[kernels[0]], rtol=0.1)


def test_finished_run_is_left_alone(tiny_run, tiny_flags, tmp_path, capfd):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    before = (run / "result.json").read_bytes(), (run / "metrics.jsonl").read_bytes()
    assert train(*tiny_flags, f"--run_dir={run}") == 0
    assert "already finished" in capfd.readouterr().err
    assert before == ((run / "result.json").read_bytes(), (run / "metrics.jsonl").read_bytes())


def test_other_flags_on_the_same_run_are_named(tiny_run, tiny_flags, capfd):
    arguments = [*tiny_flags, "--seed=5", "--learning_rate=0.5", f"--run_dir={tiny_run}"]
    words = ("--seed was '0', is '5'", "--learning_rate was '0.01', is '0.5'", "--run_dir")
    assert_refused(capfd, 1, arguments, *words)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--learning_rat=1", ("learning_rat", "--help")),
        ("--backbone=vgg17", ("--backbone=vgg17", "alexnet", "vgg16")),
        ("--num_steps=many", ("num_steps", "many", "integer")),
        ("--images=", ("--images", "builtin:photos")),
        ("--num_steps=0", ("--num_steps=0", "at least 1")),
        ("--momentum=nan", ("--momentum=nan",)),
        ("--task=sorting", ("--task=sorting", "colorization")),
        ("--images=builtin:paintings", ("paintings", "photos")),
        ("--images=ftp:somewhere", ("ftp", "builtin")),
        ("--colorization_taps=conv9", ("conv9", "conv5")),
        ("--colorization_edge=99", ("edge",)),
        ("--colorization_min_side=99", ("min_side", "max_side")),
        ("--colorization_crop_size=39", ("crop_size", "min_side")),
        ("learning_rate=1", ("learning_rate=1", "--name=value")),
        ("--flagfile=nowhere.cfg", ("nowhere.cfg",)),
    ],
)
def test_wrong_command_line_is_a_usage_error(tiny_flags, tmp_path, capfd, argument, words):
    run = tmp_path / "run"
    arguments = [*tiny_flags, f"--run_dir={run}", argument]
    assert_refused(capfd, 2, arguments, *words)
    assert not run.exists()


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--images={folder}/missing", ("missing",)),
        ("--images={folder}/empty", ("no image", "empty")),
        ("--images={folder}/text", ("none of the", "note.jpg")),
        ("--images={folder}/*.webp", ("no file matches",)),
        ("--heldout_images={folder}/missing", ("missing",)),
        ("--batch_size=2 --strategy=multi_worker", ("TF_CONFIG",)),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tiny_flags, tmp_path, capfd, argument, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text/note.jpg").write_text("not a photograph")
    run = tmp_path / "run"
    given = [text.format(folder=tmp_path) for text in argument.split(" ")]
    assert_refused(capfd, 1, [*tiny_flags, f"--run_dir={run}", *given], *words)
    assert not run.exists()


def test_folder_below_a_file_cannot_be_a_run(tiny_flags, tmp_path, capfd):
    (tmp_path / "file").write_text("")
    assert_refused(capfd, 1, [*tiny_flags, f"--run_dir={tmp_path}/file/run"], "file/run")


def test_odd_images_are_learned_from_and_bad_ones_named(tiny_flags, tmp_path, capfd):
    folder, run = tmp_path / "odd", tmp_path / "run"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 4), dtype=np.uint8)
    Image.fromarray(noise[..., 0]).save(folder / "gray.png")
    Image.fromarray(noise).save(folder / "alpha.png")
    Image.fromarray(noise, "CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(noise[..., 0].astype(np.uint16) * 257).save(folder / "sixteen.png")
    Image.fromarray(noise[:1, :1, :3]).save(folder / "pixel.png")
    Image.fromarray(np.repeat(noise[:10, :1, :3], 20_000, axis=1)).save(folder / "thread.png")
    Image.fromarray(noise[..., :3]).save(folder / "whole.jpg")
    whole = (folder / "whole.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "note.jpg").write_text("not a photograph")
    flags = [*tiny_flags, f"--images={folder}", "--heldout_fraction=0", f"--run_dir={run}"]
    assert train(*flags, "--batch_size=9", "--num_steps=2") == 0
    named = (run / "unreadable.txt").read_text().splitlines()
    assert [Path(line.split(":")[0]).name for line in named] == ["cut.jpg", "note.jpg"]
    assert "2 images could not be read" in capfd.readouterr().err


def test_spoiled_weights_are_not_saved(tiny_flags, tmp_path, capfd):
    run = tmp_path / "run"
    flags = [*tiny_flags, "--learning_rate=1e30", "--momentum=0.99", f"--run_dir={run}"]
    assert train(*flags) == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("tfcolor train: the loss is ")
    assert "--learning_rate" in last
    assert not (run / "result.json").exists()
    if (run / "checkpoints/checkpoint").exists():
        assert all(np.isfinite(value).all() for value in last_weights(run).values())
