import numpy as np
import pytest

from tfcolor.core.errors import UsageError
from tfcolor.data.labels import label_annotation
from tfcolor.evaluation.examples import LabelledImages
from tfcolor.evaluation.frozen_features import FrozenFeatures

OPTIONS = {"num_bins": 4, "hidden_units": 4, "crop_size": 32, "min_side": 32, "edge": 4}


@pytest.fixture(scope="module")
def trained(build_trained):
    return build_trained("colorization", OPTIONS)


def _images(reader, positions):
    return LabelledImages(reader, label_annotation(reader, 3), positions)


def _gray(reader, positions):
    images = np.stack([reader.read(position)[0] for position in positions])
    return images.mean(axis=-1, keepdims=True).astype(np.float32) / 255


def test_top_is_that_of_the_canonical_mode(trained, labelled_squares):
    positions = [4, 0, 7]
    found = FrozenFeatures(trained, batch_size=2).describe(_images(labelled_squares, positions))
    expected = trained.network.backbone(_gray(labelled_squares, positions), convolutional=False)
    assert list(found) == positions
    assert [label for _, label in found.values()] == [1, 0, 1]
    rows = np.stack([row for row, _ in found.values()])
    np.testing.assert_allclose(rows, expected["top"], rtol=1e-4, atol=1e-5)


def test_taps_are_averaged_over_the_image_and_joined(trained, labelled_squares):
    features = FrozenFeatures(trained, taps=("conv4b", "conv1"), size=40)
    found = features.describe(_images(labelled_squares, [1]))
    assert found[1][0].shape == (192 + 8,)
    features = FrozenFeatures(trained, taps=("conv4b", "conv1"), size=32)
    (row, _) = features.describe(_images(labelled_squares, [1]))[1]
    maps = trained.network.backbone(_gray(labelled_squares, [1]))
    expected = [maps[name].numpy().mean(axis=(0, 1, 2)) for name in ("conv4b", "conv1")]
    np.testing.assert_allclose(row, np.concatenate(expected), rtol=1e-4, atol=1e-5)


def test_unknown_taps_and_sizes_are_named(trained):
    with pytest.raises(UsageError, match="unknown tap 'conv9'; known: conv1, conv2"):
        FrozenFeatures(trained, taps=("conv9",))
    with pytest.raises(UsageError, match=r"size=48: .* images of 32 pixels; name taps"):
        FrozenFeatures(trained, size=48)


def test_maps_are_pooled_into_cells(trained, labelled_squares):
    features = FrozenFeatures(trained, taps=("conv2",), pooling="max", grid=3)
    (row, _) = features.describe(_images(labelled_squares, [1]))[1]
    (cells,) = trained.network.backbone(_gray(labelled_squares, [1]))["conv2"].numpy()
    bounds = [(0, 6), (5, 11), (10, 16)]
    expected = [
        cells[top:bottom, left:right].max(axis=(0, 1))
        for top, bottom in bounds
        for left, right in bounds
    ]
    np.testing.assert_allclose(row, np.concatenate(expected), rtol=1e-4, atol=1e-5)
