import dataclasses
import errno
import json
import logging
import os
import threading

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.color.outputs import OUTPUT_SPACES
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.files import write_bytes
from tfcolor.inference import one_photograph
from tfcolor.inference.batch import JobOptions, color_files
from tfcolor.inference.gallery import SheetGallery
from tfcolor.inference.jobs import collect_jobs
from tfcolor.inference.manifest import MANIFEST_FILE, Manifest, read_manifest
from tfcolor.inference.remote import ServerError
from tfcolor.inference.stations import StoppedJobError
from tfcolor.inference.variations import Wishes


@pytest.fixture
def album(tmp_path, write_image):
    """A folder with three photographs of which the second is damaged."""
    for name in ("a.png", "b.png", "c.png"):
        write_image(tmp_path / "album" / name, seed=ord(name[0]))
    (tmp_path / "album/b.png").write_bytes((tmp_path / "album/b.png").read_bytes()[:60])
    return tmp_path / "album"


@pytest.fixture
def color(tint, settings, tmp_path, caplog):
    """Returns what colors folders into `out`; more arguments go to `color_files`."""
    caplog.set_level(logging.INFO)

    def run(*inputs, wishes=None, **arguments):
        number = 1 if wishes is None else len(wishes.decodings)
        jobs = collect_jobs([str(path) for path in inputs], str(tmp_path / "out"), number)
        wished = settings if wishes is None else dataclasses.replace(settings, wishes=wishes)
        color_files(tint, jobs, wished, **arguments)

    return run


def _files(folder):
    names = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in names if name != MANIFEST_FILE)


def _contents(folder):
    return {name: (folder / name).read_bytes() for name in _files(folder)}


def test_a_damaged_photograph_stops_none_of_the_others(color, album, tmp_path, caplog):
    with pytest.raises(UserError, match=r"^1 of 3 photographs could not be colored$"):
        color(album)
    assert _files(tmp_path / "out") == ["a.png", "c.png"]
    skipped = [line for line in caplog.messages if line.startswith("skipped ")]
    assert len(skipped) == 1
    assert str(album / "b.png") in skipped[0]
    assert "colored 2 of 3 photographs" in caplog.messages
    statuses = {
        each.target.name: each.status for each in read_manifest(tmp_path / "out" / MANIFEST_FILE)
    }
    assert statuses == {"a.png": "done", "b.png": "failed", "c.png": "done"}


def test_what_is_done_is_passed_over_and_what_failed_tried_again(
    color, album, tmp_path, write_image, caplog
):
    with pytest.raises(UserError):
        color(album)
    before = (tmp_path / "out/a.png").stat().st_mtime_ns
    write_image(album / "b.png")
    caplog.clear()
    color(album)
    assert (tmp_path / "out/a.png").stat().st_mtime_ns == before
    assert "2 of 3 photographs are done already" in caplog.messages
    assert "colored 1 of 3 photographs, 2 were done already" in caplog.messages
    color(album, options=JobOptions(overwrite=True))
    assert (tmp_path / "out/a.png").stat().st_mtime_ns > before
    assert len((tmp_path / "out" / MANIFEST_FILE).read_text().splitlines()) == 3


def test_results_do_not_depend_on_how_many_work(color, tmp_path, write_image):
    for number in range(6):
        write_image(tmp_path / f"in/{number}.png", 9 + number % 2, 12, seed=number)
    contents = []
    for num_threads, batch_size in ((1, 1), (4, 1), (2, 5)):
        options = JobOptions(num_threads=num_threads, batch_size=batch_size, overwrite=True)
        color(tmp_path / "in", options=options)
        contents.append(_contents(tmp_path / "out"))
    assert len(contents[0]) == 6
    assert contents[0] == contents[1] == contents[2]


def test_a_folder_in_the_way_of_a_result_stops_none_of_the_others(color, tmp_path, write_image):
    for name in ("a.png", "b.png"):
        write_image(tmp_path / "in" / name)
    (tmp_path / "out/a.png").mkdir(parents=True)
    with pytest.raises(UserError, match="1 of 2 photographs"):
        color(tmp_path / "in")
    assert _files(tmp_path / "out") == ["b.png"]


def test_a_photograph_that_does_not_fit_in_memory_is_skipped(
    color, tint, tmp_path, write_image, caplog
):
    write_image(tmp_path / "in/a.png", height=40)
    write_image(tmp_path / "in/b.png")
    predict = tint.histograms

    def run_out_of_memory(gray):
        if gray.shape[1] == 40:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
        return predict(gray)

    tint.histograms = run_out_of_memory
    with pytest.raises(UserError, match="1 of 2 photographs"):
        color(tmp_path / "in")
    assert _files(tmp_path / "out") == ["b.png"]
    assert f"skipped {tmp_path / 'in/a.png'}: too large for the memory" in caplog.text


def test_an_error_of_our_own_costs_one_photograph(color, tint, album, tmp_path, caplog):
    tint.histograms = lambda gray: 1 // 0
    with pytest.raises(UserError, match="3 of 3 photographs could not be colored"):
        color(album)
    assert "a.png: internal error: ZeroDivisionError" in caplog.text
    assert _files(tmp_path / "out") == []


