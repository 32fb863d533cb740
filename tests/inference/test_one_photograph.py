import dataclasses
import errno
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs.hue_chroma import HueChroma
from tfcolor.core.errors import UserError
from tfcolor.core.taps import Tap
from tfcolor.data.images import UnreadableImageError, read_photograph
from tfcolor.inference.hints import Hints
from tfcolor.inference.jobs import Job
from tfcolor.inference.manifest import DONE, FAILED
from tfcolor.inference.one_photograph import (
    color_job,
    explain,
    finish_job,
    make_folder,
    predict_jobs,
    read_job,
)
from tfcolor.inference.painting import Painter, SizeOptions
from tfcolor.inference.remote import RefusedError, ServerError
from tfcolor.inference.result_files import ResultOptions
from tfcolor.inference.variations import Wishes, see


class Dreamer:
    """Predicts hue and chroma from the lightness of every cell."""

    painter = Painter(HueChroma(8), SizeOptions(min_side=1), Tap("grid", 4, 1.5))
    decoding = DecodingOptions()

    def describe(self, gray):
        cells = tf.nn.avg_pool2d(gray, 4, 4, "SAME")
        bins = tf.range(8, dtype=tf.float32) / 8
        predictions = {
            name: tf.nn.softmax(-scale * (cells - bins) ** 2)
            for name, scale in {"hue": 30.0, "chroma": 90.0}.items()
        }
        return predictions, tf.concat([cells, 1 - cells], axis=-1)

    def histograms(self, gray):
        return self.describe(gray)[0]


@pytest.fixture
def job(tmp_path, write_image):
    write_image(tmp_path / "in/a.png", channels=1)
    (tmp_path / "out").mkdir()
    return Job(tmp_path / "in/a.png", tmp_path / "out/deep/a.png", root=tmp_path / "out")


def _files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_photograph_is_read_with_the_state_of_its_file(job):
    reading = read_job(job)
    content = job.source.read_bytes()
    assert reading.state.size == len(content)
    assert reading.state.mtime_ns == job.source.stat().st_mtime_ns
    assert reading.state.sha256 == hashlib.sha256(content).hexdigest()
    assert reading.photograph.name == str(job.source)
    missing = dataclasses.replace(job, source=Path("missing.png"))
    with pytest.raises(UnreadableImageError, match=r"missing\.png: no such file"):
        read_job(missing)


def test_the_record_tells_what_was_written(tint, job, settings):
    outcome = color_job(tint, job, settings)
    content = job.target.read_bytes()
    assert (outcome.status, outcome.error) == (DONE, None)
    (file,) = outcome.results
    assert (file.path, file.size) == (job.target, len(content))
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert outcome.lightness_deviation == 0
    assert 0 <= outcome.doubt <= 1
    assert outcome.seconds > 0
    assert outcome.settings == settings.digest
    assert outcome.state == read_job(job).state


def test_lightness_is_kept(tint, job, settings):
    color_job(tint, job, settings)
    before = np.asarray(Image.open(job.source)).astype(int)
    after = np.asarray(Image.open(job.target)).astype(int)
    np.testing.assert_array_equal(after.sum(axis=-1), 3 * before)
    assert np.ptp(after, axis=-1).max() > 10


def test_each_sample_has_its_files_and_its_seed(tint, job, settings):
    decodings = tuple(DecodingOptions(sampling="once", seed=seed) for seed in (70, 71))
    settings = dataclasses.replace(settings, wishes=Wishes(decodings))
    outcome = color_job(
        tint, dataclasses.replace(job, num_samples=2, has_uncertainty=True), settings
    )
    names = ["a_1.png", "a_1_uncertainty.png", "a_2.png", "a_2_uncertainty.png"]
    assert [file.path.name for file in outcome.results] == names
    assert _files(job.root) == [f"deep/{name}" for name in names]
    for seed in (70, 71):
        xmp = (job.target.parent / f"a_{seed - 69}.png").read_bytes()
        assert f"{seed}".encode() in xmp
        assert outcome.state.sha256.encode() in xmp
        assert b"tint" in xmp


def test_a_gallery_sees_what_was_written(tint, job, settings):
    class Album:
        def __init__(self):
            self.shown = []

        def show(self, job, index, colored):
            self.shown.append((job.target.exists(), index, colored.rgb.shape))

    album = Album()
    reading = read_job(job)
    seen = [see(tint.painter, reading.photograph)]
    (predicted,) = predict_jobs(tint, [reading], seen, settings.wishes)
    finish_job(job, reading, predicted, settings, [album])
    assert album.shown == [(True, 0, (6, 9, 3))]


def test_a_batch_gives_what_each_photograph_gives(tmp_path, write_image, settings):
    dreamer, readings = Dreamer(), []
    for name in "ab":
        write_image(tmp_path / f"{name}.png", 24, 36, seed=ord(name))
        readings.append(read_job(Job(tmp_path / f"{name}.png", Path())))
    seen = [see(dreamer.painter, reading.photograph) for reading in readings]
    together = predict_jobs(dreamer, readings, seen, settings.wishes)
    for reading, gray, predicted in zip(readings, seen, together, strict=True):
        (alone,) = predict_jobs(dreamer, [reading], [gray], settings.wishes)
        for name, expected in alone.predictions.items():
            assert predicted.predictions[name].shape == expected.shape
            np.testing.assert_allclose(predicted.predictions[name], expected, atol=1e-6)


