"""Tests of the command that fits networks of parts."""

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfcolor.config.command import execute
from tfcolor.config.parts_runs import load_fitted_network
from tfcolor.fit_parts import COMMAND

SMALL = (
    "--images=builtin:digits:train",
    "--num_images=150",
    "--heldout_images=builtin:digits:test",
    "--parts_num_components=12",
    "--parts_num_iterations=3",
    "--patches_max_samples=1500",
)
TURNED = (
    "--images=builtin:digits_rot:train",
    "--heldout_images=builtin:digits_rot:test",
    "--parts_num_components=4",
    "--parts_num_rotations=8",
    "--coding_outer_frame=0",
    "--classes_num_rotations=8",
    "--upright_images=builtin:digits:train",
)


def fit(*arguments: object) -> int:
    """Runs `fit_parts` in this process."""
    return execute(COMMAND, [str(argument) for argument in arguments])


def result_of(run: Path) -> dict:
    """Returns what a run found."""
    return json.loads((run / "result.json").read_text())


@pytest.fixture(scope="module")
def upright_run(tmp_path_factory):
    """Returns a run on upright digits with one mixture per class."""
    run = tmp_path_factory.mktemp("parts") / "upright"
    assert fit(*SMALL, "--keep_codes", f"--run_dir={run}") == 0
    return run


@pytest.fixture(scope="module")
def turned_run(tmp_path_factory):
    """Returns a run on turned digits, every class in all rotations."""
    run = tmp_path_factory.mktemp("parts") / "turned"
    assert fit(*SMALL, *TURNED, f"--run_dir={run}") == 0
    return run


def test_help_teaches(capsys):
    assert fit("--help") == 0
    shown = capsys.readouterr().out
    assert "--parts_from" in shown and "tfcolor fit_parts --flagfile=" in shown


def test_run_leaves_everything_that_was_promised(upright_run):
    left = {path.name for path in upright_run.iterdir()}
    assert {"flags.cfg", "run.json", "metrics.jsonl", "result.json", "network.npz"} <= left
    assert list((upright_run / "events" / "parts").iterdir())
    result = result_of(upright_run)
    assert result["num_parts"] == 12 and result["num_images"] == 150
    assert result["heldout_num_images"] == 1000
    assert result["heldout_error_rate"] == result["heldout_num_errors"] / 1000 < 0.5
    lines = (upright_run / "metrics.jsonl").read_text().splitlines()
    values = [json.loads(line)["log_likelihood_per_patch"] for line in lines]
    assert len(values) == 3 and values == sorted(values)


def test_turned_digits_need_turned_parts(turned_run, tmp_path):
    plain = tmp_path / "plain"
    assert fit(*SMALL, *TURNED[:2], f"--run_dir={plain}") == 0
    turned = result_of(turned_run)["heldout_error_rate"]
    assert turned < 0.75 * result_of(plain)["heldout_error_rate"]


def test_stored_network_classifies_as_the_run_did(turned_run, upright_run):
    from tfcolor.data.arrays import gather_images
    from tfcolor.data.options import DataOptions, open_readers

    for run, place in ((upright_run, "digits"), (turned_run, "digits_rot")):
        fitted = load_fitted_network(run)
        options = DataOptions(images=f"builtin:{place}:test", heldout_fraction=0.0)
        images, labels = gather_images(open_readers(options)["train"])
        inputs = (images / 255).astype(np.float32)
        top = fitted.network(inputs, convolutional=False)["top"].numpy()
        error = (fitted.scorer.classify(top) != labels).mean()
        assert error == result_of(run)["heldout_error_rate"]


def test_upright_images_set_the_zero_of_every_class(turned_run):
    arrays = load_fitted_network(turned_run).arrays
    assert arrays["upright_class_pictures"].shape == (10, 1, 28, 28, 1)
    assert np.abs(arrays["upright_class_pictures"] - arrays["class_pictures"]).max() > 0.1


def test_parts_and_codes_of_another_run_are_taken_over(upright_run, tmp_path, capfd):
    run = tmp_path / "svm"
    status = fit(
        *SMALL, f"--parts_from={upright_run}", "--classifier=svm", "--svm_strengths=0.01",
        f"--run_dir={run}",
    )  # fmt: skip
    assert status == 0
    assert "coding" not in capfd.readouterr().err
    with np.load(upright_run / "parts.npz") as ours, np.load(run / "parts.npz") as taken:
        np.testing.assert_array_equal(ours["means"], taken["means"])
    assert result_of(run)["svm_strength"] == 0.01
    assert result_of(run)["heldout_error_rate"] < 0.2


def test_clusters_of_pixels_give_sums_for_a_machine(tmp_path):
    run, flags = tmp_path / "clusters", ["--classifier=svm", "--svm_strengths=0.01"]
    flags += ["--parts_kind=kmeans", "--parts_coding=triangle", "--svm_standardize"]
    flags += ["--pool_window=7", "--pool_stride=7", f"--run_dir={run}"]
    assert fit(*SMALL, *flags) == 0
    assert result_of(run)["heldout_error_rate"] < 0.15
    fitted = load_fitted_network(run)
    assert fitted.network.top_features == 3 * 3 * 12 == len(fitted.scorer.weights)
    top = fitted.network(np.ones((1, 28, 28, 1), np.float32), convolutional=False)["top"]
    assert not np.any(top)  # background


