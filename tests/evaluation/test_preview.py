import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import FileSource, open_images
from tfcolor.evaluation.preview import MAX_SIDE, Preview, ReconstructionPreview
from tfcolor.inference.sheet import CELL, GAP, HEADER
from tfcolor.tasks.autoencoder import AutoencoderOptions, AutoencoderTask


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


@pytest.mark.parametrize("kind", ["gray", "color"])
def test_a_sheet_shows_reconstructions_from_every_entry(reader, kind):
    options = AutoencoderOptions(
        input=kind, crop_size=40, min_side=45, max_side=50, shortcuts=("conv2",)
    )
    task, factor = AutoencoderTask(options, {}), tf.Variable(0.5)

    def network(inputs, training):
        assert not training
        image = inputs["image"]
        return {"code_reconstruction": factor * image, "conv2_reconstruction": 1.5 - image}

    preview = ReconstructionPreview(network, task, reader)
    ((name, sheet),) = preview()
    assert name == "reconstructed"
    assert sheet.shape == (HEADER + 4 * (CELL + GAP), 3 * (CELL + GAP) + GAP, 3)
    middle = slice((CELL - 40) // 2, (CELL + 40) // 2)
    for row, position in enumerate((0, 1, 3, 4)):
        seen = task.make_center_example(tf.constant(reader.read(position)[0]))[0]["image"].numpy()
        for column, image in enumerate((seen, 0.5 * seen, np.clip(1.5 - seen, 0, 1))):
            shown = _cell(sheet, row, column)[middle, middle]
            assert np.abs(shown - 255 * image).max() <= 0.51
    factor.assign(0.25)
    ((_, later),) = preview()
    assert np.any(_cell(later, 0, 1) != _cell(sheet, 0, 1))
