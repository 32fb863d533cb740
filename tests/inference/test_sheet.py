import numpy as np
import pytest

from tfcolor.data.images import Photograph
from tfcolor.inference.photographs import ColoredPhotograph
from tfcolor.inference.sheet import (
    BACKGROUND,
    CELL,
    GAP,
    HEADER,
    build_sheet,
    colored_row,
    uncertainty_picture,
)


def _flat(color, height=20, width=30):
    return np.broadcast_to(np.uint8(color), (height, width, 3)).copy()


def test_a_row_shows_input_output_and_uncertainty():
    pixels = np.array([[[0, 0, 0], [50, 51, 52], [255, 255, 255]]], np.uint8)
    output = _flat((1, 2, 3), 1, 3)
    photograph = Photograph("a", pixels, None, "PNG")
    row = colored_row(ColoredPhotograph(photograph, output, np.zeros((1, 3), np.uint8), 0.0))
    assert list(row) == ["input", "output", "uncertainty"]
    np.testing.assert_array_equal(row["input"][0, :, 1], [0, 51, 255])
    np.testing.assert_array_equal(row["output"], output)
    assert {picture.shape for picture in row.values()} == {(1, 3, 3)}


def test_uncertainty_grows_brighter_up_to_a_half():
    values = np.array([[0.0, 0.1, 0.25, 0.4, 0.5, 0.9]], np.float32)
    brightness = uncertainty_picture(values).astype(int).sum(axis=-1)[0]
    assert brightness[0] < 10
    assert np.all(np.diff(brightness[:5]) > 0)
    assert brightness[5] == brightness[4]


def test_pictures_lie_in_rows_and_columns():
    colors = [[(255, 0, 0), (0, 255, 0)], [(0, 0, 255), (255, 255, 0)], [(9, 9, 9), (200, 9, 90)]]
    rows = [{"left": _flat(left), "right": _flat(right)} for left, right in colors]
    sheet = build_sheet(rows)
    assert sheet.shape == (HEADER + 3 * (CELL + GAP), 2 * (CELL + GAP) + GAP, 3)
    for index, row in enumerate(colors):
        for column, color in enumerate(row):
            top, left = HEADER + index * (CELL + GAP), GAP + column * (CELL + GAP)
            cell = sheet[top : top + CELL, left : left + CELL]
            np.testing.assert_array_equal(cell[CELL // 2, CELL // 2], color)
            is_shown = np.all(cell == color, axis=-1)
            assert is_shown.sum() == 20 * 30  # smaller pictures are not enlarged
            assert np.all(cell[~is_shown] == BACKGROUND)


def test_titles_stand_above_their_columns():
    sheet = build_sheet([{"one": _flat(0), "two": _flat(0)}])
    for column in range(2):
        left = GAP + column * (CELL + GAP)
        title = sheet[:HEADER, left : left + CELL]
        assert np.any(title != BACKGROUND)


def test_large_pictures_are_shrunk_to_a_cell():
    sheet = build_sheet([{"only": _flat((255, 0, 0), 2 * CELL, 4 * CELL)}])
    is_red = np.all(sheet == (255, 0, 0), axis=-1)
    rows, columns = np.nonzero(is_red)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (CELL // 2, CELL)


def test_a_sheet_needs_a_row():
    with pytest.raises(ValueError, match="got no rows"):
        build_sheet([])
