import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from tfcolor.config.command import execute
from tfcolor.export import COMMAND
from tfcolor_client.signatures import colorizer_signatures


def export(*arguments: str) -> int:
    return execute(COMMAND, list(arguments))


def test_help_teaches(capsys):
    assert export("--help") == 0
    shown = capsys.readouterr().out
    assert "TensorFlow Serving" in shown
    assert "--export_dir=" in shown


def test_version_is_whole_and_says_where_it_comes_from(tiny_run, tiny_export):
    import tensorflow as tf

    assert [path.name for path in tiny_export.iterdir()] == ["1"]
    model = tf.saved_model.load(str(tiny_export / "1"))
    assert set(colorizer_signatures([], [])) == set(model.signatures)
    metadata = json.loads((tiny_export / "1/assets/metadata.json").read_text())
    assert metadata["run"] == str(tiny_run)
    assert metadata["backbone"] == "alexnet"
    assert metadata["step"] == json.loads((tiny_run / "result.json").read_text())["best_step"]


def test_served_photograph_keeps_size_and_lightness(tiny_export, photos):
    import tensorflow as tf

    encoded = [(photos / name).read_bytes() for name in ("photo0.png", "photo1.jpg")]
    model = tf.saved_model.load(str(tiny_export / "1"))
    answers = model.signatures["serving_default"](image_bytes=tf.constant(encoded))["image_bytes"]
    for source, answer in zip(encoded, answers.numpy(), strict=True):
        # TensorFlow's default transform for JPEG differs by some steps from Pillow's.
        before, after = (np.asarray(Image.open(io.BytesIO(image))) for image in (source, answer))
        assert after.shape == before.shape
        difference = after.mean(axis=-1) - before.mean(axis=-1)
        assert np.abs(difference).max() <= 0.5


def test_each_call_adds_a_version_of_the_chosen_checkpoint(tiny_run, tmp_path, capfd):
    (tmp_path / "models/7").mkdir(parents=True)
    folder = tmp_path / "models"
    arguments = [f"--run_dir={tiny_run}", f"--export_dir={folder}", "--checkpoint=last"]
    assert export(*arguments) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["7", "8"]
    assert json.loads((folder / "8/assets/metadata.json").read_text())["step"] == 4
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if not line.startswith("tfcolor export: ")] == []


@pytest.mark.parametrize(
    ("status", "arguments", "words"),
    [
        (2, ["--run_dir={run}"], ("--export_dir",)),
        (2, ["--export_dir={folder}/x"], ("--run_dir",)),
        (2, ["--run_dir={run}", "--export_dir={folder}/x", "--checkpoint=first"], ("best", "last")),
        (2, ["--run={run}", "--export_dir={folder}/x"], ("run", "--help")),
        (2, ["{run}", "--export_dir={folder}/x"], ("--name=value",)),
        (1, ["--run_dir={folder}/none", "--export_dir={folder}/x"], ("none", "flags.cfg")),
        (1, ["--run_dir={photos}", "--export_dir={folder}/x"], ("not a run", "flags.cfg")),
        (1, ["--run_dir={empty}", "--export_dir={folder}/x"], ("no checkpoint",)),
        (1, ["--run_dir={run}", "--export_dir={folder}/file/x"], ("cannot write",)),
    ],
)
def test_mistake_is_one_line(tiny_run, photos, tmp_path, capfd, status, arguments, words):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    shutil.copy(tiny_run / "flags.cfg", tmp_path / "empty")
    places = {"run": tiny_run, "photos": photos, "folder": tmp_path, "empty": tmp_path / "empty"}
    capfd.readouterr()
    assert export(*(text.format(**places) for text in arguments)) == status
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("tfcolor export: ")
    assert all(word in line for word in words)
    assert not (tmp_path / "x").exists()


def test_failed_export_leaves_no_version(tiny_run, tmp_path, monkeypatch, capfd):
    import tensorflow as tf

    def fail(*arguments, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    assert export(f"--run_dir={tiny_run}", f"--export_dir={tmp_path}/models") == 1
    assert "No space left" in capfd.readouterr().err
    assert list((tmp_path / "models").iterdir()) == []
