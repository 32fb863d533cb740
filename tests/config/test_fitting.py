"""Tests of the stages of a fit of parts; tests/test_fit_parts.py runs it whole."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from tfcolor.config.command import execute
from tfcolor.config import fitting
from tfcolor.config.fitting import Stopwatch, middle_squares
from tfcolor.config.flags import read_flagfile, read_options
from tfcolor.config.parts_runs import FIT_OPTIONS, ClassMixtureOptions
from tfcolor.data.transforms import center_view
from tfcolor.fit_parts import COMMAND
from tfcolor.parts.network import PartsNetwork

ROOT = Path(__file__).parents[2]
SMALL = (
    "--images=builtin:digits:train", "--num_images=60", "--parts_num_components=6",
    "--parts_num_iterations=2", "--patches_max_samples=300", "--heldout_fraction=0",
)  # fmt: skip


def fit(run: Path, *flags: object) -> int:
    """Runs `fit_parts` in this process."""
    return execute(COMMAND, [*SMALL, f"--run_dir={run}", *map(str, flags)])


def stop_after(monkeypatch, owner: object, name: str) -> list[str]:
    """Has this process told to stop at the end of a function; returns its calls, as they come."""
    work, calls = getattr(owner, name), []

    def told(*arguments, **options):
        done = work(*arguments, **options)
        calls.append(name)
        os.kill(os.getpid(), signal.SIGTERM)
        return done

    monkeypatch.setattr(owner, name, told)
    return calls


@pytest.fixture(scope="module")
def parts_run(tmp_path_factory):
    """Returns a run that ends with its parts."""
    run = tmp_path_factory.mktemp("parts") / "run"
    assert fit(run, "--classifier=none") == 0
    return run


@pytest.mark.parametrize("is_saved", [False, True])
def test_a_process_killed_around_a_save_loses_no_logged_step(
    is_saved, parts_run, tmp_path, monkeypatch
):
    def killed(path, arrays):
        if is_saved:
            save_arrays(path, arrays)
        raise MemoryError

    save_arrays = fitting.save_arrays
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "save_arrays", killed)
        assert fit(tmp_path, "--classifier=none") != 0
    assert fit(tmp_path, "--classifier=none") == 0
    whole = (parts_run / "metrics.jsonl").read_text()
    assert (tmp_path / "metrics.jsonl").read_text() == whole


@pytest.mark.parametrize("name, flags, words", [
    ("draw_patches", (), "the patches are drawn again"),
    ("learn_parts", ("--parts_kind=kmeans",), "the parts are saved"),
])  # fmt: skip
def test_a_signal_ends_a_run_after_a_step_of_learning(
    name, flags, words, tmp_path, monkeypatch, capfd
):
    with monkeypatch.context() as patch:
        calls = stop_after(patch, fitting, name)
        assert fit(tmp_path, "--classifier=none", *flags) == 143
        assert calls == [name]
        assert words in capfd.readouterr().err.splitlines()[-1]
        assert (tmp_path / "parts.npz").exists() == (name == "learn_parts")
    assert not (tmp_path / "result.json").exists()
    assert fit(tmp_path, "--classifier=none", *flags) == 0


@pytest.mark.parametrize("name, flags, stage", [
    ("pooled_matrix", (), "coding"),
    ("fit_class_mixtures", (), "classifier"),
    ("fit_svm", ("--classifier=svm", "--svm_strengths=0.01"), "classifier"),
])  # fmt: skip
def test_a_signal_ends_a_run_after_a_stage(
    name, flags, stage, parts_run, tmp_path, monkeypatch, capfd
):
    calls = stop_after(monkeypatch, fitting, name)
    assert fit(tmp_path, f"--parts_from={parts_run}", *flags) == 143
    assert calls == [name]
    last = capfd.readouterr().err.splitlines()[-1]
    assert f"run again, and the stage '{stage}' begins again" in last
    assert not (tmp_path / "network.npz").exists()


def test_a_signal_ends_a_run_after_a_batch_and_all_its_seconds_count(
    parts_run, tmp_path, monkeypatch, capfd
):
    monkeypatch.setattr(fitting, "IMAGES_PER_BATCH", 20)
    with monkeypatch.context() as patch:
        calls = stop_after(patch, PartsNetwork, "code")
        assert fit(tmp_path, f"--parts_from={parts_run}") == 143
    assert calls == ["code"]  # of three batches
    assert "these images are coded again" in capfd.readouterr().err.splitlines()[-1]
    kept = tmp_path / "checkpoints" / "seconds.json"
    assert set(json.loads(kept.read_text())) == {"parts", "coding"}
    kept.write_text(json.dumps({"parts": 1000, "coding": 500}))
    assert fit(tmp_path, f"--parts_from={parts_run}") == 0
    result = json.loads((tmp_path / "result.json").read_text())
    seconds = result["seconds"]
    assert 1000 <= seconds["parts"] < 1100 and 500 < seconds["coding"] < 600
    assert result["wall_seconds"] == pytest.approx(sum(seconds.values()))
    assert not kept.exists()


def test_seconds_of_a_killed_process_count_up_to_the_last_save(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(fitting.time, "monotonic", lambda: now[0])
    first = Stopwatch(tmp_path / "seconds.json")
    with first.measure("one"):
        now[0] += 2
    with first.measure("two"):
        now[0] += 3
        first.save()
        now[0] += 50
        second = Stopwatch(tmp_path / "seconds.json")  # as after SIGKILL
    with second.measure("two"):
        now[0] += 4
    assert second.seconds == {"one": 2, "two": 7}


@pytest.mark.parametrize("path", [
    "table_1_1/oriented.cfg", "table_1_2/oriented_10.cfg", "table_1_2/oriented_100.cfg",
])  # fmt: skip
def test_classes_of_the_published_oriented_networks_stop_as_configured(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    flags = read_flagfile(ROOT / "configs" / path, FIT_OPTIONS)
    classes = read_options(ClassMixtureOptions, "classes_", flags)
    assert (classes.num_iterations, classes.min_relative_gain) == (10, 1e-8)


@pytest.mark.parametrize("height, width", [(6, 6), (9, 6), (6, 9), (7, 10), (5, 8)])
def test_middle_square_is_that_of_the_protocols(height, width):
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)
    side = min(height, width)
    expected = [center_view(image, side, side).numpy() * 255 for image in images]
    np.testing.assert_allclose(middle_squares(images), expected, atol=1e-3)
