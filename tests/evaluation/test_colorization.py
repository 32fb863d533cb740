import colorsys
import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs.hue_chroma import HueChroma
from tfcolor.color.outputs.lab import LabValues
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.taps import Tap
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import FileSource, open_images
from tfcolor.evaluation.colorization import ColorizationEvaluationOptions, ColorizationProtocol
from tfcolor.evaluation.subsets import SUBSETS, Subset, select_images
from tfcolor.inference.painting import Painter, SizeOptions

FIGURES = {
    "num_images",
    "psnr_db",
    "psnr_db_interval",
    "psnr_db_geometric",
    "rmse_alphabeta",
    "rmse_alphabeta_eps",
    "rmse_alphabeta_eps_0.05",
    "ssim",
    "colorfulness",
    "nll",
    "nll_chroma",
    "nll_hue",
    "median_error_alphabeta",
    "calibration_error_chroma",
    "calibration_error_hue",
}


class _KnownColorizer:
    """Gives the true colors, and fixed random histograms on a grid of pixels."""

    def __init__(self, photos, num_bins=4):
        self.painter = Painter(HueChroma(num_bins), SizeOptions(1, 10_000), Tap("grid", 1, 0.0))
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
    assert set(figures) == {name for name in FIGURES if not name.endswith(("_hue", "_chroma"))}
    assert figures["psnr_db"] == pytest.approx(np.mean(decibels), abs=1e-4)
    rmse = np.sqrt(np.mean(np.concatenate(squares)))
    assert figures["rmse_alphabeta"] == pytest.approx(rmse, rel=1e-4)
    assert figures["rmse_alphabeta_eps"] == 0.01
    assert figures["colorfulness"] == pytest.approx(0, abs=1e-3)
    assert figures["num_images"] == 6


def test_the_baseline_has_no_likelihood(reader):
    figures = _evaluate(None, reader)
    assert figures["nll"] is None


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
    assert all(np.all(np.isfinite(value)) for value in figures.values())


def test_intervals_and_geometric_mean_are_those_of_the_images(reader, pictures):
    figures = _evaluate(None, reader)
    decibels = []
    for picture in pictures:
        rgb = picture / 255
        decibels.append(-10 * np.log10(np.mean((rgb - rgb.mean(axis=-1, keepdims=True)) ** 2)))
    low, high = figures["psnr_db_interval"]
    assert min(decibels) < low < np.mean(decibels) < high < max(decibels)
    geometric = np.prod(decibels) ** (1 / len(decibels))
    assert figures["psnr_db_geometric"] == pytest.approx(geometric, rel=1e-5)


class _PredictingColorizer:
    """Predicts the same histograms everywhere, and leaves photographs gray."""

    def __init__(self):
        self.painter = Painter(HueChroma(8), SizeOptions(1, 10_000), Tap("grid", 4, 1.5))

    def colorize(self, gray):
        return {"rgb": tf.repeat(gray, 3, axis=-1)}

    def histograms(self, gray):
        shape = [1, -(-gray.shape[1] // 4), -(-gray.shape[2] // 4)]
        # Hue 0.06 is likely, and chroma 0.19: the network paints all in red.
        hue, chroma = [0.3] + [0.1] * 7, [0.1, 0.6] + [0.05] * 6
        return {
            "hue": tf.broadcast_to(tf.constant(hue), [*shape, 8]),
            "chroma": tf.broadcast_to(tf.constant(chroma), [*shape, 8]),
        }


def test_the_true_histogram_makes_a_constant_prediction_better(tmp_path):
    green = np.random.default_rng(3).uniform(60, 150, (24, 32, 1)) * [0.7, 1.2, 0.8]
    Image.fromarray(green.astype(np.uint8)).save(tmp_path / "green.png")
    reader = ExampleReader(open_images(str(tmp_path)))
    decibels = {}
    for histogram in ("none", "energy", "quantile"):
        options = ColorizationEvaluationOptions(histogram=histogram)
        protocol = ColorizationProtocol(options, DecodingOptions())
        decibels[histogram] = protocol.evaluate(_PredictingColorizer(), reader)["psnr_db"]
    assert decibels["energy"] > decibels["none"] + 5
    assert decibels["quantile"] > decibels["none"]


def test_without_a_decoding_the_colorizer_decodes_by_its_own(reader):
    gray = _evaluate(None, reader)
    assert _evaluate(_PredictingColorizer(), reader)["psnr_db"] == gray["psnr_db"]
    protocol = ColorizationProtocol(ColorizationEvaluationOptions(), DecodingOptions())
    assert protocol.evaluate(_PredictingColorizer(), reader)["psnr_db"] != gray["psnr_db"]


def test_draws_are_compared_with_each_other(reader, monkeypatch):
    monkeypatch.setitem(SUBSETS, "sun_a", Subset(3, num_draws=4))
    figures = _evaluate(None, reader, subset="sun_a", subset_seed=1)
    drawn = select_images(SUBSETS["sun_a"], reader, 1)
    assert figures["num_images"] == len({position for draw in drawn for position in draw})
    means = [np.mean([_gray_decibels(reader, position) for position in draw]) for draw in drawn]
    statistics = figures["over_draws"]["psnr_db"]
    assert statistics["mean"] == pytest.approx(np.mean(means), rel=1e-5)
    assert statistics["std"] == pytest.approx(np.std(means, ddof=1), rel=1e-3)


def _gray_decibels(reader, position):
    rgb = reader.read(position)[0] / 255
    return -10 * np.log10(np.mean((rgb - rgb.mean(axis=-1, keepdims=True)) ** 2))


@pytest.mark.parametrize(
    ("space", "options", "message"),
    [
        (LabValues(), {"histogram": "energy"}, "lab_values, which has no histograms"),
        (None, {"histogram": "energy"}, "histogram=energy: expected none for the baseline"),
        (None, {"histogram": "quantile"}, "histogram=quantile: expected none for the baseline"),
        (None, {"subset": "sun_a", "num_images": 3}, "num_images=3: expected 0"),
    ],
)
def test_options_that_do_not_fit_are_usage_errors(reader, space, options, message):
    colorizer = None
    if space is not None:
        colorizer = _PredictingColorizer()
        colorizer.painter = dataclasses.replace(colorizer.painter, space=space)
    with pytest.raises(UsageError, match=message):
        _evaluate(colorizer, reader, **options)


def test_a_subset_without_a_readable_image_is_an_error(tmp_path, photos):
    (tmp_path / "a.png").write_bytes(b"no image")
    reader = ExampleReader(FileSource([tmp_path / "a.png", *sorted(photos.iterdir())]))
    with pytest.raises(UserError, match="none of the 1 images chosen"):
        _evaluate(None, reader, num_images=1)
