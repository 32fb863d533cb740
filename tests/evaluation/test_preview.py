import numpy as np
import pytest
from PIL import Image

from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import FileSource, open_images
from tfcolor.evaluation.preview import MAX_SIDE, Preview
from tfcolor.inference.sheet import CELL, GAP, HEADER


@pytest.fixture
def reader(photos):
    return ExampleReader(open_images(str(photos)))


def _cell(sheet, row, column):
    top, left = HEADER + row * (CELL + GAP), GAP + column * (CELL + GAP)
    return sheet[top : top + CELL, left : left + CELL]


def test_a_sheet_shows_four_photographs_beside_their_originals(tiny_colorizer, reader):
    ((name, sheet),) = Preview(tiny_colorizer, reader)()
    assert name == "colorized"
    assert sheet.dtype == np.uint8
    assert sheet.shape == (HEADER + 4 * (CELL + GAP), 4 * (CELL + GAP) + GAP, 3)
    for row, position in enumerate((0, 1, 3, 4)):
        original, _ = reader.read(position)
        height, width = original.shape[:2]
        top, left = (CELL - height) // 2, (CELL - width) // 2
        shown = _cell(sheet, row, 3)[top : top + height, left : left + width]
        np.testing.assert_array_equal(shown, original)
        gray = _cell(sheet, row, 0)[top : top + height, left : left + width]
        assert np.ptp(gray, axis=-1).max() == 0


def test_current_weights_are_shown(tiny_colorizer, reader):
    preview = Preview(tiny_colorizer, reader)
    ((_, before),) = preview()
    bias = tiny_colorizer.network.head.histograms["hue"].bias
    kept = bias.numpy()
    bias.assign(np.eye(8)[5] * 30)
    ((_, after),) = preview()
    bias.assign(kept)
    assert np.any(_cell(before, 0, 1) != _cell(after, 0, 1))
    np.testing.assert_array_equal(_cell(before, 0, 3), _cell(after, 0, 3))


def test_few_and_large_photographs(tiny_colorizer, tmp_path):
    Image.new("RGB", (3 * MAX_SIDE, MAX_SIDE), (200, 100, 50)).save(tmp_path / "wide.png")
    preview = Preview(tiny_colorizer, ExampleReader(FileSource([tmp_path / "wide.png"])))
    ((_, sheet),) = preview()
    assert sheet.shape[0] == HEADER + CELL + GAP
    is_shown = np.all(_cell(sheet, 0, 3) == (200, 100, 50), axis=-1)
    rows, columns = np.nonzero(is_shown)
    assert np.ptp(columns) + 1 == MAX_SIDE
    assert np.ptp(rows) + 1 == pytest.approx(MAX_SIDE / 3, abs=1)
