import io
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.backbones import BACKBONES
from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.lightness import quantize_rgb
from tfcolor.color.outputs.lab import LabValues
from tfcolor.data.images import read_photograph
from tfcolor.heads.histogram import HistogramHead
from tfcolor.inference.colorizer import Colorizer
from tfcolor.inference.painting import SizeOptions
from tfcolor.inference.photographs import gray_batch
from tfcolor.models.network import Network
from tfcolor.savedmodel.served import ServedColorizer


def _pixels(content):
    picture = Image.open(io.BytesIO(content))
    assert picture.format == "PNG"
    return np.asarray(picture).astype(int)


def _gray(content):
    return tf.constant(gray_batch(read_photograph(content)))


@pytest.fixture(scope="module")
def files(encode_image):
    random_numbers = np.random.default_rng(0)
    color, other = (
        random_numbers.integers(0, 256, shape).astype(np.uint8) for shape in ((20, 31, 3), (44, 7))
    )
    return [
        encode_image(color, "PNG"),
        encode_image(color[:9], "JPEG"),
        encode_image(other, "PNG"),
        encode_image(color, "PNG", "RGBA"),
        encode_image(color, "JPEG", "CMYK"),
        encode_image(other, "BMP"),
    ]


def test_encoded_photographs_of_mixed_sizes_and_formats(loaded, tiny_colorizer, files):
    outputs = loaded.signatures["serving_default"](image_bytes=tf.constant(files))
    for index, (content, source) in enumerate(
        zip(outputs["image_bytes"].numpy(), files, strict=True)
    ):
        expected = quantize_rgb(tiny_colorizer.colorize(_gray(source))["rgb"][0]).numpy()
        actual = _pixels(content)
        assert actual.shape == expected.shape
        # Pillow and TensorFlow round CMYK differently.
        assert np.abs(actual - expected).max() <= (8 if index == 4 else 1)


def test_a_broken_image_does_not_take_its_neighbors_with_it(loaded, files, broken_images):
    signature = loaded.signatures["serving_default"]
    alone = signature(image_bytes=tf.constant(files[:1]))["image_bytes"][0].numpy()
    batch = [content for broken in broken_images.values() for content in (broken, files[0])]
    answers = signature(image_bytes=tf.constant(batch))["image_bytes"].numpy()
    assert set(answers[::2]) == {b""}
    assert set(answers[1::2]) == {alone}


def test_an_empty_batch_is_answered_by_one(loaded):
    outputs = loaded.signatures["serving_default"](image_bytes=tf.zeros([0], tf.string))
    assert outputs["image_bytes"].shape == [0]


def _sample(loaded, files, seeds, temperatures):
    answers = loaded.signatures["sample"](
        image_bytes=tf.constant(files),
        seed=tf.constant(seeds, tf.int32),
        temperature=tf.constant(temperatures, tf.float32),
    )
    return list(answers["image_bytes"].numpy())


def test_samples_are_those_of_the_command(loaded, tiny_colorizer, files):
    (actual,) = _sample(loaded, files[:1], [7], [0])
    decoding = DecodingOptions(sampling="once", seed=7)
    painter, gray = tiny_colorizer.painter, _gray(files[0])
    predictions = tiny_colorizer.histograms(painter.shrink(gray))
    expected = quantize_rgb(painter.paint(gray, predictions, decoding)["rgb"][0]).numpy()
    assert np.abs(_pixels(actual) - expected).max() <= 1


def test_samples_depend_on_seed_and_temperature_alone(loaded, files):
    first, cold, other, again = _sample(loaded, files[:1] * 4, [1, 1, 2, 1], [1, 0.2, 1, 0])
    assert first == again  # the temperature of this colorizer is 1
    assert len({first, cold, other}) == 3
    assert _sample(loaded, [files[1], files[0]], [5, 1], [1, 1])[1] == first


def test_an_impossible_temperature_costs_its_own_photograph(loaded, files):
    wrong = [-1, np.nan, np.inf, 1]
    assert [bool(answer) for answer in _sample(loaded, files[:1] * 4, [1] * 4, wrong)] == [
        False,
        False,
        False,
        True,
    ]


def test_features_are_those_of_the_network_on_lightness(loaded, tiny_colorizer):
    rgb = np.random.default_rng(2).uniform(0, 1, (2, 17, 30, 3)).astype(np.float32)
    maps = loaded.signatures["features"](rgb=tf.constant(rgb))
    expected = tiny_colorizer.network.features(rgb.mean(axis=-1, keepdims=True))
    assert set(maps) == set(expected) - {"top"}
    for name, value in maps.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-4)


def test_every_string_is_answered_with_the_metadata(loaded, colorizer_export):
    answers = loaded.signatures["describe"](name=tf.constant([b"", b"x"]))["metadata"].numpy()
    text = (colorizer_export / "1/assets/metadata.json").read_bytes()
    assert list(answers) == [text, text]
    assert json.loads(text)["output_space"] == "hue_chroma"


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    """A colorizer that predicts values instead of histograms, from RGB, and it served."""
    kind = BACKBONES["alexnet"]
    backbone = kind(kind.Options(width_multiplier=1 / 32), input_channels=3, seed=0)
    head = HistogramHead({"fc7": backbone.taps(32, 32)["fc7"]}, {"ab": 2}, 4, seed=0)
    size = SizeOptions(min_side=8, max_side=16)
    colorizer = Colorizer(Network(backbone, head), LabValues(), DecodingOptions(), size)
    path = tmp_path_factory.mktemp("regression") / "metadata.json"
    path.write_text("{}")
    return colorizer, ServedColorizer(colorizer, "{}", str(path), 1000)


def test_without_histograms_samples_do_not_depend_on_the_seed(regression, files):
    colorizer, served = regression
    batch = tf.constant(files[:1] * 2), tf.constant([1, 2]), tf.constant([1.0, 0.5])
    first, second = served.sample(*batch)["image_bytes"].numpy()
    assert first == second
    expected = quantize_rgb(colorizer.colorize(_gray(files[0]))["rgb"][0]).numpy().astype(int)
    assert np.abs(_pixels(first) - expected).max() <= 1


def test_a_network_for_color_sees_color(regression):
    rgb = np.random.default_rng(2).uniform(0, 1, (1, 8, 9, 3)).astype(np.float32)
    colorizer, served = regression
    maps = served.features(tf.constant(rgb))
    assert maps["x"].shape == [1, 8, 9, 3]
    np.testing.assert_allclose(maps["fc7"], colorizer.network.features(rgb)["fc7"], atol=1e-5)
