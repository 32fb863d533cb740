import dataclasses

import numpy as np
import pytest
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.boxes import BoxSource, ObjectBoxes
from tfcolor.evaluation import detection
from tfcolor.evaluation.box_prediction import BoxPredictor, Detections
from tfcolor.evaluation.detection import DetectionEvaluationOptions, DetectionProtocol
from tfcolor.evaluation.reports import Reports

NAMES = ("cat", "dog", "emu")
OPTIONS = {"num_classes": 3, "tap": "conv3", "hidden_units": 8, "proposal_units": 8}
BOX = np.array([[3, 5, 20, 30]], np.float32)


@pytest.fixture(scope="module")
def trained(build_trained):
    return build_trained("detection", {**OPTIONS, "scales": (32,), "max_side": 48})


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Four images with a cat each, the last but one of which is damaged; then a dog."""
    folder = tmp_path_factory.mktemp("boxes")
    objects, paths = [], []
    for number in range(5):
        path = folder / f"{number}.jpg"
        pixels = np.random.default_rng(number).integers(0, 256, (30, 40, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(path, quality=95)
        label = np.array([number == 4], np.int32)
        objects.append(ObjectBoxes(BOX + number % 2, label, np.zeros(1, bool)))
        paths.append(path)
    paths[3].write_bytes(paths[3].read_bytes()[:700])  # the header is whole
    return BoxSource(paths, objects, NAMES)


@pytest.fixture
def known_detections(monkeypatch):
    """Finds a cat at the same place in every image."""

    class Predictor:
        def __init__(self, *arguments):
            self.arguments = arguments[1:]

        def find(self, image):
            score = np.array([0.5 + image[0, 0, 0] / 1000], np.float32)
            return Detections(BOX, np.zeros(1, np.int32), score)

    monkeypatch.setattr(detection, "BoxPredictor", Predictor)


def _evaluate(trained, source, reports=None, **options):
    protocol = DetectionProtocol(DetectionEvaluationOptions(**options))
    return protocol.evaluate([trained], ExampleReader(source), reports)


def test_figures_rows_and_pictures(trained, source, tmp_path, known_detections):
    reports = Reports(f"{tmp_path}/table.csv", f"{tmp_path}/figures")
    figures = _evaluate(trained, source, reports)
    assert (figures["num_images"], figures["num_unreadable"]) == (4, 1)
    # All cats are found, by 425 of 443 pixels where they are a pixel away; the dog is
    # taken for a cat, of whatever rank.
    assert figures["ap_by_class_50"]["cat"] >= 0.75
    assert figures["ap_by_class_50"]["dog"] == 0
    assert figures["ap_by_class_50"]["emu"] is None
    assert figures["mean_average_precision_50"] == figures["ap_by_class_50"]["cat"] / 2
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 5
    files = {path.name for path in (tmp_path / "figures").iterdir()}
    assert files == {"detections.png", "precision_recall.png", "ap_by_class.png"}


def test_the_first_images_can_be_enough(trained, source, known_detections):
    figures = _evaluate(trained, source, num_images=2)
    assert (figures["num_images"], figures["mean_average_precision_50"]) == (2, 1.0)
    assert figures["mean_average_precision_75"] == 1.0


def test_a_network_is_asked(build_trained, source):
    small = {"anchor_sides": (16,), "num_proposals": 5, "region_size": 2, "test_scale": 32}
    trained = build_trained("detection", {**OPTIONS, **small, "min_score": 0, "test_max_side": 48})
    figures = _evaluate(trained, source, num_images=2)
    reader = ExampleReader(source)
    found = [BoxPredictor(trained, 0, 0).find(reader.read(place)[0]) for place in (0, 1)]
    assert figures["num_objects"] == 2
    assert figures["num_detections"] == sum(len(one.scores) for one in found) > 2


def test_other_images_or_classes_are_named(trained, source, labelled_squares):
    named = dataclasses.replace(trained, class_names=NAMES)
    with pytest.raises(UserError, match="has no boxes"):
        DetectionProtocol(DetectionEvaluationOptions()).evaluate([named], labelled_squares)
    other = dataclasses.replace(trained, class_names=("yak", "cow", "emu"))
    with pytest.raises(UserError, match="classes of the held-out images are not learned"):
        _evaluate(other, source)
