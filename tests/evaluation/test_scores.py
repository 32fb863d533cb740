import numpy as np
import pytest
import tensorflow as tf

from tfcolor.color.outputs.hue_chroma import HueChroma
from tfcolor.core.taps import Tap
from tfcolor.evaluation.scores import SECOND_EPS, ColorScores
from tfcolor.inference.painting import Painter, SizeOptions


def _colors(height, width, seed):
    return np.random.default_rng(seed).uniform(0.1, 0.9, (1, height, width, 3)).astype(np.float32)


def _squared_error(truth, colored, eps):
    def alpha_beta(rgb):
        red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
        lightness = (red + green + blue) / 3 + eps
        return np.stack([(blue - (red + green) / 2) / lightness, (red - green) / lightness])

    return np.mean((alpha_beta(truth) - alpha_beta(colored)) ** 2)


def _painter():
    return Painter(HueChroma(4), SizeOptions(1, 10_000), Tap("grid", 1, 0.0))


def _predictions(height, width, seed):
    random_numbers = np.random.default_rng(seed)
    return {
        name: tf.constant(random_numbers.dirichlet(np.ones(4), (1, height, width)), tf.float32)
        for name in ("hue", "chroma")
    }


def test_rows_are_those_of_single_photographs_and_figures_those_of_all():
    sizes = [(12, 17), (20, 13), (31, 16)]
    pairs = [(_colors(*size, seed), _colors(*size, seed + 9)) for seed, size in enumerate(sizes)]
    scores = ColorScores(0.01, None)
    for index, (truth, colored) in enumerate(pairs):
        scores.add(f"photograph {index}", tf.constant(truth), tf.constant(colored))
    total = pixels = 0.0
    for index, ((truth, colored), row) in enumerate(zip(pairs, scores.rows, strict=True)):
        assert row["image"] == f"photograph {index}"
        assert (row["height"], row["width"]) == sizes[index]
        decibels = -10 * np.log10(np.mean((truth - colored) ** 2))
        gray = truth.mean(axis=-1, keepdims=True)
        assert row["psnr_db"] == pytest.approx(decibels, rel=1e-5)
        assert row["psnr_db_gray"] == pytest.approx(
            -10 * np.log10(np.mean((truth - gray) ** 2)), rel=1e-5
        )
        for eps, name in ((0.01, "rmse_alphabeta"), (SECOND_EPS, "rmse_alphabeta_eps_0.05")):
            expected = np.sqrt(_squared_error(truth, colored, eps))
            assert row[name] == pytest.approx(expected, rel=1e-4)
        total += _squared_error(truth, colored, 0.01) * truth[..., 0].size
        pixels += truth[..., 0].size
    figures = scores.figures()
    assert figures["num_images"] == 3
    assert figures["rmse_alphabeta"] == pytest.approx(np.sqrt(total / pixels), rel=1e-4)
    assert figures["psnr_db"] == pytest.approx(np.mean([row["psnr_db"] for row in scores.rows]))


def test_likelihood_of_all_is_weighted_by_pixels():
    scores = ColorScores(0.01, _painter())
    counts = []
    for seed, (height, width) in enumerate([(12, 15), (24, 11)]):
        rgb = tf.constant(_colors(height, width, seed))
        scores.add("", rgb, rgb, _predictions(height, width, seed))
        counts.append(height * width)
    parts = [row["nll_chroma"] for row in scores.rows]
    assert parts[0] != pytest.approx(parts[1], rel=1e-3)
    figures = scores.figures()
    assert figures["nll_chroma"] == pytest.approx(np.average(parts, weights=counts))
    for row in (*scores.rows, figures):
        assert row["nll"] == pytest.approx(row["nll_hue"] + row["nll_chroma"])


def test_calibration_is_perfect_where_certainty_is_right():
    rgb = np.full((1, 12, 12, 3), [0.6, 0.2, 0.2])  # hue bin 0, chroma bin 1
    scores = ColorScores(0.01, _painter())
    probs = {"hue": np.eye(4)[0], "chroma": np.eye(4)[3]}
    predictions = {
        name: tf.constant(np.tile(row, (1, 12, 12, 1)), tf.float32) for name, row in probs.items()
    }
    scores.add("red", tf.constant(rgb, tf.float32), tf.constant(rgb, tf.float32), predictions)
    figures = scores.figures()
    assert figures["calibration_error_hue"] == pytest.approx(0, abs=1e-6)
    assert figures["calibration_error_chroma"] == pytest.approx(1, abs=1e-6)
