import colorsys
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from skimage.color import rgb2lab

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs import OUTPUT_SPACES
from tfcolor.core.errors import UserError
from tfcolor.core.taps import Tap
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.hint_field import HintOptions
from tfcolor.inference.hints import (
    Hints,
    color_histograms,
    hinted_histograms,
    read_hint_image,
    read_hints,
    require_spreading,
)
from tfcolor.inference.loading import SavedColorizer
from tfcolor.inference.painting import Painter, SizeOptions

WITH_HISTOGRAMS = [name for name in OUTPUT_SPACES if OUTPUT_SPACES[name]().histograms]
SKY = (70, 110, 160)


class Scene(Colorizer):
    """A network that sees two halves and finds almost no color in either."""

    def __init__(self, space, size=SizeOptions(min_side=1)):  # noqa: B008
        tf.Module.__init__(self)
        self.painter = Painter(space, size, Tap("grid", 4, 1.5))

    def describe(self, gray):
        rows, columns = -(-gray.shape[1] // 4), -(-gray.shape[2] // 4)
        random_numbers = np.random.default_rng(0)
        features = random_numbers.normal(0, 0.05, (1, rows, columns, 3))
        features[:, :, columns // 2 :] += 5.0
        predictions = {}
        dull = {
            name: value.numpy() for name, value in self.painter.space.labels([[0.5] * 3]).items()
        }
        for name, size in self.painter.space.histograms.items():
            probs = random_numbers.dirichlet(np.full(size, 5.0), (1, rows, columns))
            predictions[name] = tf.constant(
                0.3 * probs + 0.7 * np.eye(size)[dull[name]], tf.float32
            )
        return predictions, tf.constant(features, tf.float32)


def _hints(pixels, rgb=SKY):
    colors = np.tile(np.float32(rgb) / 255, (len(pixels), 1))
    return Hints("hints", np.array(pixels), colors)


def _paint(scene, gray, predictions):
    return scene.painter.paint(gray, predictions, DecodingOptions())["rgb"].numpy()[0]


@pytest.fixture(params=WITH_HISTOGRAMS)
def scene(request):
    return Scene(OUTPUT_SPACES[request.param]())


GRAY = np.full((1, 64, 96, 1), 0.45, np.float32)


def test_a_hint_colors_its_region_and_no_other(scene):
    before = _paint(scene, GRAY, scene.describe(tf.constant(GRAY))[0])
    hints = _hints([(33, 18)])
    after = _paint(scene, GRAY, hinted_histograms(scene, tf.constant(GRAY), hints, HintOptions()))
    change = 255 * np.abs(after - before).mean(axis=-1)
    assert change[:, :40].mean() > 20
    assert change[:, 56:].mean() < 0.1  # the limit is 2 of 255
    np.testing.assert_allclose(after.mean(axis=-1), GRAY[0, ..., 0], atol=2e-6)


def test_a_hinted_pixel_has_its_color_to_bin_width(scene):
    hints = _hints([(row, column) for row in range(24, 40) for column in range(8, 24)])
    predictions = hinted_histograms(scene, tf.constant(GRAY), hints, HintOptions())
    color = _paint(scene, GRAY, predictions)[32, 16].astype(float)
    wanted = np.array(SKY) / 255
    if scene.painter.space.name == "hue_chroma":
        turns = [colorsys.rgb_to_hsv(*rgb)[0] for rgb in (color, wanted)]
        assert turns[0] == pytest.approx(turns[1], abs=1 / 32)
        assert np.ptp(color) == pytest.approx(np.ptp(wanted), abs=1 / 32)
    else:
        # Half of a cell of the 313 points, whose step is 10; the other bins are narrower.
        np.testing.assert_allclose(rgb2lab(color)[1:], rgb2lab(wanted)[1:], atol=5)


def test_the_pinned_cell_holds_the_color_alone(scene):
    hints = _hints([(33, 18)])
    predictions = hinted_histograms(scene, tf.constant(GRAY), hints, HintOptions())
    labels = scene.painter.space.labels(tf.constant(hints.rgb))
    for name, probs in predictions.items():
        assert probs.dtype == tf.float32
        np.testing.assert_allclose(np.sum(probs, axis=-1), 1, atol=1e-5)
        assert probs[0, 8, 4, int(labels[name][0])] >= 0.99


def test_hints_of_a_large_photograph_lie_where_the_network_saw_them():
    scene = Scene(OUTPUT_SPACES["hue_chroma"](), SizeOptions(min_side=1, max_side=96))
    gray = np.full((1, 128, 192, 1), 0.45, np.float32)
    options = HintOptions(decay=100.0)  # no other cell changes
    predictions = hinted_histograms(scene, tf.constant(gray), _hints([(127, 60)]), options)
    expected = int(scene.painter.space.labels(tf.constant([SKY]) / 255)["hue"][0])
    best = np.unravel_index(np.argmax(predictions["hue"][0, ..., expected]), (16, 24))
    assert best == (15, 7)


def test_gray_leaves_the_hue_as_predicted():
    scene = Scene(OUTPUT_SPACES["hue_chroma"]())
    predicted = scene.describe(tf.constant(GRAY))[0]
    hinted = hinted_histograms(
        scene, tf.constant(GRAY), _hints([(33, 18)], (90, 90, 90)), HintOptions()
    )
    np.testing.assert_allclose(hinted["hue"], predicted["hue"], atol=1e-6)
    assert hinted["chroma"][0, 8, 4, 0] >= 0.99


def test_hints_of_one_cell_are_averaged():
    space = OUTPUT_SPACES["hue_chroma"](4)
    rgb = np.float32([(0.9, 0.1, 0.1), (0.1, 0.9, 0.1), (0.1, 0.9, 0.1), (0.5, 0.5, 0.5)])
    places, colors = color_histograms(space, np.array([7, 2, 7, 7]), rgb)
    np.testing.assert_array_equal(places, [2, 7])
    np.testing.assert_allclose(colors["hue"], [[0, 1, 0, 0], [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(colors["chroma"], [[0, 0, 0, 1], [1 / 3, 0, 0, 2 / 3]])


def test_points_are_read(tmp_path):
    points = [
        {"row": 3, "column": 5, "rgb": [255, 51, 0]},
        {"row": 0, "column": 9, "rgb": "#33FF00"},
    ]
    (tmp_path / "hints.json").write_text(json.dumps(points))
    hints = read_hints(tmp_path / "hints.json")
    np.testing.assert_array_equal(hints.pixels, [(3, 5), (0, 9)])
    np.testing.assert_allclose(hints.rgb, [(1, 0.2, 0), (0.2, 1, 0)])
    hints.check("photo.png", (4, 10))


@pytest.mark.parametrize("point", ["a", {"row": 1, "column": 2}, {"column": 2, "rgb": "#123456"}])
def test_points_without_place_or_color_are_named(tmp_path, point):
    path = tmp_path / "hints.json"
    path.write_text(json.dumps([{"row": 1, "column": 1, "rgb": "#000000"}, point]))
    with pytest.raises(UserError, match=rf'{path}: hint 2 is .*: expected {{"row": 120'):
        read_hints(path)


@pytest.mark.parametrize("rgb", ["red", "#12345", [1, 2], [1, 2, 256], [1, 2, "3"], None])
def test_colors_that_are_none_are_named(tmp_path, rgb):
    (tmp_path / "hints.json").write_text(json.dumps([{"row": 1, "column": 1, "rgb": rgb}]))
    with pytest.raises(UserError, match=r"hint 1 has the rgb .* three numbers from 0 to 255 or"):
        read_hints(tmp_path / "hints.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected a list of hints"),
        ('{"row": 1}', "expected a list of hints"),
        (
            '[{"row": 1.5, "column": 2, "rgb": "#000000"}]',
            "hint 1 lies at [1.5, 2]: expected whole",
        ),
    ],
)
def test_other_files_are_user_errors(tmp_path, text, message):
    (tmp_path / "hints.json").write_text(text)
    with pytest.raises(UserError, match=re.escape(message)):
        read_hints(tmp_path / "hints.json")
    with pytest.raises(UserError, match=r"missing.json: no such file"):
        read_hints(tmp_path / "missing.json")


@pytest.mark.parametrize("pixel", [(-1, 0), (0, -1), (4, 0), (0, 10)])
def test_hints_outside_of_the_photograph_are_named(pixel):
    message = f"hints: row {pixel[0]}, column {pixel[1]} lies outside of a.png of 10x4 pixels"
    with pytest.raises(UserError, match=message):
        _hints([(1, 1), pixel]).check("a.png", (4, 10))


def test_opaque_pixels_of_an_image_are_hints(tmp_path):
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[1, 2] = 255, 0, 51, 255
    pixels[3, 5] = 0, 102, 0, 128
    pixels[0, 0] = 9, 9, 9, 127
    Image.fromarray(pixels).save(tmp_path / "strokes.png")
    hints = read_hint_image(tmp_path / "strokes.png")
    np.testing.assert_array_equal(hints.pixels, [(1, 2), (3, 5)])
    np.testing.assert_allclose(hints.rgb, [(1, 0, 0.2), (0, 0.4, 0)])
    hints.check("a.png", (4, 6))
    with pytest.raises(UserError, match=r"strokes.png: 6x4 pixels do not fit a.png of 4x6 pixels"):
        hints.check("a.png", (6, 4))


@pytest.mark.parametrize(
    ("channels", "message"), [(3, "no transparency; expected"), (4, "no opaque pixel; expected")]
)
def test_images_without_hints_are_user_errors(tmp_path, channels, message):
    Image.fromarray(np.zeros((4, 6, channels), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=message):
        read_hint_image(tmp_path / "a.png")


def test_hints_need_histograms():
    require_spreading(OUTPUT_SPACES["lab_joint"]())
    with pytest.raises(UserError, match="predicts lab_values, which has none"):
        require_spreading(OUTPUT_SPACES["lab_values"]())


@pytest.mark.parametrize("is_export", [False, True])
def test_networks_and_exports_take_hints(is_export, tiny_colorizer, colorizer_export):
    colorizer = SavedColorizer(colorizer_export) if is_export else tiny_colorizer
    gray = tf.random.stateless_uniform([1, 33, 47, 1], [0, 1], 0.2, 0.8)
    plain = colorizer.histograms(colorizer.painter.shrink(gray))
    hinted = hinted_histograms(colorizer, gray, _hints([(20, 30)]), HintOptions())
    assert {name: value.shape for name, value in hinted.items()} == {
        name: value.shape for name, value in plain.items()
    }
    assert np.abs(hinted["hue"] - plain["hue"]).max() > 0.1
