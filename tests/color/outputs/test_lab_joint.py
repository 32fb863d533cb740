import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfcolor.color.decoding import DecodingOptions
from tfcolor.color.gamut import GAMUT_POINTS
from tfcolor.color.outputs.base import TargetOptions
from tfcolor.color.outputs.lab_joint import LabGamut, LabJoint
from tfcolor.core.errors import UsageError


def _probs(size, *shape):
    return np.random.default_rng(0).dirichlet(np.full(size, 0.1), shape).astype(np.float32)


def test_joint_points_are_all_pairs_of_centers():
    centers = 25 * scipy.stats.norm.ppf((np.arange(16) + 0.5) / 16)
    space = LabJoint()
    assert space.histograms == {"ab": 256}
    for index in (0, 15, 16, 100, 255):
        expected = centers[index // 16], centers[index % 16]
        np.testing.assert_allclose(space.points[index], expected, rtol=1e-5)


@pytest.mark.parametrize("space", [LabJoint(6), LabGamut()])
def test_statistics_agree_with_numpy(space):
    size = space.histograms["ab"]
    probs = _probs(size, 1, 4, 3)
    mean, uncertainty = space.decode({"ab": probs}, DecodingOptions())
    np.testing.assert_allclose(mean, probs @ space.points, atol=1e-4)
    shares = scipy.stats.entropy(probs, axis=-1) / np.log(size)
    expected = shares * np.minimum(np.linalg.norm(mean, axis=-1) / 128, 1)
    np.testing.assert_allclose(uncertainty, expected, atol=1e-5)
    best, _ = space.decode({"ab": probs}, DecodingOptions(lab="mode"))
    np.testing.assert_array_equal(best, space.points[probs.argmax(-1)])


def test_the_annealed_mean_is_between_mean_and_mode():
    space, probs = LabGamut(), _probs(313, 1, 1, 1)
    posterior = space.posteriors({"ab": tf.constant(probs)}, DecodingOptions())["ab"].numpy()
    expected = probs.astype(np.float64) ** (1 / 0.38)
    np.testing.assert_allclose(posterior, expected / expected.sum(), atol=1e-6)


def test_the_plane_has_no_median():
    with pytest.raises(UsageError, match="--decoding_lab=median: expected expectation or mode"):
        LabGamut().decode({"ab": _probs(313, 1, 1, 1)}, DecodingOptions(lab="median"))


def test_sampling_takes_points_of_the_histogram():
    probs = np.zeros((1, 5, 5, 313), np.float32)
    probs[..., [3, 200]] = 0.5
    options = DecodingOptions(sampling="pixelwise")
    drawn, _ = LabGamut().decode({"ab": tf.constant(probs)}, options)
    points = {tuple(point) for point in drawn.numpy().reshape(-1, 2)}
    assert points == {tuple(np.float32(GAMUT_POINTS[index])) for index in (3, 200)}


def test_gray_photographs_weigh_nothing_and_rare_colors_more():
    weights = tuple(np.linspace(0.1, 3, 313))
    options = TargetOptions(class_weights=weights)
    rgb = np.full((4, 5, 3), 0.5, np.float32)
    locations = tf.constant([[0.0, 0.0], [2.0, 3.0]])
    np.testing.assert_array_equal(LabGamut().make_targets(rgb, locations, options)["ab_weight"], 0)
    rgb[2, 3] = [1.0, 0.0, 0.0]
    actual = LabGamut().make_targets(rgb, locations, options)["ab_weight"].numpy()
    # Index of gray, and of the point nearest to red (pretext.md, G1).
    np.testing.assert_allclose(actual, [weights[120], weights[283]], rtol=1e-6)


def test_bias_of_gray_is_zero():
    bias = LabGamut().rotated_bias(0.0, 2.0)["ab"]
    assert bias[120] == 0
    angles = np.arctan2(LabGamut().points[:, 1], LabGamut().points[:, 0])
    expected = 2 * np.cos(angles)
    np.testing.assert_allclose(np.delete(bias, 120), np.delete(expected, 120), atol=1e-5)
