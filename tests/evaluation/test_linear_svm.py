import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.labels import label_annotation
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.data.sources.joined import join_sources
from tfcolor.data.sources.voc import PresenceSource
from tfcolor.evaluation import linear_svm
from tfcolor.evaluation.examples import LabelledImages
from tfcolor.evaluation.frozen_features import FrozenFeatures, joined
from tfcolor.evaluation.linear_svm import LinearSvmOptions, LinearSvmProtocol, draw_presence
from tfcolor.evaluation.reports import Reports
from tfcolor.evaluation.svm_classifier import SvmClassifier

OPTIONS = {"num_bins": 4, "hidden_units": 4, "crop_size": 32, "min_side": 32, "edge": 4}
CLASSES = ("sky", "tree", "house")
FAST = {"taps": ("conv4b",), "costs": (1.0,)}


@pytest.fixture(scope="module")
def trained(build_trained):
    return build_trained("colorization", OPTIONS)


@pytest.fixture(scope="module")
def listed_images(squares, tmp_path_factory):
    """A list of the last 12 squares, whose classes have other labels."""
    path = tmp_path_factory.mktemp("test") / "test.txt"
    lines = [f"{file}\t{CLASSES[number % 3]}\n" for number, file in enumerate(squares)]
    path.write_text("".join(lines[18:]))
    return str(path)


@pytest.fixture(scope="module")
def reader(squares):
    labels = [number % 3 for number in range(18)]
    return ExampleReader(FileSource(squares[:18], labels=labels, class_names=CLASSES))


def _evaluate(trained, reader, reports=None, **options):
    protocol = LinearSvmProtocol(LinearSvmOptions(**{**FAST, **options}))
    return protocol.evaluate([trained], reader, reports)


def test_images_of_one_class_each(trained, reader, listed_images, tmp_path):
    reports = Reports(f"{tmp_path}/table.csv", f"{tmp_path}/figures")
    options = {"test_images": listed_images, "num_per_class": (4, 1), "num_draws": 2}
    figures = _evaluate(trained, reader, reports, **options)
    assert (figures["num_images"], figures["num_test_images"]) == (18, 12)
    assert figures["mean_average_precision"] > 0.9 and figures["top1_accuracy"] > 0.9
    assert figures["cost_by_class"] == dict.fromkeys(CLASSES, 1.0)
    one, four = figures["curve"]
    assert (one["num_per_class"], four["num_per_class"]) == (1, 4)
    assert four["precision_mean"] > 0.8
    assert one["precision_std"] == pytest.approx(np.std(one["precisions"], ddof=1))
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 4
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["linear_svm_curve.png"]


def test_images_that_show_several_objects(trained, squares, monkeypatch):
    presence = np.random.default_rng(0).integers(-1, 2, (30, 3))
    readers = [
        ExampleReader(PresenceSource(squares[part], presence[part], CLASSES))
        for part in (slice(0, 18), slice(18, 30))
    ]
    monkeypatch.setattr(linear_svm, "open_test_images", lambda place, name: readers[1])
    figures = _evaluate(trained, readers[0])
    images = FileSource(squares, labels=[0] * 30)
    annotation = label_annotation(ExampleReader(images), 1)
    described = FrozenFeatures(trained, FAST["taps"]).describe(
        LabelledImages(ExampleReader(images), annotation)
    )
    features, _ = joined(list(described.values()))
    scores = SvmClassifier((1.0,)).fit(features[:18], presence[:18]).scores(features[18:])
    expected = []
    for label, name in enumerate(CLASSES):
        known = presence[18:, label] >= 0
        truth = presence[18:, label][known]
        expected.append(average_precision_score(truth, scores[known, label]))
        assert figures["ap_by_class"][name] == pytest.approx(expected[-1])
    assert figures["mean_average_precision"] == pytest.approx(np.mean(expected))
    assert figures["top1_accuracy"] is None and figures["curve"] == []


def test_draws_have_negatives_for_each_positive_and_are_nested():
    presence = np.random.default_rng(0).integers(-1, 2, (90, 4))
    few, more = (draw_presence(presence, count, [1, 2], "abcd") for count in (2, 5))
    for drawn, count in ((few, 2), (more, 5)):
        assert (drawn == 1).sum(axis=0).tolist() == [count] * 4
        assert (drawn == 0).sum(axis=0).tolist() == [3 * count] * 4
        assert np.all((drawn == presence) | (drawn == -1))
    assert np.all((few == -1) | (few == more))
    assert np.any(draw_presence(presence, 2, [1, 3], "abcd") != few)


def test_mistakes_are_named(trained, reader, listed_images):
    with pytest.raises(UsageError, match="--linear_svm_test_images is not given"):
        _evaluate(trained, reader)
    with pytest.raises(UserError, match=r"class sky has 6 images: --linear_svm_num_per_class"):
        _evaluate(trained, reader, test_images=listed_images, num_per_class=(7,))


def test_parts_with_different_classes_are_named(trained, squares, listed_images):
    shown = np.eye(2, dtype=np.int32)
    parts = [PresenceSource(squares[:2], shown, names) for names in (("a", "b"), ("a", "c"))]
    options = LinearSvmOptions(test_images=listed_images, taps=("conv4b",))
    with pytest.raises(UserError, match=r"alone has b; .* alone has c"):
        LinearSvmProtocol(options).evaluate([trained], ExampleReader(join_sources(parts)))


def test_classes_without_names_are_numbers(trained, squares, listed_images):
    reader = ExampleReader(FileSource(squares[:9], labels=[number % 3 for number in range(9)]))
    figures = _evaluate(trained, reader, test_images=listed_images)
    assert list(figures["ap_by_class"]) == ["0", "1", "2"]
