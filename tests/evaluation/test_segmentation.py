import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.special
import sklearn.metrics
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.label_maps import LabelMapSource
from tfcolor.evaluation import segmentation
from tfcolor.evaluation.reports import Reports
from tfcolor.evaluation.segmentation import (
    SegmentationEvaluationOptions,
    SegmentationProtocol,
    predict_labels,
)

NAMES = ("sky", "tree", "house", "boat")
OPTIONS = {"num_classes": 4, "hidden_units": 8, "crop_size": 64, "edge": 8, "taps": ("conv2",)}
SIZES = ((40, 52), (31, 17), (28, 45))


@pytest.fixture(scope="module")
def trained(build_trained):
    return build_trained("segmentation", OPTIONS)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Three images of different sizes with label maps; none shows a boat."""
    folder = tmp_path_factory.mktemp("scenes")
    random_numbers = np.random.default_rng(3)
    for number, size in enumerate(SIZES):
        pixels = random_numbers.integers(0, 256, (*size, 3), np.uint8)
        labels = random_numbers.choice([0, 1, 2, 255], size).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg", quality=95)
        Image.fromarray(labels).save(folder / f"map{number}.png")
    return folder


def _source(folder, names=NAMES):
    images = [folder / f"{number}.jpg" for number in range(3)]
    return LabelMapSource(images, [folder / f"map{number}.png" for number in range(3)], names)


def _predictions(image):
    """Returns labels that depend on the image: half of them right at best."""
    return np.minimum(image[..., 0] // 64, 2).astype(np.int64)


@pytest.fixture
def known_predictions(monkeypatch):
    """Predicts `_predictions` without a network."""
    monkeypatch.setattr(segmentation, "predict_labels", lambda _, image: _predictions(image))


def _evaluate(trained, source, reports=None, **options):
    protocol = SegmentationProtocol(SegmentationEvaluationOptions(**options))
    return protocol.evaluate([trained], ExampleReader(source), reports)


def test_scores_agree_with_scikit_learn(trained, scenes, tmp_path, known_predictions):
    source = _source(scenes)
    reports = Reports(f"{tmp_path}/table.csv", f"{tmp_path}/figures")
    figures = _evaluate(trained, source, reports)
    truth = np.concatenate([source.label_map_of(number).ravel() for number in range(3)])
    images = [np.asarray(Image.open(scenes / f"{number}.jpg")) for number in range(3)]
    guess = np.concatenate([_predictions(image).ravel() for image in images])
    known = truth != 255
    expected = sklearn.metrics.jaccard_score(
        truth[known], guess[known], average=None, labels=range(3)
    )
    scores = dict(zip(NAMES, expected, strict=False))
    assert figures["iou_by_class"] == pytest.approx({**scores, "boat": None})
    assert figures["mean_iou"] == pytest.approx(expected.mean())
    assert figures["num_pixels"] == known.sum()
    assert (figures["num_images"], figures["num_unreadable"]) == (3, 0)
    low, high = figures["mean_iou_interval"]
    assert low <= figures["mean_iou"] <= high
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 4
    files = {path.name for path in (tmp_path / "figures").iterdir()}
    assert files == {"label_maps.png", "iou_by_class.png", "confusion.png"}


def test_an_ensemble_takes_the_mean_of_the_probabilities():
    random_numbers = np.random.default_rng(1)
    logits = 3 * random_numbers.normal(size=(3, 21, 34, 4)).astype(np.float32)
    predictors = [SimpleNamespace(logits=lambda _, one=one: one) for one in logits]
    expected = scipy.special.softmax(logits, -1).mean(axis=0).argmax(-1)
    np.testing.assert_array_equal(predict_labels(predictors, None), expected)
    assert not np.array_equal(expected, logits.mean(axis=0).argmax(-1))


def test_unreadable_images_are_left_out(trained, scenes, tmp_path, known_predictions):
    for path in scenes.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = tmp_path / "1.jpg"
    damaged.write_bytes(damaged.read_bytes()[:700])  # the header is whole
    figures = _evaluate(trained, _source(tmp_path))
    assert (figures["num_images"], figures["num_unreadable"]) == (2, 1)
    assert _evaluate(trained, _source(tmp_path), num_images=1)["num_images"] == 1


def test_a_network_is_asked_for_every_pixel(trained, scenes):
    figures = _evaluate(trained, _source(scenes), num_images=1)
    assert figures["num_pixels"] == np.sum(_source(scenes).label_map_of(0) != 255)
    assert 0 < figures["pixel_accuracy"] < 1


def test_other_images_or_classes_are_named(trained, scenes, labelled_squares):
    protocol = SegmentationProtocol(SegmentationEvaluationOptions())
    named = dataclasses.replace(trained, class_names=NAMES)
    with pytest.raises(UserError, match="no label map"):
        protocol.evaluate([named], labelled_squares)
    with pytest.raises(UserError, match="has 3 classes: runs/segmentation0 tells 4 apart"):
        _evaluate(trained, _source(scenes, NAMES[:3]))