def test_wishes_reach_the_network_and_the_painter(job, settings):
    job = dataclasses.replace(job, target=job.root / "plain.png")
    assert color_job(Dreamer(), job, settings).status == DONE
    hints = Hints("h", np.array([[1, 2]]), np.array([[1, 0, 0]], np.float32))
    targets = {"hue": np.eye(8)[3] * 0.9 + 0.0125}
    for name, wishes in {"hints": Wishes(hints=hints), "targets": Wishes(targets=targets)}.items():
        wished = dataclasses.replace(job, target=job.root / f"{name}.png")
        outcome = color_job(Dreamer(), wished, dataclasses.replace(settings, wishes=wishes))
        assert outcome.status == DONE, outcome.error
        plain, changed = (np.asarray(Image.open(each.target), int) for each in (job, wished))
        assert np.abs(plain - changed).max() > 0
    outside = Wishes(hints=dataclasses.replace(hints, pixels=np.array([[99, 2]])))
    outcome = color_job(Dreamer(), job, dataclasses.replace(settings, wishes=outside))
    assert outcome.status == FAILED
    assert "row 99, column 2 lies outside of" in outcome.error


def test_a_photograph_that_fails_has_a_record_too(tint, job, settings):
    job.source.write_bytes(b"no image")
    outcome = color_job(tint, job, settings)
    assert (outcome.status, outcome.results) == (FAILED, ())
    assert outcome.error == f"{job.source}: not an image, or cut off in its header"
    assert _files(job.root) == []


def test_a_dead_server_is_no_matter_of_one_photograph(tint, job, settings):
    def fail(gray):
        raise ServerError("connection refused")

    tint.histograms = fail
    with pytest.raises(ServerError, match="connection refused"):
        color_job(tint, job, settings)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "a.png: too large for the memory of this machine"),
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM"),
            "a.png: too large for the memory of this machine",
        ),
        (RefusedError("too large"), "a.png: too large"),
        (UserError("h.json: row 9"), "h.json: row 9"),
        (KeyError("x"), "a.png: internal error: KeyError: 'x'"),
        (
            OSError(errno.EACCES, "Permission denied", "out/b.png"),
            "cannot write out/b.png: Permission denied",
        ),
    ],
)
def test_every_failure_is_explained_in_one_line(error, line):
    assert explain(Job(Path("a.png"), Path("b.png")), error) == line


def test_settings_are_told_apart_by_what_changes_the_results(settings):
    def digest(**changes):
        return dataclasses.replace(settings, **changes).digest

    provenance = settings.provenance
    moved = dataclasses.replace(provenance, model="elsewhere", flags="--output=x", seed=3)
    assert digest(provenance=moved) == digest(wishes=Wishes()) == settings.digest
    rgb = np.random.default_rng(0).random((3, 4, 3), np.float32)
    different = [
        digest(provenance=dataclasses.replace(provenance, checkpoint_sha256="72")),
        digest(provenance=dataclasses.replace(provenance, checkpoint_sha256="")),
        digest(size=SizeOptions(min_side=7)),
        digest(results=ResultOptions(quality=3)),
        digest(wishes=Wishes((DecodingOptions(seed=8),))),
        digest(wishes=Wishes((DecodingOptions(), DecodingOptions()))),
        digest(wishes=Wishes(targets={"hue": rgb[0, 0]})),
        digest(wishes=Wishes(reference_rgb=rgb)),
        digest(wishes=Wishes(reference_rgb=rgb[:, ::-1])),
        digest(wishes=Wishes(reference_rgb=rgb.reshape(4, 3, 3))),
    ]
    assert len({settings.digest, *different}) == 1 + len(different)
    assert digest(wishes=Wishes(reference_rgb=rgb.copy())) == digest(
        wishes=Wishes(reference_rgb=rgb)
    )


def test_results_stay_in_their_folder(job, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (job.root / "deep").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"a\.png: .*deep is a link that leads out of .*out"):
        make_folder(job)
    inner = dataclasses.replace(job, target=job.root / "deep/x/y/a.png")
    with pytest.raises(UserError, match="leads out of"):
        make_folder(inner)
    (job.root / "real").mkdir()
    (job.root / "inside").symlink_to("real")
    make_folder(dataclasses.replace(job, target=job.root / "inside/x/a.png"))
    assert os.listdir(job.root / "real") == ["x"]
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_shared_folder_that_is_gone_is_not_made_again(job):
    job.root.rmdir()
    for target in (job.target, job.root / "a.png"):
        with pytest.raises(FileNotFoundError):
            make_folder(dataclasses.replace(job, target=target))
    assert not job.root.exists()


def test_the_deviation_is_that_of_the_stored_file(tint, settings, tmp_path, write_image):
    write_image(tmp_path / "a.png", 16, 24)
    deviations = {}
    for name in ("out.png", "out.jpg"):
        job = Job(tmp_path / "a.png", tmp_path / name)
        deviations[name] = color_job(tint, job, settings).lightness_deviation
    means = [read_photograph(tmp_path / name).pixels.mean(axis=-1) for name in ("a.png", "out.jpg")]
    assert deviations["out.png"] == 0
    assert deviations["out.jpg"] == pytest.approx(np.abs(means[0] - means[1]).max(), abs=1e-4)
    assert deviations["out.jpg"] > 1
