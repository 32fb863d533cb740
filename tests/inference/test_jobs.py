import inspect
import itertools
import logging
import os
import re
import sys
from pathlib import Path

import pytest

from tfcolor.core.errors import UserError
from tfcolor.inference.jobs import Job, collect_jobs
from tfcolor.inference.result_files import ResultOptions


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Makes empty files below the working directory."""
    monkeypatch.chdir(tmp_path)

    def make_files(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    return make_files


def _pairs(inputs, output=None):
    return [(str(job.source), str(job.target)) for job in collect_jobs(inputs, output).jobs]


def test_results_lie_beside_their_originals(make):
    make("album/a.jpg", "album/deep/b.PNG", "c.tif")
    assert _pairs(["album", "c.tif"]) == [
        ("album/a.jpg", "album/a_colorized.png"),
        ("album/deep/b.PNG", "album/deep/b_colorized.png"),
        ("c.tif", "c_colorized.png"),
    ]


def test_a_folder_is_mirrored(make):
    make("album/a.jpg", "album/deep/b.png", "single.bmp")
    assert _pairs(["album", "single.bmp"], "out") == [
        ("album/a.jpg", "out/a.png"),
        ("album/deep/b.png", "out/deep/b.png"),
        ("single.bmp", "out/single.png"),
    ]


def test_other_hidden_and_colored_files_are_passed_over(make):
    make(
        "album/a.jpg", "album/a_colorized.png", "album/notes.txt", "album/.b.jpg", "album/.c/d.jpg"
    )
    assert _pairs(["album"]) == [("album/a.jpg", "album/a_colorized.png")]


def test_a_file_that_is_named_is_taken_as_it_is(make):
    make(".odd", "a_colorized.png")
    assert [source for source, _ in _pairs([".odd", "a_colorized.png"])] == [
        ".odd",
        "a_colorized.png",
    ]


@pytest.mark.parametrize("output", [None, "out"])
def test_no_two_results_share_a_file(make, output):
    make("x/a.jpg", "x/a.png", "x/a.tif", "y/a.jpg", "z/a.jpg", "x/a.jpg.webp")
    inputs = ["x", "y/a.jpg", "z/a.jpg"]
    jobs = collect_jobs(inputs, output).jobs
    targets = [job.target for job in jobs]
    assert len(jobs) == len(set(targets)) == 6
    originals = {job.source for job in jobs}
    assert not originals & set(targets)
    if output is None:
        assert all(target.stem.endswith("_colorized") for target in targets)
        assert all(job.target.parent == job.source.parent for job in jobs)


def test_a_photograph_named_twice_is_colored_once(make):
    make("album/a.jpg", "album/b.jpg")
    assert len(_pairs(["album", "album/b.jpg", "./album/*.jpg"], "out")) == 2


@pytest.mark.parametrize("absolute", [False, True])
def test_globs_are_matched(make, tmp_path, absolute):
    make(".hidden/album/a.jpg", ".hidden/album/b.png", ".hidden/album/b.txt")
    root = f"{tmp_path}/" if absolute else ""
    pairs = _pairs([f"{root}.hidden/*/?.[jp]*"], "out")
    assert [source for source, _ in pairs] == [
        f"{root}.hidden/album/a.jpg",
        f"{root}.hidden/album/b.png",
    ]
    assert [target for _, target in pairs] == ["out/a.png", "out/b.png"]


def test_globs_may_lead_upwards(make, tmp_path, monkeypatch):
    make("album/a.jpg", "work/x")
    monkeypatch.chdir(tmp_path / "work")
    assert _pairs(["../album/*.jpg"], "out") == [("../album/a.jpg", "out/a.png")]


def test_one_photograph_may_have_a_file_name(make):
    make("a.jpg", "album/b.jpg")
    assert _pairs(["a.jpg"], "best/colored.tif") == [("a.jpg", "best/colored.tif")]
    with pytest.raises(UserError, match=r"--output=one\.png is one file but there are 2"):
        collect_jobs(["a.jpg", "album"], "one.png")
    with pytest.raises(UserError, match=r"cannot write one\.gif"):
        collect_jobs(["a.jpg"], "one.gif")


def test_a_folder_with_a_dot_in_its_name_is_a_folder(make):
    make("a.jpg", "out.v2/keep")
    assert _pairs(["a.jpg"], "out.v2") == [("a.jpg", "out.v2/a.png")]


@pytest.mark.parametrize(
    ("inputs", "output"),
    [
        (["a.png"], "a.png"),
        (["album/b.png"], "album"),
        (["link.png"], "."),
        (["x.jpg", "x.png"], "."),
    ],
)
def test_originals_are_never_replaced(make, inputs, output):
    make("a.png", "album/b.png", "x.jpg", "x.png")
    Path("link.png").symlink_to("a.png")
    with pytest.raises(UserError, match="is an original; choose another --output"):
        collect_jobs(inputs, output)


def test_results_do_not_go_among_the_originals(make):
    make("album/a.jpg", "album/b.jpg")
    with pytest.raises(UserError, match="album/ is the folder of the originals; choose another"):
        collect_jobs(["album/b.jpg", "album"], "album/")


def test_results_inside_of_the_input_folder_are_not_colored_again(make, tmp_path):
    make("album/a.jpg", "album/deep/colored/a.png")
    (tmp_path / "link").symlink_to("album")
    for root, output in itertools.product(["album", "./album/", "link"], ["album", "link"]):
        output = f"{output}/deep/../deep/colored"
        root_name = str(Path(root))
        assert _pairs([root], output) == [(f"{root_name}/a.jpg", f"{output}/a.png")]


def test_other_folders_that_results_get_into_are_not_searched(make):
    make("album/a.jpg", "album/doubtful/0001_0.31_b.png")
    jobs = collect_jobs(["album"], "out", aside=["album/../album/doubtful"]).jobs
    assert [str(job.source) for job in jobs] == ["album/a.jpg"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "no photographs given: name files, folders or globs"),
        (["missing.jpg"], "there is no file or folder missing.jpg"),
        (["empty"], "no photographs in the folder empty; looked for .bmp"),
        (["*.gif"], "no photographs match *.gif"),
        (["a**b[.gif"], "no photographs match a**b[.gif"),
        (["pipe.png"], "pipe.png is neither a file nor a folder"),
        (["empty/loop.png"], "there is no file or folder empty/loop.png"),
    ],
)
def test_inputs_without_photographs_are_user_errors(make, inputs, message):
    make("empty/notes.txt", "empty/deep.png/x")
    os.mkfifo("pipe.png")
    os.mkfifo("empty/pipe.png")
    with pytest.raises(UserError, match=re.escape(message)):
        collect_jobs(inputs, None)


def test_links_are_followed_to_files_but_not_to_folders(make, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    make("album/deep/a.jpg", "elsewhere/b.jpg", "album/e.jpg")
    album = tmp_path / "album"
    (album / "all").symlink_to(album)
    (album / "b.jpg").symlink_to("../elsewhere/b.jpg")
    (album / "broken.jpg").symlink_to("missing.jpg")
    (album / "c.jpg").symlink_to("d.jpg")
    (album / "d.jpg").symlink_to("c.jpg")
    (album / "same.jpg").symlink_to("e.jpg")
    (album / "folder.jpg").symlink_to("deep")
    names = ["b.jpg", "broken.jpg", "c.jpg", "d.jpg", "deep/a.jpg", "e.jpg"]
    assert [source for source, _ in _pairs(["album"], "out")] == [f"album/{x}" for x in names]
    said = [line for line in caplog.messages if "a link to a folder" in line]
    assert said == [
        "passed over album/all: a link to a folder",
        "passed over album/folder.jpg: a link to a folder",
    ]


def test_a_linked_folder_is_searched_if_it_is_named(make, tmp_path):
    make("album/deep/a.jpg")
    (tmp_path / "link").symlink_to("album")
    assert _pairs(["link"], "out") == [("link/deep/a.jpg", "out/deep/a.png")]


def test_a_folder_that_cannot_be_read_stops_no_other(make, monkeypatch):
    make("album/a.jpg", "album/locked/b.jpg", "album/z.jpg", "locked/b.jpg")
    scan = os.scandir

    def scan_unless_locked(path):
        if str(path).endswith("locked"):  # the tests may run as root, who reads everything
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scan_unless_locked)
    found = collect_jobs(["album"], "out")
    assert [str(job.source) for job in found.jobs] == ["album/a.jpg", "album/z.jpg"]
    assert found.problems == ("cannot read the folder album/locked: Permission denied",)
    with pytest.raises(UserError, match="cannot read the folder locked: Permission denied"):
        collect_jobs(["locked"], "out")


def test_odd_names_are_kept(make, tmp_path):
    names = ["ümlaut ß.jpg", "日本\n語.jpg", "-rf *.jpg", "a\\b.jpg", os.fsdecode(b"\xff\xfe.jpg")]
    make(*(f"album/{name}" for name in names))
    jobs = collect_jobs(["album"], "out").jobs
    assert sorted(job.target.name for job in jobs) == sorted(f"{name[:-4]}.png" for name in names)


def test_no_two_results_are_one_file_where_case_does_not_count(make):
    make("x/A.jpg", "x/a.jpg", "x/é.jpg", "x/e\u0301.jpg")
    names = [target.casefold() for _, target in _pairs(["x"], "out")]
    assert names == ["out/a.png", "out/a.jpg.png", "out/e\u0301.png", "out/é.jpg.png"]


def test_a_tree_may_be_deeper_than_the_stack(make):
    deep = "/".join(["d"] * 150)
    make(f"album/{deep}/a.jpg")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        assert _pairs(["album"], "out") == [(f"album/{deep}/a.jpg", f"out/{deep}/a.png")]
    finally:
        sys.setrecursionlimit(limit)


def test_where_a_job_is_remembered(make, tmp_path):
    make("album/a.jpg", "album/deep/b.jpg", "other/c.jpg")
    assert collect_jobs(["album/a.jpg"], "out").folder == Path("out")
    assert collect_jobs(["album"], None).folder == Path("album")
    assert collect_jobs(["album/a.jpg", "album/deep/b.jpg"], None).folder == tmp_path / "album"
    assert collect_jobs(["album", "other/c.jpg"], None).folder == tmp_path
    assert collect_jobs(["album/a.jpg"], None).folder is None
    assert collect_jobs(["album/a.jpg"], "one.png").folder is None


def test_results_may_be_of_other_formats(make):
    make("x/a.JPG", "x/a.tif", "x/b.tif")
    jobs = collect_jobs(["x"], "out", results=ResultOptions(format="keep")).jobs
    assert [str(job.target) for job in jobs] == ["out/a.JPG", "out/a.tif", "out/b.tif"]


def test_several_results_are_numbered():
    job = Job(Path("a.jpg"), Path("out/a.tif"), 2, True)
    assert [str(path) for path in job.colored] == ["out/a_1.tif", "out/a_2.tif"]
    maps = ["out/a_1_uncertainty.png", "out/a_2_uncertainty.png"]
    assert [str(path) for path in job.files] == ["out/a_1.tif", "out/a_2.tif", *maps]
    assert Job(Path("a.jpg"), Path("a.png")).files == [Path("a.png")]


@pytest.mark.parametrize("num_samples", [1, 2])
def test_no_two_photographs_share_any_file(make, num_samples):
    make("x/a.jpg", "x/a.png", "x/a_1.jpg", "x/a_uncertainty.jpg", "x/a_1_uncertainty.png")
    for output in (None, "out"):
        jobs = collect_jobs(["x"], output, num_samples, True).jobs
        files = [path for job in jobs for path in job.files]
        assert len(files) == len(set(files)) == 5 * 2 * num_samples
        assert not {job.source for job in jobs} & set(files)


def test_numbered_results_and_maps_are_passed_over(make):
    make("x/a.jpg", "x/a_colorized_12.png", "x/a_colorized_uncertainty.png")
    make("x/a_colorized_2_uncertainty.png", "x/b_colorized_by_hand.png")
    assert [source for source, _ in _pairs(["x"])] == ["x/a.jpg", "x/b_colorized_by_hand.png"]


def test_a_numbered_result_never_replaces_an_original(make):
    make("a.png", "out/a_2.png")
    with pytest.raises(UserError, match=r"a_2\.png is an original; choose another --output"):
        collect_jobs(["a.png", "out/a_2.png"], "out", 2)
