import numpy as np
import pytest

from tfcolor.data.scene_views import padded_scene
from tfcolor.evaluation.dense_prediction import DensePredictor

OPTIONS = {"num_classes": 5, "hidden_units": 8, "crop_size": 64, "edge": 8}


def _photo(height, width):
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("settings", "grid_stride"),
    [
        ({"tap_alignment": "zero"}, 4),
        ({"width_multiplier": 0.1, "num_blocks": 2}, 1),
    ],
)
def test_dense_logits_are_those_of_the_sparse_head(build_trained, settings, grid_stride):
    trained = build_trained("segmentation", {**OPTIONS, "input": "color"}, **settings)
    image = _photo(75, 101)
    logits = DensePredictor(trained, size=90, grid_stride=grid_stride).logits(image).numpy()
    assert logits.shape == (75, 101, 5)
    scene, offset = (one.numpy() for one in padded_scene(image, 90, 101))
    places = np.stack(np.mgrid[:75, :101], axis=-1).reshape(-1, 2)
    places = places[((places + offset) % grid_stride == 0).all(axis=1)]
    places = np.random.default_rng(1).choice(places, 40)
    inputs = {"image": scene[None], "locations": (places + offset)[None].astype(np.float32)}
    sparse = trained.network(inputs)["class_logits"][0].numpy()
    assert np.ptp(sparse) > 0.1
    scale = np.abs(sparse).max()
    np.testing.assert_allclose(logits[tuple(places.T)] / scale, sparse / scale, atol=1e-5)


def test_pixels_between_grid_cells_are_interpolated(build_trained):
    trained = build_trained("segmentation", OPTIONS, tap_alignment="zero")
    logits = DensePredictor(trained).logits(_photo(64, 128)).numpy()
    middle = (logits[8:56:8, ::8] + logits[8:56:8, 4::8]) / 2
    np.testing.assert_allclose(logits[8:56:8, 2::8], middle, atol=1e-4 * np.abs(logits).max())


def test_only_photographs_smaller_than_the_crops_of_training_are_padded(build_trained):
    trained = build_trained("segmentation", OPTIONS)
    image = _photo(50, 80)
    scene, offset = (one.numpy() for one in padded_scene(image, 64, 80))
    by_itself = DensePredictor(trained).logits(image).numpy()
    whole = DensePredictor(trained).logits(np.uint8(np.round(255 * scene))).numpy()
    np.testing.assert_allclose(by_itself, whole[offset[0] : offset[0] + 50], atol=1e-5)
    wider = DensePredictor(trained, size=96).logits(image).numpy()
    assert np.abs(wider - by_itself).max() > 1e-3 * np.abs(whole).max()
