import base64
import io
import json
import math
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.images import read_photograph
from tfcolor.inference import report as report_module
from tfcolor.inference.report import ReportEntry, ReportOptions, ReportWriter, describe_entry
from tfcolor.inference.report_pictures import Pictures


@pytest.fixture
def write(tmp_path, write_image):
    """Returns what writes a photograph and its result, and gives their entry."""

    def make(name, seed=0, **more):
        source, result = tmp_path / "in" / name, tmp_path / "out" / f"{name}.png"
        write_image(source, seed=seed)
        write_image(result, seed=seed + 100)
        return ReportEntry(name, source, [result], **more)

    return make


@pytest.fixture
def options(tmp_path):
    return ReportOptions(str(tmp_path / "pages/report.html"), 64)


def _pictures(entry):
    pictures = Pictures(read_photograph(entry.source), 64)
    pictures.add_result(read_photograph(entry.results[0]).pixels, np.zeros((6, 9), np.uint8))
    return pictures


def _data(text, mark):
    return json.loads(re.search(rf'id="{mark}">(.*?)</script>', text, re.DOTALL)[1])


def _report(writer, entries):
    """Finishes a report and returns its entries, each with its pictures."""
    for entry in entries:
        writer.add(entry)
    text = writer.finish().read_text()
    shown = _data(text, "entries-data")
    for entry in shown:
        entry["pictures"] = entry["pictures"] and _data(text, f"p{entry['pictures']}")
    return shown


def _refuse(*arguments):
    raise AssertionError("the files were read again")


def test_the_page_holds_every_photograph_sorted_by_name(write, options, tmp_path):
    writer = ReportWriter(options, {"Model": "runs/first"})
    numbers = {"seconds": 1.25, "doubt": 0.41238, "lightness_deviation": 1 / 6}
    entry = write("b.png", **numbers, details={"Seed": "7"})
    writer.add(entry, _pictures(entry))
    shown = _report(writer, [write("c.png", 1), write("a/z.png", 2)])
    assert [each["name"] for each in shown] == ["a/z.png", "b.png", "c.png"]
    pictures = shown[1].pop("pictures")
    assert pictures == json.loads(_pictures(entry).as_json())
    assert shown[1] == {
        "name": "b.png",
        "source": "./../in/b.png",
        "results": ["./../out/b.png.png"],
        "seconds": 1.25,
        "doubt": 0.4124,
        "deviation": 0.1667,
        "isLayer": False,
        "details": {"Seed": "7"},
        "error": "",
    }
    text = (tmp_path / "pages/report.html").read_text()
    assert _data(text, "settings-data") == {"Model": "runs/first"}
    assert [path.name for path in (tmp_path / "pages").iterdir()] == ["report.html"]


def test_a_photograph_that_failed_says_why(options, tmp_path):
    source = tmp_path / "bad.jpg"
    entry = ReportEntry("bad.jpg", source, error=f"{source}: damaged image", seconds=math.nan)
    (shown,) = _report(ReportWriter(options, {}), [entry])
    assert (shown["error"], shown["pictures"], shown["seconds"]) == ("damaged image", "", None)
    assert shown["results"] == []


def test_without_pictures_the_files_are_read(write, options):
    entry = write("a.png")
    (shown,) = _report(ReportWriter(options, {}), [entry])
    assert shown["pictures"]["before"] == json.loads(_pictures(entry).as_json())["before"]


def test_after_a_kill_pictures_are_taken_from_the_hidden_file(write, options, monkeypatch):
    entries = [write(name, seed) for seed, name in enumerate(("a.png", "b.png", "c.png"))]
    killed = ReportWriter(options, {})
    for entry in entries[:2]:
        killed.add(entry, _pictures(entry))
    writer = ReportWriter(options, {})
    writer.add(entries[2])
    monkeypatch.setattr(report_module, "read_pictures", _refuse)
    shown = _report(writer, entries[:2])
    expected = [json.loads(_pictures(entry).as_json()) for entry in entries]
    assert [each["pictures"] for each in shown[:2]] == expected[:2]
    assert [each["name"] for each in shown] == ["a.png", "b.png", "c.png"]


def test_a_later_job_takes_pictures_from_the_report(write, options, monkeypatch):
    entries = [write("a.png", 1), write("b.png", 2)]
    first = _report(ReportWriter(options, {}), entries)
    monkeypatch.setattr(report_module, "read_pictures", _refuse)
    assert _report(ReportWriter(options, {"Seed": "1"}), entries[::-1]) == first
    # A photograph that is no longer part of the job is gone from the page.
    assert _report(ReportWriter(options, {}), entries[:1]) == first[:1]


