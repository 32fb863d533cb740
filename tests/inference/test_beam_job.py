import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from tfcolor.color.decoding import DecodingOptions
from tfcolor.core.beam import BeamOptions
from tfcolor.core.errors import UsageError, UserError
from tfcolor.inference.batch import color_files
from tfcolor.inference.beam_job import ModelLoader, color_on_beam
from tfcolor.inference.jobs import collect_jobs
from tfcolor.inference.loading import SavedColorizer
from tfcolor.inference.manifest import DONE, FAILED, read_manifest
from tfcolor.inference.one_photograph import Settings
from tfcolor.inference.painting import SizeOptions
from tfcolor.inference.provenance import Provenance
from tfcolor.inference.remote import ServerError
from tfcolor.inference.result_files import ResultOptions
from tfcolor.inference.variations import Wishes

DIRECT = BeamOptions("direct")
BAD = "sea/bad.jpg"


class Listener:
    """A gallery that only listens."""

    def __init__(self, needs_pictures=False):
        self.heard, self.is_written, self._needs_pictures = {}, False, needs_pictures

    def needs(self, job):
        return self._needs_pictures

    def show(self, job, index, colored):
        raise AssertionError("no pictures come back from workers")

    def conclude(self, job, outcome):
        self.heard[job.source] = outcome.status

    def write(self):
        self.is_written = True


@pytest.fixture(scope="module")
def loader(colorizer_export):
    return ModelLoader(SavedColorizer, (str(colorizer_export),))


@pytest.fixture(scope="module")
def settings():
    wishes = Wishes((DecodingOptions(sampling="once", seed=3),))
    return Settings(wishes, ResultOptions(), Provenance("tiny", "00ff"), SizeOptions(24, 48))


@pytest.fixture(scope="module")
def originals(photos, tmp_path_factory):
    """Three photographs in folders of odd names, and a damaged one."""
    folder = tmp_path_factory.mktemp("originals")
    for name, photo in (("a b", "photo0.png"), ("[1] *", "photo1.jpg"), ("sea", "photo2.png")):
        (folder / name).mkdir()
        shutil.copy(photos / photo, folder / name)
    (folder / BAD).write_bytes((photos / "photo1.jpg").read_bytes()[:200])
    return folder


@pytest.fixture(scope="module")
def job(loader, settings, originals, tmp_path_factory):
    """The folder of the results of a job on Beam, and what it said of them."""
    pytest.importorskip("apache_beam")
    output, listener = tmp_path_factory.mktemp("results") / "of [all] *", Listener()
    with pytest.raises(UserError, match=r"^1 of 4 photographs could not be colored$"):
        color_on_beam(
            loader,
            collect_jobs([str(originals)], str(output)),
            settings,
            DIRECT,
            galleries=[listener],
        )
    return output, listener


def _files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "manifest" not in path.name
    }


def test_files_are_those_of_the_engine_of_this_process(job, originals, settings, loader, tmp_path):
    with pytest.raises(UserError, match="1 of 4"):
        color_files(loader(), collect_jobs([str(originals)], str(tmp_path / "out")), settings)
    expected = _files(tmp_path / "out")
    assert len(expected) == 3
    assert _files(job[0]) == expected


def test_results_are_colored_and_keep_the_lightness(job, originals):
    before = np.asarray(Image.open(originals / "a b/photo0.png").convert("RGB"), int)
    after = np.asarray(Image.open(job[0] / "a b/photo0.png").convert("RGB"), int)
    assert np.ptp(after, axis=-1).max() > 0
    assert np.abs(after.sum(axis=-1) - before.sum(axis=-1)).max() <= 1


def test_the_manifest_is_in_shards_and_failures_in_a_file_of_their_own(job, originals):
    shards = sorted(job[0].glob("tfcolor_manifest-*"))
    assert [path.name for path in shards] == [
        f"tfcolor_manifest-0000{shard}-of-00004.jsonl" for shard in range(4)
    ]
    done = [outcome for path in shards for outcome in read_manifest(path)]
    assert [outcome.status for outcome in done] == [DONE] * 3
    (failed,) = read_manifest(job[0] / "tfcolor_manifest_failed-00000-of-00001.jsonl")
    assert failed.status == FAILED
    assert failed.source.samefile(originals / BAD)
    assert str(originals / BAD) in failed.error
    whole = {
        outcome.target: outcome for outcome in read_manifest(job[0] / "tfcolor_manifest.jsonl")
    }
    assert whole == {outcome.target: outcome for outcome in [*done, failed]}


