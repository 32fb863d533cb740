import logging

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.inference.batch import MAX_SHEET_ROWS, color_files
from tfcolor.inference.jobs import Job, collect_jobs
from tfcolor.inference.sheet import CELL, GAP, HEADER


@pytest.fixture
def album(tmp_path, write_image):
    """A folder with three photographs of which the second is damaged."""
    for name in ("a.png", "b.png", "c.png"):
        write_image(tmp_path / "album" / name, seed=ord(name[0]))
    (tmp_path / "album/b.png").write_bytes((tmp_path / "album/b.png").read_bytes()[:60])
    return tmp_path / "album"


def _files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_every_photograph_keeps_its_lightness(tint, tmp_path, write_image):
    pixels = write_image(tmp_path / "in/a.png", channels=1)
    color_files(tint, collect_jobs([str(tmp_path / "in")], str(tmp_path / "out")))
    written = np.asarray(Image.open(tmp_path / "out/a.png")).astype(int)
    np.testing.assert_array_equal(written.sum(axis=-1), 3 * pixels.astype(int))


def test_a_damaged_photograph_stops_none_of_the_others(tint, album, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    jobs = collect_jobs([str(album)], str(tmp_path / "out"))
    with pytest.raises(UserError, match="1 of 3 photographs could not be colored"):
        color_files(tint, jobs, sheet=str(tmp_path / "sheet.png"))
    assert _files(tmp_path / "out") == ["a.png", "c.png"]
    skipped = [line for line in caplog.messages if line.startswith("skipped ")]
    assert len(skipped) == 1
    assert str(album / "b.png") in skipped[0]
    assert "colored 2 of 3 photographs" in caplog.messages
    height = Image.open(tmp_path / "sheet.png").height
    assert height == HEADER + 2 * (CELL + GAP)


def test_a_folder_in_the_way_of_a_result_stops_none_of_the_others(tint, tmp_path, write_image):
    for name in ("a.png", "b.png"):
        write_image(tmp_path / "in" / name)
    (tmp_path / "out/a.png").mkdir(parents=True)
    with pytest.raises(UserError, match="1 of 2 photographs"):
        color_files(tint, collect_jobs([str(tmp_path / "in")], str(tmp_path / "out")))
    assert _files(tmp_path / "out") == ["b.png"]


def test_a_photograph_that_does_not_fit_in_memory_is_skipped(tint, tmp_path, write_image, caplog):
    caplog.set_level(logging.INFO)
    write_image(tmp_path / "a.png", height=40)
    write_image(tmp_path / "b.png")
    color = tint.colorize

    def run_out_of_memory(gray):
        if gray.shape[1] == 40:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
        return color(gray)

    tint.colorize = run_out_of_memory
    with pytest.raises(UserError, match="1 of 2 photographs"):
        color_files(tint, collect_jobs([str(tmp_path)], None))
    assert (tmp_path / "b_colorized.png").exists()
    assert f"skipped {tmp_path / 'a.png'}: too large for the memory" in caplog.text


def test_a_long_sheet_is_cut(tint, tmp_path, write_image, monkeypatch):
    monkeypatch.setattr("tfcolor.inference.batch.MAX_SHEET_ROWS", 2)
    for number in range(3):
        write_image(tmp_path / f"{number}.png")
    color_files(tint, collect_jobs([str(tmp_path)], str(tmp_path / "out")), str(tmp_path / "s.png"))
    assert Image.open(tmp_path / "s.png").height == HEADER + 2 * (CELL + GAP)
    assert len(_files(tmp_path / "out")) == 3
    assert MAX_SHEET_ROWS >= 10


def test_without_a_colored_photograph_there_is_no_sheet(tint, tmp_path):
    jobs = [Job(tmp_path / "missing.png", tmp_path / "out.png")]
    with pytest.raises(UserError, match="1 of 1"):
        color_files(tint, jobs, sheet=str(tmp_path / "sheet.png"))
    assert list(tmp_path.iterdir()) == []
