import numpy as np
import pytest
import scipy.stats
import skimage.color

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.outputs.base import TargetOptions
from tfcolor.color.outputs.lab import LabMarginals, LabValues, saturation


@pytest.fixture
def rgb():
    return np.random.default_rng(0).uniform(0, 1, (6, 9, 3)).astype(np.float32)


def test_values_are_those_of_scikit_image(rgb):
    places = [[0, 0], [5, 8], [2, 3]]
    targets = LabValues().make_targets(rgb, np.float32(places), TargetOptions())
    expected = skimage.color.rgb2lab(rgb)[tuple(np.transpose(places))][:, 1:] / 25
    np.testing.assert_allclose(targets["ab"], expected, atol=1e-4)


def test_difference_keeps_l_star_of_gray_inside_the_gamut():
    gray, ab = np.array([[0.5]]), np.array([[12.0, -9.0]])
    difference = LabValues().to_difference(ab, gray).numpy()
    lightness = skimage.color.rgb2lab(np.full(3, 0.5))[0]
    expected = skimage.color.lab2rgb(np.array([lightness, 12.0, -9.0]))
    np.testing.assert_allclose(difference[0], expected - expected.mean(), atol=1e-6)


def test_marginal_bins_are_quantiles(rgb):
    labels = LabMarginals(32).labels(rgb)
    lab = skimage.color.rgb2lab(rgb.astype(np.float64))
    for channel, name in ((1, "a"), (2, "b")):
        expected = np.minimum((scipy.stats.norm.cdf(lab[..., channel] / 25) * 32).astype(int), 31)
        assert np.mean(labels[name] != expected) < 0.04  # float32 on an edge


@pytest.mark.parametrize("statistic", ["expectation", "mode", "median"])
def test_marginals_are_decoded_each_by_itself(statistic):
    space = LabMarginals(8)
    probs = np.random.default_rng(1).dirichlet(np.full(8, 0.4), (2, 1, 3, 5))
    centers = 25 * scipy.stats.norm.ppf((np.arange(8) + 0.5) / 8)
    expected = {
        "expectation": probs @ centers,
        "mode": centers[probs.argmax(-1)],
        "median": centers[(np.cumsum(probs, -1) >= 0.5).argmax(-1)],
    }[statistic]
    options = DecodingOptions(lab=statistic)
    ab, uncertainty = space.decode({"a": probs[0], "b": probs[1]}, options)
    np.testing.assert_allclose(ab, np.stack(list(expected), axis=-1), atol=1e-9)
    shares = scipy.stats.entropy(probs, axis=-1).mean(axis=0) / np.log(8)
    np.testing.assert_allclose(uncertainty, shares * saturation(ab), atol=1e-9)


def test_bias_favors_one_side_of_the_plane():
    bias = LabMarginals(8).rotated_bias(0.25, 1.5)
    np.testing.assert_allclose(bias["a"], 0, atol=1e-6)
    assert bias["b"][-1] == pytest.approx(1.5) and bias["b"][0] == pytest.approx(-1.5)
    assert LabValues().rotated_bias(0.25, 1.5) == {}