def test_gaussian_parts_are_taken_over_with_another_coding(tmp_path):
    first, second = tmp_path / "hard", tmp_path / "soft"
    small = [*SMALL, "--heldout_images=", "--heldout_fraction=0"]
    assert fit(*small, "--parts_kind=gaussian", f"--run_dir={first}") == 0
    flags = [f"--parts_from={first}", "--parts_coding=soft", "--classifier=none"]
    assert fit(*small, *flags, f"--run_dir={second}") == 0
    ours, taken = (load_fitted_network(run) for run in (first, second))
    np.testing.assert_array_equal(ours.arrays["covariances"], taken.arrays["covariances"])
    image = np.random.default_rng(0).random((1, 28, 28, 1), np.float32)
    codes, numbers = ours.network.code(image), taken.network.code(image)
    np.testing.assert_array_equal(np.argmax(numbers, axis=-1), codes)


def test_held_out_classes_are_those_of_the_same_name(tmp_path):
    upright = np.pad(np.full((14, 3), 255, np.uint8), ((3, 3), (8, 9)))
    for split, name, bar in (
        ("train", "a", upright),
        ("train", "b", upright.T),
        ("heldout", "b", upright.T),
    ):
        (tmp_path / split / name).mkdir(parents=True)
        for shift in range(-3, 3):
            image = np.roll(bar, (shift, -shift), axis=(0, 1))
            Image.fromarray(image).save(tmp_path / split / name / f"{shift}.png")
    run = tmp_path / "run"
    places = [f"--images={tmp_path / 'train'}", f"--heldout_images={tmp_path / 'heldout'}"]
    few = ["--parts_num_components=4", "--parts_num_iterations=5", "--patches_max_samples=500"]
    assert fit(*places, *few, f"--run_dir={run}") == 0
    assert result_of(run)["heldout_error_rate"] == 0


def test_finished_run_is_recognized(upright_run, capfd):
    before = (upright_run / "network.npz").stat().st_mtime_ns
    assert fit(*SMALL, "--keep_codes", f"--run_dir={upright_run}") == 0
    assert "is finished" in capfd.readouterr().err
    assert (upright_run / "network.npz").stat().st_mtime_ns == before


def test_killed_fit_goes_on_and_ends_the_same(tmp_path, start_command):
    flags = [*SMALL, "--classifier=none", "--parts_num_iterations=12", "--parts_num_restarts=2"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"

    def start(run):
        return start_command("fit_parts", [*flags, f"--run_dir={run}"])

    undisturbed = start(whole)
    undisturbed.wait()
    assert undisturbed.returncode == 0
    for sent, status in ((signal.SIGKILL, -9), (signal.SIGTERM, 143)):
        process = start(killed)
        logged, before = killed / "metrics.jsonl", _count(killed / "metrics.jsonl")
        while _count(logged) < before + 3 and process.returncode is None:
            time.sleep(0.01)
        process.send_signal(sent)
        process.wait()
        assert process.returncode == status
    assert 6 <= _count(killed / "metrics.jsonl") < 24
    last = start(killed)
    last.wait()
    assert last.returncode == 0
    assert (killed / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
    with np.load(whole / "parts.npz") as one, np.load(killed / "parts.npz") as other:
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])


def _count(path: Path) -> int:
    """Returns the number of lines of a file that may be missing."""
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.parametrize("flags, words", [
    (["--images=builtin:photos", "--num_images=0"], "pixels"),
    (["--parts_num_components=5000"], "components"),
    (["--classes_num_rotations=3"], "--classes_num_rotations=3: expected a divisor"),
    (["--upright_images=builtin:digits"], "--upright_images"),
    (["--parts_from=nowhere"], "nowhere is not a run of fit_parts"),
    (["--classes_num_components=40", "--num_images=60"], "--classes_num_components=40"),
])  # fmt: skip
def test_what_does_not_fit_is_one_clear_error(flags, words, tmp_path, capfd):
    assert fit(*SMALL, *flags, f"--run_dir={tmp_path / 'run'}") in (1, 2)
    lines = capfd.readouterr().err.splitlines()
    assert words in lines[-1] and not any("Traceback" in line for line in lines)
    assert not (tmp_path / "run" / "result.json").exists()


def test_images_without_classes_fit_parts_alone(tmp_path, capfd):
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = np.kron(rng.integers(0, 256, (6, 9)), np.ones((5, 5))).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    flags = ["--images", tmp_path, "--parts_num_components=3", "--heldout_fraction=0"]
    assert fit(*flags, f"--run_dir={tmp_path / 'classes'}") == 1
    assert "has no class" in capfd.readouterr().err.splitlines()[-1]
    run = tmp_path / "parts"
    assert fit(*flags, "--classifier=none", f"--run_dir={run}") == 0
    assert result_of(run)["num_parts"] == 3 and load_fitted_network(run).scorer is None
    assert load_fitted_network(run).network.canonical_size == 30  # the middle square