def test_nothing_else_is_left(job):
    names = {path.name for path in job[0].iterdir() if path.is_file()}
    assert all(name.startswith("tfcolor_manifest") for name in names)
    assert {path.name for path in job[0].iterdir() if path.is_dir()} == {"a b", "[1] *", "sea"}


def test_galleries_learn_what_became_of_every_photograph(job, originals):
    heard = {str(path.relative_to(originals)): status for path, status in job[1].heard.items()}
    good = ("a b/photo0.png", "[1] */photo1.jpg", "sea/photo2.png")
    assert heard == {BAD: FAILED, **dict.fromkeys(good, DONE)}
    assert job[1].is_written


def test_the_next_job_does_what_is_left(job, originals, settings, loader, tmp_path, caplog):
    album, output = tmp_path / "album", tmp_path / "results"
    shutil.copytree(originals, album)
    shutil.copytree(job[0], output)
    before = _files(output)
    shutil.copy(album / "a b/photo0.png", album / BAD)  # mended
    caplog.set_level("INFO")
    color_on_beam(loader, collect_jobs([str(album)], str(output)), settings, DIRECT)
    assert "colored 1 of 4 photographs" in caplog.text
    assert "3 were done already" in caplog.text
    after = _files(output)
    assert after == {**before, "sea/bad.png": after["sea/bad.png"]}
    assert not list(output.glob("tfcolor_manifest_failed*"))
    outcomes = read_manifest(output / "tfcolor_manifest.jsonl")
    assert [outcome.status for outcome in outcomes] == [DONE] * 4
    color_files(loader(), collect_jobs([str(album)], str(output)), settings)
    assert "colored 0 of 4 photographs, 4 were done already" in caplog.text


def test_what_is_done_when_a_pipeline_breaks_off_stays_done(
    originals, settings, loader, tmp_path, caplog, monkeypatch
):
    pytest.importorskip("apache_beam")
    jobs, predict = collect_jobs([str(originals)], str(tmp_path / "out")), loader().histograms
    calls = []

    def fail_at_the_third(gray):
        calls.append(gray)
        if len(calls) == 3:
            raise ServerError("the server is gone")
        return predict(gray)

    monkeypatch.setattr(loader(), "histograms", fail_at_the_third)
    with pytest.raises(UserError, match="the pipeline failed: the server is gone; stopped at"):
        color_on_beam(loader, jobs, settings, DIRECT)
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_file()] == [
        "tfcolor_manifest.jsonl"
    ]
    caplog.set_level("INFO")
    with pytest.raises(UserError, match="1 of 4"):
        color_on_beam(loader, jobs, settings, DIRECT)
    assert "colored 1 of 4 photographs" in caplog.text
    assert "2 were done already" in caplog.text
    assert len(_files(tmp_path / "out")) == 3


def test_a_colorizer_is_loaded_once(loader, colorizer_export):
    assert loader() is loader()
    assert loader() is ModelLoader(SavedColorizer, (str(colorizer_export),))()


def test_pictures_are_refused_before_anything_is_done(originals, settings, loader, tmp_path):
    pytest.importorskip("apache_beam")
    jobs = collect_jobs([str(originals)], str(tmp_path / "out"))
    with pytest.raises(UsageError, match="--runner=direct has no pictures to show"):
        color_on_beam(loader, jobs, settings, DIRECT, galleries=[Listener(needs_pictures=True)])
    assert not (tmp_path / "out").exists()


def test_without_beam_the_extra_is_named(originals, settings, loader, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    jobs = collect_jobs([str(originals)], str(tmp_path / "out"))
    with pytest.raises(UserError, match=r"pip install 'tfcolor\[beam\]'"):
        color_on_beam(loader, jobs, settings, DIRECT)
    assert not (tmp_path / "out").exists()
