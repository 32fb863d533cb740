import dataclasses

import numpy as np
import pytest
import scipy.special
import sklearn.metrics

from tfcolor.core.errors import UserError
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.data.transforms import center_view
from tfcolor.evaluation.image_classification import (
    ImageClassificationOptions,
    ImageClassificationProtocol,
)
from tfcolor.evaluation.reports import Reports

NAMES = tuple("abcdefg")
OPTIONS = {"num_classes": 7, "crop_size": 32, "min_side": 36, "max_side": 40}


@pytest.fixture(scope="module")
def networks(build_trained):
    return [build_trained("classification", OPTIONS, seed=seed) for seed in (0, 1)]


@pytest.fixture(scope="module")
def reader(squares):
    labels = [number % 7 for number in range(30)]
    return ExampleReader(FileSource(squares, labels=labels, class_names=NAMES))


def _evaluate(networks, reader, reports=None, **options):
    protocol = ImageClassificationProtocol(ImageClassificationOptions(**options))
    return protocol.evaluate(networks, reader, reports)


def _probs(trained, reader):
    views = [center_view(reader.read(number)[0], 36, 32) for number in range(30)]
    gray = np.stack(views).mean(axis=-1, keepdims=True)
    logits = trained.network({"image": gray})["logits"].numpy()
    return scipy.special.softmax(logits.astype(np.float64), axis=-1)


@pytest.mark.parametrize("count", [1, 2])
def test_figures_agree_with_scikit_learn(networks, reader, count, tmp_path):
    reports = Reports(f"{tmp_path}/table.csv", f"{tmp_path}/figures")
    figures = _evaluate(networks[:count], reader, reports, batch_size=8)
    probs = np.mean([_probs(one, reader) for one in networks[:count]], axis=0)
    labels = np.arange(30) % 7
    score = sklearn.metrics.top_k_accuracy_score
    assert figures["top1_accuracy"] == pytest.approx(score(labels, probs, k=1))
    assert figures["top1_error_rate"] == pytest.approx(1 - score(labels, probs, k=1))
    assert figures["top5_accuracy"] == pytest.approx(score(labels, probs, k=5))
    assert figures["loss"] == pytest.approx(sklearn.metrics.log_loss(labels, probs), rel=1e-4)
    low, high = figures["top1_accuracy_interval"]
    assert low <= figures["top1_accuracy"] <= high
    assert (figures["num_images"], figures["num_unreadable"]) == (30, 0)
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert len(lines) == 31
    assert sum(",True," in line for line in lines) == round(30 * figures["top1_accuracy"])
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["confused_pairs.png"]


def test_classes_are_matched_by_name(networks, squares):
    named = dataclasses.replace(networks[0], class_names=NAMES)
    some = FileSource(squares[:4], labels=[0, 1, 1, 0], class_names=("g", "c"))
    all_of_them = FileSource(squares[:4], labels=[6, 2, 2, 6], class_names=NAMES)
    figures = [_evaluate([named], ExampleReader(source)) for source in (some, all_of_them)]
    assert figures[0] == figures[1]
    unknown = FileSource(squares[:2], labels=[0, 1], class_names=("g", "whale"))
    with pytest.raises(UserError, match="whale"):
        _evaluate([named], ExampleReader(unknown))


def test_five_guesses_need_more_than_five_classes(build_trained, labelled_squares):
    trained = build_trained("classification", {**OPTIONS, "num_classes": 3})
    figures = _evaluate([trained], labelled_squares, num_images=4)
    assert "top5_accuracy" not in figures
    assert figures["num_images"] == 4


def test_images_without_a_class_are_named(networks, squares):
    with pytest.raises(UserError, match="has no class"):
        _evaluate(networks, ExampleReader(FileSource(squares)))