@pytest.mark.parametrize("change", ["before", "after"])
def test_what_has_changed_is_read_again(write, options, change, write_image):
    entry = write("a.png", 1)
    (first,) = _report(ReportWriter(options, {}), [entry])
    path = entry.source if change == "before" else entry.results[0]
    write_image(path, height=7, seed=50)
    (second,) = _report(ReportWriter(options, {}), [entry])
    assert second["pictures"][change] != first["pictures"][change]


@pytest.mark.parametrize("lost", ["source", "result", "damaged"])
def test_a_photograph_whose_files_are_lost_is_still_listed(write, options, lost):
    entry = write("a.png")
    if lost == "damaged":
        entry.source.write_bytes(b"no image")
    else:
        (entry.source if lost == "source" else entry.results[0]).unlink()
    (shown,) = _report(ReportWriter(options, {}), [entry])
    assert (shown["name"], shown["pictures"], shown["error"]) == ("a.png", "", "")
    assert shown["results"] == ["./../out/a.png.png"]


def test_a_page_that_is_full_shows_the_rest_from_their_files(write, options, monkeypatch):
    monkeypatch.setattr(report_module, "MAX_PICTURE_BYTES", 2_000)
    entries = [write(f"{index}.png", index) for index in range(9)]
    shown = _report(ReportWriter(options, {}), entries)
    has_pictures = [bool(each["pictures"]) for each in shown]
    assert 0 < sum(has_pictures) < 9
    assert has_pictures == sorted(has_pictures, reverse=True)
    lines = re.findall('id="p[0-9a-f]{32}"', Path(options.report).read_text())
    assert len(lines) == sum(has_pictures)


def test_threads_may_add_at_once(write, options):
    entries = [write(f"{index:02}.png", index) for index in range(24)]
    writer = ReportWriter(options, {})
    threads = [
        threading.Thread(target=lambda part=part: [writer.add(e) for e in entries[part::4]])
        for part in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shown = _report(writer, [])
    assert [each["name"] for each in shown] == [entry.name for entry in entries]
    for each, entry in zip(shown, entries, strict=True):
        expected = json.loads(_pictures(entry).as_json())
        assert each["pictures"]["after"] == expected["after"]


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "--><b>"]
)
def test_names_are_text_and_nothing_else(options, tmp_path, name):
    entry = ReportEntry(name, tmp_path / "a.png", error=name, details={name: name})
    writer = ReportWriter(options, {name: name})
    plain = ReportWriter(ReportOptions(str(tmp_path / "plain.html")), {"a": "a"})
    plain.add(ReportEntry("a", tmp_path / "a.png", error="a", details={"a": "a"}))
    (shown,) = _report(writer, [entry])
    assert (shown["name"], shown["error"], shown["details"]) == (name, name, {name: name})
    text, expected = Path(options.report).read_text(), plain.finish().read_text()
    for character in "<>":
        assert text.count(character) == expected.count(character)


def test_a_report_of_nothing_is_a_page(options):
    assert _report(ReportWriter(options, {}), []) == []


def test_an_interrupted_job_leaves_the_old_report(write, options):
    first = _report(ReportWriter(options, {}), [write("a.png")])
    before = Path(options.report).read_text()
    ReportWriter(options, {}).add(write("b.png", 5))
    assert Path(options.report).read_text() == before
    assert len(first) == 1


@pytest.mark.parametrize("name", ["report.png", "report", "html"])
def test_a_report_is_html(name):
    with pytest.raises(UsageError, match=f"--report={name}: expected a name that ends in .html"):
        ReportOptions(name)


def test_options_are_checked():
    assert ReportOptions().report == ""
    assert ReportOptions("A.HTM").report_side == 480
    with pytest.raises(UsageError, match="--report_side=10: expected at least 64"):
        ReportOptions("a.html", 10)


def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*report\.html"):
        ReportWriter(ReportOptions(str(tmp_path / "file/report.html")), {})


def test_a_full_disk_is_told(write, options, monkeypatch):
    writer = ReportWriter(options, {})

    def fill(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer._spool, "append", fill)
    with pytest.raises(UserError, match=r"cannot write .*report\.html: No space left"):
        writer.add(write("a.png"))


def test_a_layer_is_told(tmp_path):
    entry = ReportEntry("a", tmp_path / "a.png", [tmp_path / "b.png"], is_layer=True)
    assert describe_entry(entry, tmp_path)["isLayer"] is True


def test_another_side_reads_the_files_again(write, options, write_image):
    entry = write("a.png")
    write_image(entry.source, height=100, width=150)
    widths = []
    for side in (64, 128):
        (shown,) = _report(ReportWriter(ReportOptions(options.report, side), {}), [entry])
        before = base64.b64decode(shown["pictures"]["before"])
        widths.append(Image.open(io.BytesIO(before)).width)
    assert widths == [64, 128]
