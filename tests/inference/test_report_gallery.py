import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tfcolor.data.images import read_photograph
from tfcolor.inference import report as report_module
from tfcolor.inference.jobs import Job, uncertainty_path
from tfcolor.inference.manifest import DONE, FAILED, Outcome, ResultFile, SourceState
from tfcolor.inference.photographs import ColoredPhotograph
from tfcolor.inference.report import ReportOptions
from tfcolor.inference.report_gallery import ReportGallery
from tfcolor.inference.report_pictures import Pictures


@pytest.fixture
def jobs(tmp_path, write_image):
    """Three photographs with two versions each, whose results are written."""
    jobs = []
    for seed, name in enumerate(("b/two.png", "b/c/three.png", "one.png")):
        write_image(tmp_path / "in" / name, seed=seed)
        job = Job(tmp_path / "in" / name, tmp_path / "out" / name, 2, has_uncertainty=True)
        for index, path in enumerate(job.files):
            write_image(path, channels=1 if index > 1 else 3, seed=10 * seed + index)
        jobs.append(job)
    return jobs


@pytest.fixture
def options(tmp_path):
    return ReportOptions(str(tmp_path / "report.html"), 64)


def _outcome(job, **changes):
    results = tuple(ResultFile(path, 1, f"sha of {path.name}") for path in job.colored)
    outcome = Outcome(job.source, job.target, DONE, 2.5, "settings", results=results, doubt=0.25)
    outcome = dataclasses.replace(outcome, state=SourceState(1, 1, "sha of source"))
    return dataclasses.replace(outcome, lightness_deviation=0.125, **changes)


def _colored(job, index):
    photograph = read_photograph(job.source)
    rgb = read_photograph(job.colored[index]).pixels
    uncertainty = read_photograph(uncertainty_path(job.colored[index])).pixels[..., 0]
    return ColoredPhotograph(photograph, rgb, np.ascontiguousarray(uncertainty), 0.125)


def _expected(job):
    pictures = Pictures(read_photograph(job.source), 64)
    for index in range(2):
        colored = _colored(job, index)
        pictures.add_result(colored.rgb, colored.uncertainty)
    return json.loads(pictures.as_json())


def _read(options):
    text = Path(options.report).read_text()
    entries = json.loads(re.search(r'id="entries-data">(.*?)</script>', text, re.DOTALL)[1])
    for entry in entries:
        key = entry["pictures"]
        entry["pictures"] = key and json.loads(re.search(rf'id="p{key}">(.*)</script>', text)[1])
    return entries


def test_new_earlier_and_failed_photographs_are_shown(jobs, options, monkeypatch):
    gallery = ReportGallery(options, jobs, {"Model": "runs/first"}, is_layer=True)
    assert not any(gallery.needs(job) for job in jobs)
    gallery.conclude(jobs[1], _outcome(jobs[1]))  # done by an earlier job
    for index in range(2):
        gallery.show(jobs[0], index, _colored(jobs[0], index))
    gallery.conclude(jobs[0], _outcome(jobs[0]))
    error = f"{jobs[2].source}: damaged image"
    failed = _outcome(jobs[2], status=FAILED, error=error, results=(), doubt=None)
    gallery.show(jobs[2], 0, _colored(jobs[2], 0))
    gallery.conclude(jobs[2], failed)
    gallery.write()

    earlier, new, bad = _read(options)
    assert [each["name"] for each in (earlier, new, bad)] == [
        "b/c/three.png",
        "b/two.png",
        "one.png",
    ]
    assert new["pictures"] == _expected(jobs[0])
    assert earlier["pictures"] == _expected(jobs[1])
    assert new["results"] == ["./out/b/two_1.png", "./out/b/two_2.png"]
    numbers = {"seconds": 2.5, "doubt": 0.25, "deviation": 0.125, "isLayer": True}
    assert {key: new[key] for key in numbers} == numbers
    digests = {"Original, SHA-256": "sha of source", "Result, SHA-256": "sha of two_1.png"}
    assert new["details"] == digests
    assert (bad["error"], bad["pictures"], bad["results"]) == ("damaged image", "", [])


def test_pictures_in_memory_are_not_read_from_files(jobs, options, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("the files were read again")

    monkeypatch.setattr(report_module, "read_pictures", refuse)
    gallery = ReportGallery(options, jobs[:1], {})
    gallery.show(jobs[0], 0, _colored(jobs[0], 0))
    gallery.conclude(jobs[0], _outcome(jobs[0]))
    gallery.write()
    assert len(_read(options)[0]["pictures"]["after"]) == 1
