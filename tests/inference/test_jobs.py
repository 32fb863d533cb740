import re
from pathlib import Path

import pytest

from tfcolor.core.errors import UserError
from tfcolor.inference.jobs import Job, collect_jobs


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
    return [(str(job.source), str(job.target)) for job in collect_jobs(inputs, output)]


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
    jobs = collect_jobs(inputs, output)
    targets = [job.target for job in jobs]
    assert len(jobs) == len(set(targets)) == 6
    originals = {job.source for job in jobs}
    assert not originals & set(targets)
    if output is None:
        assert all(target.stem.endswith("_colorized") for target in targets)
        assert all(job.target.parent == job.source.parent for job in jobs)


def test_a_photograph_named_twice_is_colored_once(make):
    make("album/a.jpg", "album/b.jpg")
    assert len(collect_jobs(["album", "album/b.jpg", "./album/*.jpg"], "out")) == 2


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
    with pytest.raises(UserError, match=r"cannot write one\.jpg"):
        collect_jobs(["a.jpg"], "one.jpg")


def test_a_folder_with_a_dot_in_its_name_is_a_folder(make):
    make("a.jpg", "out.v2/keep")
    assert _pairs(["a.jpg"], "out.v2") == [("a.jpg", "out.v2/a.png")]


@pytest.mark.parametrize(
    ("inputs", "output"), [(["a.png"], "a.png"), (["album"], "album"), (["album/b.png"], "album")]
)
def test_originals_are_never_replaced(make, inputs, output):
    make("a.png", "album/b.png")
    with pytest.raises(UserError, match="is an original; choose another --output"):
        collect_jobs(inputs, output)


def test_results_inside_of_the_input_folder_are_not_colored_again(make):
    make("album/a.jpg", "album/colored/a.png")
    assert _pairs(["album"], "album/colored") == [("album/a.jpg", "album/colored/a.png")]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "no photographs given: name files, folders or globs"),
        (["missing.jpg"], "there is no file or folder missing.jpg"),
        (["empty"], "no photographs in the folder empty; looked for .bmp"),
        (["*.gif"], "no photographs match *.gif"),
    ],
)
def test_inputs_without_photographs_are_user_errors(make, inputs, message):
    make("empty/notes.txt")
    with pytest.raises(UserError, match=re.escape(message)):
        collect_jobs(inputs, None)


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
        jobs = collect_jobs(["x"], output, num_samples, True)
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
