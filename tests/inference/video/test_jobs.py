import dataclasses

import pytest

from tfcolor.core.errors import UserError
from tfcolor.inference.batch import JobOptions, color_files
from tfcolor.inference.jobs import collect_jobs
from tfcolor.inference.manifest import DONE, FAILED, read_manifest
from tfcolor.inference.stations import StoppedJobError
from tfcolor.inference.video.jobs import color_videos
from tfcolor.inference.video.options import VideoOptions

OPTIONS = VideoOptions(preset="ultrafast", segment_seconds=0.2)


@pytest.fixture
def folder(write_film, scene, tmp_path, write_image):
    """Returns a folder with a film, one that is none, and a photograph."""
    album = tmp_path / "album"
    album.mkdir()
    write_film(album / "film.mp4", scene[:9])
    (album / "broken.avi").write_bytes(b"RIFF and nothing else")
    write_image(album / "still.png")
    return album


def _color(tint, folder, settings, **arguments):
    jobs = collect_jobs([str(folder)], str(folder.parent / "out"))
    color_files(tint, jobs, settings, video=OPTIONS, **arguments)


def test_films_and_photographs_are_done_once(tint, settings, folder):
    with pytest.raises(UserError, match="1 of 3 files could not be colored"):
        _color(tint, folder, settings)
    out = folder.parent / "out"
    statuses = {
        each.source.name: each.status for each in read_manifest(out / "tfcolor_manifest.jsonl")
    }
    assert statuses == {"film.mp4": DONE, "still.png": DONE, "broken.avi": FAILED}
    written = (out / "film.mp4").stat().st_mtime_ns
    (folder / "broken.avi").unlink()
    _color(tint, folder, settings)
    assert (out / "film.mp4").stat().st_mtime_ns == written
    _color(tint, folder, settings, options=JobOptions(overwrite=True))
    assert (out / "film.mp4").stat().st_mtime_ns > written


def test_other_settings_color_a_film_again(tint, settings, folder):
    (job,) = collect_jobs([str(folder / "film.mp4")], None).jobs
    assert job.target.name == "film_colorized.mp4"
    manifest = {}

    class Memory:
        def find(self, job):
            return manifest.get(job.target)

        def add(self, outcome):
            manifest[outcome.target] = outcome

    def run(options=OPTIONS):
        counts = color_videos(tint, [job], settings, options, Memory())
        return dataclasses.astuple(counts)

    assert run() == (1, 0, 0)
    assert run() == (0, 1, 0)
    assert run(dataclasses.replace(OPTIONS, crf=30)) == (1, 0, 0)
    job.target.write_bytes(b"")
    assert run(dataclasses.replace(OPTIONS, crf=30)) == (1, 0, 0)


def test_a_stop_keeps_finished_segments(tint, settings, folder):
    (job,) = collect_jobs([str(folder / "film.mp4")], None).jobs
    with pytest.raises(StoppedJobError, match="run the same command again"):
        color_videos(tint, [job], settings, OPTIONS, stop=lambda: 143)
    assert not job.target.exists()
    assert job.target.with_name(f"{job.target.name}.parts").is_dir()
    assert color_videos(tint, [job], settings, OPTIONS).done == 1
    assert not job.target.with_name(f"{job.target.name}.parts").exists()
