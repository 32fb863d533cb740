import numpy as np
import pytest

from tfcolor.core.errors import UsageError
from tfcolor.data.scene_views import padded_scene
from tfcolor.evaluation.dense_prediction import DensePredictor

VGG = {"backbone": "vgg16", "width_multiplier": 1 / 32}
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
    logits = DensePredictor(trained, grid_stride=grid_stride).logits(image).numpy()
    assert logits.shape == (75, 101, 5)
    scene, offset = (one.numpy() for one in padded_scene(image, 128, 128))
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


def test_canvas_is_the_next_multiple_of_every_stride(build_trained):
    trained = build_trained("segmentation", OPTIONS, **VGG)
    predictor = DensePredictor(trained)
    assert [predictor.canvas_side(side) for side in (1, 128, 129, 500)] == [128, 128, 256, 512]
    predictor = DensePredictor(trained, size=320)
    assert [predictor.canvas_side(side) for side in (1, 320, 321, 500)] == [320, 320, 384, 512]
    with pytest.raises(UsageError, match=r"size=300: expected a multiple of 32"):
        DensePredictor(trained, size=300)
    wide = build_trained("segmentation", OPTIONS, num_blocks=3, **VGG)
    assert DensePredictor(wide).canvas_side(129) == 256
    assert DensePredictor(wide).canvas_side(100) == 256
