import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import map_coordinates

from tfcolor.core.errors import UserError
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.builtin_depth import open_depth_scenes
from tfcolor.evaluation import depth
from tfcolor.evaluation.depth import (
    DepthEvaluationOptions,
    DepthPredictor,
    DepthProtocol,
    predict_depth,
)
from tfcolor.evaluation.reports import Reports
from tfcolor.metrics.depth import DEPTH_MEASURES, DepthMetric
from tfcolor.models.network import Network

OPTIONS = {
    "side": 0,
    "crop_height": 32,
    "crop_width": 40,
    "channels": (8, 4),
    "mean_depth": 3.5,
    "cell_size": 2,
}


@pytest.fixture(scope="module")
def trained(build_trained):
    return _trained(build_trained)


def _trained(build_trained, **options):
    """A network of random weights with most of its predictions in front of the camera."""
    trained = build_trained("depth", {**OPTIONS, **options})
    trained.network.head.last.bias.assign([OPTIONS["mean_depth"]])
    return trained


@pytest.fixture(scope="module")
def reader():
    return ExampleReader(open_depth_scenes("depth_scenes:heldout:4"), cache_bytes=10**7)


def _photo(height, width):
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


def test_pixels_are_predicted_as_in_training(trained):
    image = _photo(45, 61)
    predicted = DepthPredictor(trained).depth(image, (45, 61))
    assert predicted.shape == (45, 61)
    compared = trained.network({"image": tf.constant(image[None] / 255, tf.float32)})["map"][0]
    np.testing.assert_allclose(
        predicted[::2, ::2], np.maximum(compared, 1e-3), rtol=1e-4, atol=1e-4
    )


class _Enlarged(tf.keras.layers.Layer):
    """Stands between a backbone and its head."""

    def call(self, features, training=False):
        return {name: 1000 * value for name, value in features.items()}


def test_the_head_reads_what_it_was_trained_on(trained):
    """A regression: lasso mixtures were left out, and the network was half as good."""
    whole = Network(trained.network.backbone, trained.network.head, head_input=_Enlarged())
    image = _photo(32, 40)
    predicted = DepthPredictor(dataclasses.replace(trained, network=whole)).depth(image, (32, 40))
    compared = whole({"image": tf.constant(image[None] / 255, tf.float32)})["map"][0]
    np.testing.assert_allclose(
        predicted[::2, ::2], np.maximum(compared, 1e-3), rtol=1e-4, atol=1e-4
    )
    assert np.abs(predicted - DepthPredictor(trained).depth(image, (32, 40))).max() > 0.1


def test_predictions_are_resized_to_the_truth_bilinearly(trained):
    image = _photo(30, 42)
    predictor = DepthPredictor(trained)
    own, larger = predictor.depth(image, (30, 42)), predictor.depth(image, (60, 63))
    rows, columns = (np.arange(60) + 0.5) / 2 - 0.5, (np.arange(63) + 0.5) / 1.5 - 0.5
    places = np.meshgrid(rows, columns, indexing="ij")
    expected = map_coordinates(own.astype(np.float64), places, order=1, mode="nearest")
    # Clipping and resizing do not commute where a prediction was below.
    is_inside = expected > 0.1
    assert is_inside.mean() > 0.5
    np.testing.assert_allclose(larger[is_inside], expected[is_inside], atol=0.02)


def test_images_are_seen_at_the_scale_of_the_training(build_trained):
    small, by_itself = _trained(build_trained, side=24), _trained(build_trained)
    image = _photo(48, 64)
    halved = tf.image.resize(image / 255, (24, 32), antialias=True)
    pixels = np.uint8(np.round(255 * np.clip(halved, 0, 1)))
    expected = DepthPredictor(by_itself).depth(pixels, (48, 64))
    found = DepthPredictor(small).depth(image, (48, 64))
    np.testing.assert_allclose(found, expected, atol=0.05 * expected.std())
    assert np.std(found - DepthPredictor(by_itself).depth(image, (48, 64))) > 0.1 * found.std()


def test_predictions_are_positive_and_ensembles_take_the_mean(build_trained):
    image = _photo(32, 40)
    predictors = [DepthPredictor(build_trained("depth", OPTIONS, seed)) for seed in (0, 1)]
    one, other = (predictor.depth(image, (32, 40)) for predictor in predictors)
    assert one.min() >= np.float32(1e-3)
    np.testing.assert_allclose(
        predict_depth(predictors, image, (32, 40)), (one + other) / 2, rtol=1e-6
    )


def _known(image, size):
    """A prediction that depends on the image: its green, at the size of the truth."""
    assert image.shape[:2] == size
    return 1 + image[..., 1] / 32


def _mean_of_others(depths, number):
    """The mean at each pixel; the protocol has it at every second."""
    others = np.delete(depths, number, axis=0)
    counts = (others > 0).sum(axis=0)
    return np.where(counts, others.sum(axis=0) / np.maximum(counts, 1), 3.5)


def test_measures_are_over_all_pixels_beside_those_of_the_mean(
    trained, reader, tmp_path, monkeypatch
):
    monkeypatch.setattr(depth, "predict_depth", lambda _, image, size: _known(image, size))
    reports = Reports(f"{tmp_path}/table.csv", f"{tmp_path}/figures")
    figures = DepthProtocol(DepthEvaluationOptions()).evaluate([trained], reader, reports)
    assert (figures["num_images"], figures["num_unreadable"]) == (4, 0)
    depths = np.stack([reader.source.depth_of(number) for number in range(4)])
    images = np.stack([reader.read(number)[0] for number in range(4)])
    assert figures["num_pixels"] == np.count_nonzero(depths)
    for name in DEPTH_MEASURES:
        metric, constant = DepthMetric(name), DepthMetric(name)
        metric.update_state(depths, 1 + images[..., 1] / 32)
        constant.update_state(depths, np.full(depths.shape, 3.5))
        assert figures[name] == pytest.approx(float(metric.result()))
        assert figures["mean_predictor"][name] == pytest.approx(float(constant.result()))
        means = DepthMetric(name)
        for number in range(4):
            means.update_state(depths[number], _mean_of_others(depths, number))
        assert figures["mean_map_predictor"][name] == pytest.approx(float(means.result()), rel=0.1)
        low, high = figures["intervals"][name]
        assert low <= figures[name] <= high
    assert figures["mean_depth"] == 3.5
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 5
    files = {path.name for path in (tmp_path / "figures").iterdir()}
    assert files == {"depth_maps.png", "errors_by_depth.png"}


def test_a_network_is_asked_for_every_pixel(trained, reader):
    protocol = DepthProtocol(DepthEvaluationOptions(num_images=1))
    figures = protocol.evaluate([trained], reader)
    assert figures["num_images"] == 1
    assert figures["num_pixels"] == np.count_nonzero(reader.source.depth_of(0))
    assert 0 < figures["mae"] < 1000


def test_other_images_are_refused(trained, labelled_squares):
    with pytest.raises(UserError, match="has no depth: name images as"):
        DepthProtocol(DepthEvaluationOptions()).evaluate([trained], labelled_squares)
