import os
from pathlib import Path

import pytest

from tfcolor.core.errors import UserError
from tfcolor.inference import doubt_folder
from tfcolor.inference.doubt_folder import (
    DoubtGallery,
    check_doubt_folder,
    write_doubt_folder,
)
from tfcolor.inference.jobs import Job
from tfcolor.inference.manifest import DONE, FAILED, Outcome


@pytest.fixture
def results(tmp_path):
    """Three results, two of one name, and how doubtful they are."""
    doubts = {"album/a.png": 0.118, "album/b/a.png": 0.6, "album/ü .tif": 0.373}
    for name in doubts:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return [(tmp_path / name, doubt) for name, doubt in doubts.items()]


def _content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


EXPECTED = {
    "0001_0.60_a.png": "album/b/a.png",
    "0002_0.37_ü .tif": "album/ü .tif",
    "0003_0.12_a.png": "album/a.png",
}


def test_the_most_doubtful_come_first(tmp_path, results):
    folder = tmp_path / "new" / "doubtful"
    write_doubt_folder(folder, results)
    assert _content(folder) == EXPECTED
    assert os.readlink(folder / "0003_0.12_a.png") == "../../album/a.png"
    assert [path.name for path in folder.parent.iterdir()] == ["doubtful"]


def test_links_hold_when_all_is_moved(tmp_path, results):
    (tmp_path / "out").mkdir()
    write_doubt_folder(tmp_path / "out/doubtful", results)
    (tmp_path / "moved").mkdir()
    for name in ("album", "out"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    assert _content(tmp_path / "moved/out/doubtful") == EXPECTED


def test_a_relative_folder_is_one_of_where_the_command_runs(tmp_path, results, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_doubt_folder("doubtful", [(path.relative_to(tmp_path), doubt) for path, doubt in results])
    assert _content(tmp_path / "doubtful") == EXPECTED


def test_the_folder_is_made_anew(tmp_path, results):
    folder = tmp_path / "doubtful"
    write_doubt_folder(folder, results)
    (tmp_path / ".doubtful.made").mkdir()  # of a killed job
    (tmp_path / "album/a.png").unlink()  # a link that leads nowhere is ours too
    write_doubt_folder(folder, results[2:])
    assert _content(folder) == {"0001_0.37_ü .tif": "album/ü .tif"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["album", "doubtful"]


def test_results_are_copied_where_there_are_no_links(tmp_path, results, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError("Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)
    write_doubt_folder(tmp_path / "doubtful", results)
    assert _content(tmp_path / "doubtful") == EXPECTED
    assert not any(path.is_symlink() for path in (tmp_path / "doubtful").iterdir())


def test_long_names_fit(tmp_path):
    result = tmp_path / f"{'é' * 120}.png"
    result.write_text("long")
    write_doubt_folder(tmp_path / "doubtful", [(result, 0.5)])
    ((name, content),) = _content(tmp_path / "doubtful").items()
    assert name.startswith("0001_0.50_ééé")
    assert name.endswith("é.png")
    assert content == "long"


def test_many_ranks_sort_as_text(tmp_path, monkeypatch):
    links = []
    monkeypatch.setattr(doubt_folder, "_link", lambda result, link, folder: links.append(link.name))
    write_doubt_folder(
        tmp_path / "doubtful", [(tmp_path / f"{i}.png", i / 20_000) for i in range(10_001)]
    )
    assert links == sorted(links)
    assert (links[0], links[-1]) == ("00001_0.50_10000.png", "10001_0.00_0.png")


@pytest.mark.parametrize("name", ["letter.txt", "0001_photo.png", "0001_0.37_a.png/b"])
def test_a_folder_with_anything_else_is_left_alone(tmp_path, results, name):
    path = tmp_path / "mine" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(UserError, match=f"holds {name.split('/')[0]}; expected a new"):
        write_doubt_folder(tmp_path / "mine", results)
    assert path.read_text() == "mine"


def test_a_file_or_link_in_its_place_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(UserError, match="something else of that name"):
            check_doubt_folder(tmp_path / name)


def test_a_folder_that_cannot_be_made_is_told(tmp_path, results):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match=r"cannot write .*doubtful"):
        write_doubt_folder(tmp_path / "file" / "doubtful", results)


def test_a_job_fills_the_folder_with_what_was_colored(tmp_path, results):
    gallery = DoubtGallery(tmp_path / "doubtful")
    for path, doubt in results:
        job = Job(tmp_path / "in.jpg", path)
        assert not gallery.needs(job)
        gallery.conclude(job, Outcome(job.source, path, DONE, 1.0, "settings", doubt=doubt))
    bad = Job(tmp_path / "bad.jpg", tmp_path / "album/bad.png")
    gallery.conclude(bad, Outcome(bad.source, bad.target, FAILED, 1.0, "settings", error="damaged"))
    gallery.write()
    assert _content(tmp_path / "doubtful") == EXPECTED


def test_a_job_does_not_start_if_the_folder_holds_anything_else(tmp_path):
    (tmp_path / "letter.txt").touch()
    with pytest.raises(UserError, match=r"holds letter\.txt"):
        DoubtGallery(tmp_path)
