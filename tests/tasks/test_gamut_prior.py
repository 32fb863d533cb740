import numpy as np
import pytest
from PIL import Image

from tfcolor.color.gamut import GAMUT_POINTS
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import open_images
from tfcolor.tasks.gamut_prior import estimate_class_weights, estimate_prior


@pytest.fixture
def flat_reader(tmp_path):
    """Photographs of one color each, and a gray one."""
    for index, color in enumerate([(255, 0, 0), (255, 0, 0), (0, 0, 255), (90, 90, 90)]):
        Image.new("RGB", (40, 30), color).save(tmp_path / f"{index}.png")
    return ExampleReader(open_images(str(tmp_path)))


def test_prior_counts_colors_and_leaves_gray_photographs_out(flat_reader):
    prior = estimate_prior(flat_reader, 10)
    assert prior.sum() == pytest.approx(1)
    red = np.linalg.norm(GAMUT_POINTS - np.array([80.1, 67.2]), axis=1) < 25
    blue = np.linalg.norm(GAMUT_POINTS - np.array([79.2, -107.9]), axis=1) < 25
    assert prior[red].sum() == pytest.approx(2 / 3, abs=1e-5)
    assert prior[blue].sum() == pytest.approx(1 / 3, abs=1e-5)
    assert prior[120] == 0


def test_rare_colors_weigh_more_also_with_empty_bins(flat_reader):
    weights = np.array(estimate_class_weights(flat_reader, 10, 0.5))
    prior = estimate_prior(flat_reader, 10)
    assert np.all(np.isfinite(weights)) and np.all(weights > 0)
    assert np.sum(prior * weights) == pytest.approx(1)
    assert weights[265] > weights[283]  # blue is rarer than red
    np.testing.assert_allclose(estimate_class_weights(flat_reader, 10, 1.0), 1, rtol=1e-6)


def test_gray_photographs_alone_give_a_uniform_prior(tmp_path):
    Image.new("RGB", (20, 20), (40, 40, 40)).save(tmp_path / "gray.png")
    prior = estimate_prior(ExampleReader(open_images(str(tmp_path))), 5)
    np.testing.assert_allclose(prior, 1 / 313)
