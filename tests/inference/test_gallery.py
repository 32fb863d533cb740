import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.images import Photograph
from tfcolor.inference.gallery import SheetGallery
from tfcolor.inference.jobs import Job
from tfcolor.inference.photographs import ColoredPhotograph
from tfcolor.inference.sheet import CELL, GAP, HEADER

JOBS = [Job(Path(f"{name}.jpg"), Path(f"out/{name}.png")) for name in "abc"]


def _colored(color, height=300):
    pixels = np.full((height, 40, 3), 90, np.uint8)
    rgb = np.full((height, 40, 3), color, np.uint8)
    photograph = Photograph("a", pixels, None, "PNG")
    return ColoredPhotograph(photograph, rgb, np.zeros((height, 40), np.uint8), 0.0)


def _pixel(sheet, row, column):
    top, left = HEADER + row * (CELL + GAP), GAP + column * (CELL + GAP)
    return np.asarray(sheet)[top + CELL // 2, left + CELL // 2].tolist()


def test_rows_stand_in_the_order_of_the_jobs_and_samples_side_by_side(tmp_path):
    gallery = SheetGallery(tmp_path / "sheet.png", JOBS)
    for job, colors in ((JOBS[2], [(10, 90, 170), (170, 90, 10)]), (JOBS[0], [(80, 90, 100)] * 2)):
        for index, color in enumerate(colors):
            gallery.show(job, index, _colored(color))
    gallery.write()
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.size == (4 * (CELL + GAP) + GAP, HEADER + 2 * (CELL + GAP))
    assert [_pixel(sheet, 0, column) for column in range(3)] == [[90] * 3, *[[80, 90, 100]] * 2]
    assert [_pixel(sheet, 1, column) for column in (1, 2)] == [[10, 90, 170], [170, 90, 10]]
    assert os.listdir(tmp_path) == ["sheet.png"]


def test_a_long_sheet_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr("tfcolor.inference.gallery.MAX_SHEET_ROWS", 2)
    gallery = SheetGallery(tmp_path / "sheet.png", JOBS)
    assert [gallery.needs(job) for job in JOBS] == [True, True, False]
    for job in JOBS:
        gallery.show(job, 0, _colored(50))
    gallery.write()
    assert Image.open(tmp_path / "sheet.png").height == HEADER + 2 * (CELL + GAP)


def test_without_a_colored_photograph_there_is_no_sheet(tmp_path):
    SheetGallery(tmp_path / "sheet.png", JOBS).write()
    assert os.listdir(tmp_path) == []


def test_a_sheet_that_cannot_be_written_is_an_error_of_the_user(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*s\.png"):
        SheetGallery(tmp_path / "file/s.png", JOBS)
    (tmp_path / "sheet.png").mkdir()
    gallery = SheetGallery(tmp_path / "sheet.png", JOBS)
    gallery.show(JOBS[0], 0, _colored(50))
    with pytest.raises(UserError, match=r"cannot write .*sheet\.png: Is a directory"):
        gallery.write()
