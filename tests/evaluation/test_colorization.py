import colorsys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.core.options import check_options
from tfcolor.core.taps import Tap
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import FileSource, open_images
from tfcolor.evaluation import PROTOCOLS
from tfcolor.evaluation.colorization import ColorizationEvaluationOptions, ColorizationProtocol
from tfcolor.inference.colorizer import SizeOptions

FIGURES = {
    "num_images",
    "psnr_db",
    "rmse_alphabeta",
    "rmse_alphabeta_eps",
    "rmse_alphabeta_eps_0.05",
    "ssim",
    "colorfulness",
    "nll",
    "nll_chroma",
    "nll_hue",
}


class _KnownColorizer:
    """Gives the true colors, and fixed random histograms on a grid of pixels."""

    size = SizeOptions(1, 10_000)
    grid = Tap("grid", 1, 0.0)

    def __init__(self, photos, num_bins=4):
        self.truths = {photo.shape[:2]: photo.astype(np.float32) / 255 for photo in photos}
        self.probs = {
            shape: {
                name: np.random.default_rng(len(name)).dirichlet(np.full(num_bins, 0.5), shape)
                for name in ("hue", "chroma")
            }
            for shape in self.truths
        }

    def colorize(self, gray):
        truth = self.truths[tuple(gray.shape[1:3])]
        return {"rgb": tf.constant(truth[None])}

    def histograms(self, gray):
        probs = self.probs[tuple(gray.shape[1:3])]
        return {name: tf.constant(value[None], tf.float32) for name, value in probs.items()}


@pytest.fixture
def pictures(photos):
    return [np.asarray(Image.open(path).convert("RGB")) for path in sorted(photos.iterdir())]


@pytest.fixture
def reader(photos):
    return ExampleReader(open_images(str(photos)), cache_bytes=10**7)


def _evaluate(colorizer, reader, **options):
    return ColorizationProtocol(ColorizationEvaluationOptions(**options)).evaluate(
        colorizer, reader
    )


def test_table_names_the_protocol():
    assert all(protocol.name == name for name, protocol in PROTOCOLS.items())
    check_options(ColorizationEvaluationOptions())


def test_gray_baseline_agrees_with_numpy(reader, pictures):
    figures = _evaluate(None, reader, eps=0.01)
    decibels, squares = [], []
    for picture in pictures:
        rgb = picture / 255
        gray = rgb.mean(axis=-1, keepdims=True)
        decibels.append(-10 * np.log10(np.mean((rgb - gray) ** 2)))
        red, green, blue = np.moveaxis(rgb, -1, 0)
        # Of gray, alpha and beta are 0.
        alpha_beta = np.stack([blue - (red + green) / 2, red - green], axis=-1) / (gray + 0.01)
        squares.append(alpha_beta.ravel() ** 2)
    assert set(figures) == FIGURES
    assert figures["psnr_db"] == pytest.approx(np.mean(decibels), abs=1e-4)
    rmse = np.sqrt(np.mean(np.concatenate(squares)))
    assert figures["rmse_alphabeta"] == pytest.approx(rmse, rel=1e-4)
    assert figures["rmse_alphabeta_eps"] == 0.01
    assert figures["colorfulness"] == pytest.approx(0, abs=1e-3)
    assert figures["num_images"] == 6


def test_the_baseline_has_no_likelihood(reader):
    figures = _evaluate(None, reader)
    assert [figures[name] for name in ("nll", "nll_chroma", "nll_hue")] == [None] * 3


def test_true_colors_are_perfect(reader, pictures):
    figures = _evaluate(_KnownColorizer(pictures), reader)
    assert set(figures) == FIGURES
    assert figures["psnr_db"] == pytest.approx(100.0)
    assert figures["rmse_alphabeta"] == pytest.approx(0.0, abs=1e-6)
    assert figures["ssim"] == pytest.approx(1.0)
    assert figures["colorfulness"] > 10


def test_likelihood_of_known_histograms_agrees_with_numpy(reader, pictures):
    colorizer = _KnownColorizer(pictures)
    figures = _evaluate(colorizer, reader)
    values = {"hue": [], "chroma": []}
    for picture in pictures:
        probs = colorizer.probs[picture.shape[:2]]
        for place in np.ndindex(picture.shape[:2]):
            rgb = picture[place] / 255
            chroma = np.ptp(rgb)
            values["chroma"].append(-np.log(probs["chroma"][place][min(int(4 * chroma), 3)]))
            if np.ptp(picture[place]) > 1:  # nearly gray pixels have no hue
                hue = colorsys.rgb_to_hsv(*rgb)[0]
                values["hue"].append(-np.log(probs["hue"][place][min(int(4 * hue), 3)]))
    for name, costs in values.items():
        # Colors on the edge of two bins fall on either side in float32.
        assert figures[f"nll_{name}"] == pytest.approx(np.mean(costs), rel=2e-3)
    assert figures["nll"] == pytest.approx(figures["nll_chroma"] + figures["nll_hue"])


def test_impossible_colors_have_a_finite_likelihood(reader, pictures):
    colorizer = _KnownColorizer(pictures)
    for probs in colorizer.probs.values():
        for name, value in probs.items():
            probs[name] = np.eye(4)[np.full(value.shape[:2], 3)]
    assert 10 < _evaluate(colorizer, reader)["nll"] < 200


def test_number_of_images_can_be_limited(reader, pictures):
    assert _evaluate(None, reader, num_images=2)["num_images"] == 2
    assert _evaluate(None, reader, num_images=100)["num_images"] == 6


@pytest.mark.parametrize("damaged", [0, 2, 5])
def test_unreadable_images_are_left_out(photos, tmp_path, damaged):
    paths = sorted(photos.iterdir())
    whole = [path for number, path in enumerate(paths) if number != damaged]
    (tmp_path / "damaged.png").write_bytes(b"no image")
    paths[damaged] = tmp_path / "damaged.png"
    figures = _evaluate(None, ExampleReader(FileSource(paths)))
    assert figures["num_images"] == 5
    assert figures == _evaluate(None, ExampleReader(FileSource(whole)))


def test_a_real_colorizer_is_measured(reader, tiny_colorizer):
    figures = _evaluate(tiny_colorizer, reader, num_images=2)
    assert all(np.isfinite(value) for value in figures.values())