def test_a_dead_server_stops_the_job_and_what_is_finished_stays(
    color, tint, settings, tmp_path, write_image
):
    for number in range(20):
        write_image(tmp_path / f"in/{number:02}.png")
    predict, calls = tint.histograms, []

    def die(gray):
        calls.append(gray)
        if len(calls) > 3:
            raise ServerError("http://localhost:1: connection refused")
        return predict(gray)

    tint.histograms = die
    with pytest.raises(ServerError, match=r"refused; stopped at .*\.png; what is finished stays"):
        color(tmp_path / "in")
    assert len(calls) == 4
    tint.histograms = predict
    names = _files(tmp_path / "out")
    outcomes = read_manifest(tmp_path / "out" / MANIFEST_FILE)
    assert sorted(outcome.target.name for outcome in outcomes) == names
    color(tmp_path / "in")
    assert len(_files(tmp_path / "out")) == 20


def test_a_full_disk_stops_the_job_with_nothing_half_written(
    color, tmp_path, write_image, monkeypatch
):
    for number in range(20):
        write_image(tmp_path / f"in/{number:02}.png")
    room, lock = [200], threading.Lock()

    def write_while_there_is_room(path, content, **arguments):
        with lock:
            room.append(room.pop() - 40)
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write_bytes(path, content, **arguments)

    with monkeypatch.context() as patch:
        patch.setattr(one_photograph, "write_bytes", write_while_there_is_room)
        with pytest.raises(UserError, match="No space left on device; what is finished stays; run"):
            color(tmp_path / "in")
    names = _files(tmp_path / "out")
    assert len(names) == 5
    assert len(read_manifest(tmp_path / "out" / MANIFEST_FILE)) == 5
    color(tmp_path / "in")
    assert len(_files(tmp_path / "out")) == 20


def test_a_stop_leaves_a_whole_manifest(color, tmp_path, write_image, caplog):
    for number in range(20):
        write_image(tmp_path / f"in/{number:02}.png")
    path = tmp_path / "out" / MANIFEST_FILE

    def stop():
        return 143 if path.exists() and path.read_bytes().count(b"\n") >= 3 else 0

    with pytest.raises(StoppedJobError) as caught:
        color(tmp_path / "in", stop=stop)
    num_done = len(_files(tmp_path / "out"))
    assert 3 <= num_done < 20
    assert caught.value.exit_status == 143
    assert str(caught.value) == (
        f"stopped by a signal: {num_done} of 20 photographs are done; what is finished stays;"
        " run the same command again to continue"
    )
    assert len(read_manifest(path)) == num_done
    color(tmp_path / "in")
    assert f"{num_done} of 20 photographs are done already" in caplog.messages
    assert len(_files(tmp_path / "out")) == 20


def test_what_a_killed_job_left_is_swept(color, album, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.gone.png.tfcolor-part").write_bytes(b"half")
    with pytest.raises(UserError):
        color(album)
    assert _files(tmp_path / "out") == ["a.png", "c.png"]


def test_two_jobs_do_not_write_into_one_folder(color, album, tmp_path):
    with (
        Manifest(tmp_path / "out" / MANIFEST_FILE),
        pytest.raises(UserError, match="another process writes"),
    ):
        color(album)
    assert _files(tmp_path / "out") == []


def test_the_manifest_may_lie_elsewhere_and_one_photograph_needs_none(
    tint, settings, tmp_path, write_image
):
    write_image(tmp_path / "a.png")
    jobs = collect_jobs([str(tmp_path / "a.png")], None)
    color_files(tint, jobs, settings)
    assert _files(tmp_path) == ["a.png", "a_colorized.png"]
    color_files(tint, jobs, settings, JobOptions(manifest=str(tmp_path / "x/m.jsonl")))
    (line,) = (tmp_path / "x/m.jsonl").read_text().splitlines()
    assert json.loads(line)["path"] == "../a.png"


def test_a_sheet_shows_what_was_done_before_too(color, album, tmp_path):
    with pytest.raises(UserError):
        color(album)
    jobs = collect_jobs([str(album)], str(tmp_path / "out")).jobs
    with pytest.raises(UserError, match="1 of 3"):
        color(album, galleries=[SheetGallery(tmp_path / "sheet.png", jobs)])
    assert Image.open(tmp_path / "sheet.png").height > 2 * 256


def test_a_folder_that_could_not_be_read_is_not_forgotten(tint, settings, album, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    jobs = collect_jobs([str(album)], str(tmp_path / "out"))
    jobs = dataclasses.replace(jobs, problems=("cannot read the folder x: Permission denied",))
    expected = "1 of 3 photographs could not be colored, and 1 folders could not be read"
    with pytest.raises(UserError, match=expected):
        color_files(tint, jobs, settings)
    assert "cannot read the folder x: Permission denied" in caplog.messages


def test_what_cannot_be_written_or_wished_is_known_at_once(color, tint, album, tmp_path):
    tint.histograms = None
    (tmp_path / "out").touch()
    with pytest.raises(UserError, match=r"cannot write .*out/a\.png: File exists"):
        color(album / "a.png")
    (tmp_path / "out").unlink()
    tint.painter = dataclasses.replace(tint.painter, space=OUTPUT_SPACES["lab_values"]())
    with pytest.raises(UsageError, match="no histograms to move by energy"):
        color(album, wishes=Wishes(targets={"hue": np.ones(3)}))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"num_threads": -1}])
def test_options_are_checked(options):
    with pytest.raises(UsageError, match="expected at least"):
        JobOptions(**options)


def test_odd_names_do_nothing_to_the_terminal(color, tmp_path, caplog):
    bad = tmp_path / "in" / os.fsdecode(b"\x1b[2J\xff.png")
    bad.parent.mkdir()
    bad.write_bytes(b"no image")
    with pytest.raises(UserError):
        color(tmp_path / "in")
    assert r"\x1b[2J\udcff.png: not an image" in caplog.text
    assert "\x1b" not in caplog.text
