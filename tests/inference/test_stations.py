import dataclasses
import errno
import os
from pathlib import Path

import pytest
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.inference.conveyor import Early
from tfcolor.inference.jobs import collect_jobs
from tfcolor.inference.manifest import FAILED, Manifest
from tfcolor.inference.one_photograph import color_job
from tfcolor.inference.remote import ServerError
from tfcolor.inference.stations import ColoringStations, HopelessError, Seen, Task


@pytest.fixture
def jobs(tmp_path, write_image):
    for name in "abc":
        write_image(tmp_path / f"in/{name}.png", seed=ord(name))
    (tmp_path / "out").mkdir(exist_ok=True)
    return collect_jobs([str(tmp_path / "in")], str(tmp_path / "out")).jobs


@pytest.fixture
def manifest(tmp_path):
    with Manifest(tmp_path / "out/m.jsonl") as manifest:
        yield manifest


@pytest.fixture
def stations(tint, settings, manifest, jobs):
    """Stations of a job whose photographs are all done."""
    for job in jobs:
        manifest.add(color_job(tint, job, settings))
    return ColoringStations(tint, settings, manifest)


def _planned(stations, jobs, must_overwrite=False):
    tasks = stations.plan(jobs, must_overwrite)
    return "".join(task.job.source.stem for task in tasks)


def test_what_is_done_is_done(stations, jobs):
    assert _planned(stations, jobs) == ""
    assert _planned(stations, jobs, must_overwrite=True) == "abc"


def test_a_result_that_is_missing_or_cut_is_made_again(stations, jobs):
    jobs[0].target.unlink()
    os.truncate(jobs[2].target, 5)
    assert _planned(stations, jobs) == "ac"
    more = [dataclasses.replace(job, has_uncertainty=True) for job in jobs]
    assert _planned(stations, more) == "abc"


def test_other_settings_color_again(tint, settings, stations, manifest, jobs):
    provenance = dataclasses.replace(settings.provenance, checkpoint_sha256="other")
    changed = dataclasses.replace(settings, provenance=provenance)
    assert _planned(ColoringStations(tint, changed, manifest), jobs) == "abc"


def test_what_failed_is_tried_again(tint, settings, stations, manifest, jobs):
    manifest.add(dataclasses.replace(manifest.find(jobs[1]), status=FAILED, results=()))
    assert _planned(stations, jobs) == "b"


def test_a_photograph_with_another_time_is_known_by_its_content(stations, manifest, jobs):
    os.utime(jobs[0].source, ns=(5, 5))
    os.utime(jobs[1].source, ns=(6, 6))
    jobs[1].source.write_bytes(jobs[2].source.read_bytes())
    tasks = stations.plan(jobs, must_overwrite=False)
    same, changed = (stations.load(task) for task in tasks)
    assert isinstance(same, Early)
    assert manifest.find(jobs[0]).state.mtime_ns == 5
    assert isinstance(changed, Seen)
    assert _planned(stations, jobs) == "b"


def test_a_gallery_that_needs_to_see_a_photograph_has_it_colored_again(
    tint, settings, stations, manifest, jobs
):
    class Curator:
        def __init__(self):
            self.concluded = []

        def needs(self, job):
            return job.source.stem == "b"

        def conclude(self, job, outcome):
            self.concluded.append((job.source.stem, outcome.status))

    curator = Curator()
    curated = ColoringStations(tint, settings, manifest, [curator])
    assert _planned(curated, jobs) == "b"
    assert curator.concluded == [("a", "done"), ("c", "done")]


def test_results_of_another_photograph_are_not_replaced(stations, manifest, jobs, tmp_path):
    other = tmp_path / "other/a.png"
    other.parent.mkdir()
    other.write_bytes(jobs[1].source.read_bytes())
    job = dataclasses.replace(jobs[0], source=other)
    (task,) = stations.plan([job], must_overwrite=False)
    expected = r"other/a\.png: .*out/a\.png is the result of .*in/a\.png"
    with pytest.raises(UserError, match=expected) as caught:
        stations.load(task)
    stations.fail(task, caught.value)
    assert manifest.find(jobs[0]).status == "done"
    (task,) = stations.plan([job], must_overwrite=True)
    assert isinstance(stations.load(task), Seen)
    jobs[0].source.unlink()  # the photograph was moved, and changed
    (task,) = stations.plan([job], must_overwrite=False)
    assert isinstance(stations.load(task), Seen)


def test_a_copy_of_a_photograph_has_its_results(stations, jobs, tmp_path):
    copy = tmp_path / "copies/a.png"
    copy.parent.mkdir()
    copy.write_bytes(jobs[0].source.read_bytes())
    (task,) = stations.plan([dataclasses.replace(jobs[0], source=copy)], must_overwrite=False)
    assert isinstance(stations.load(task), Early)


def test_pixels_are_counted_without_decoding(stations, jobs):
    Image.new("L", (90, 60)).save(jobs[0].source)
    assert stations.measure(Task(jobs[0])) == 60 * 90
    jobs[0].source.write_bytes(b"x" * 3000)
    assert stations.measure(Task(jobs[0])) == 1000
    assert stations.measure(Task(dataclasses.replace(jobs[0], source=Path("missing")))) == 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_full_disk_stops_everything(stations, jobs, number):
    error = OSError(number, os.strerror(number), str(jobs[0].target))
    with pytest.raises(HopelessError, match=rf"cannot write .*a\.png: {os.strerror(number)}; what"):
        stations.fail(Task(jobs[0]), error)


def test_a_dead_server_stops_everything(stations, jobs):
    with pytest.raises(ServerError, match=r"refused; stopped at .*a\.png; what is finished stays"):
        stations.fail(Task(jobs[0]), ServerError("refused"))


def test_a_failure_is_remembered(stations, manifest, jobs):
    outcome = stations.fail(Task(jobs[0]), MemoryError())
    assert manifest.find(jobs[0]).error == outcome.error
    assert outcome.error == f"{jobs[0].source}: too large for the memory of this machine"


def test_nothing_is_written_into_what_took_the_place_of_the_results(tint, settings, jobs, tmp_path):
    root = tmp_path / "out"
    stations = ColoringStations(tint, settings, root=root)
    loaded = stations.load(Task(jobs[0]))
    (predicted,) = stations.predict([loaded])
    root.rename(tmp_path / "unmounted")
    root.mkdir()
    with pytest.raises(HopelessError, match=r"the folder .*out has gone; what is finished stays"):
        stations.finish(Task(jobs[0]), loaded, predicted)
    assert os.listdir(root) == []
