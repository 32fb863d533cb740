import numpy as np
import pytest

from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.labels import label_annotation
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.evaluation.examples import LabelledImages
from tfcolor.evaluation.frozen_features import FrozenFeatures
from tfcolor.evaluation.linear_classifier import LinearClassifier
from tfcolor.evaluation.linear_evaluation import LinearEvaluationOptions, LinearEvaluationProtocol
from tfcolor.evaluation.reports import Reports

OPTIONS = {"num_bins": 4, "hidden_units": 4, "crop_size": 32, "min_side": 32, "edge": 4}
CLASSES = ("sky", "tree", "house")


@pytest.fixture(scope="module")
def trained(build_trained):
    return build_trained("colorization", OPTIONS)


@pytest.fixture(scope="module")
def reader(squares):
    """All but the last 12 squares, with the names of their classes."""
    labels = [number % 3 for number in range(18)]
    return ExampleReader(FileSource(squares[:18], labels=labels, class_names=CLASSES))


@pytest.fixture(scope="module")
def listed_images(squares, tmp_path_factory):
    """A list of the last 12 squares, whose classes have other labels."""
    path = tmp_path_factory.mktemp("test") / "test.txt"
    lines = [f"{file}\t{CLASSES[number % 3]}\n" for number, file in enumerate(squares)]
    path.write_text("".join(lines[18:]))
    return str(path)


def test_a_classifier_learns_from_all_images_and_is_measured_on_others(
    trained, reader, listed_images, tmp_path
):
    options = LinearEvaluationOptions(
        test_images=listed_images, taps=("conv4b",), strengths=(0.01,)
    )
    report = Reports(table=f"{tmp_path}/table.csv")
    figures = LinearEvaluationProtocol(options).evaluate([trained], reader, report)
    assert (figures["num_images"], figures["num_test_images"]) == (18, 12)
    assert (figures["num_classes"], figures["features"]) == (3, ["conv4b"])
    assert (figures["num_features"], figures["strength"]) == (192, 0.01)
    described = FrozenFeatures(trained, ("conv4b",)).describe(
        LabelledImages(reader, label_annotation(reader, 3))
    )
    rows, labels = zip(*described.values(), strict=True)
    probe = LinearClassifier(0.01).fit(np.stack(rows), np.array(labels))
    assert probe.accuracy(np.stack(rows), np.array(labels)) > 0.9
    assert figures["top1_accuracy"] > 0.9
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 2


def test_the_penalty_is_one_of_those_that_are_named(trained, reader, listed_images):
    options = LinearEvaluationOptions(
        test_images=listed_images, taps=("conv4b",), strengths=(1e-3, 1e-2)
    )
    figures = LinearEvaluationProtocol(options).evaluate([trained], reader)
    assert figures["strength"] in options.strengths


def test_missing_test_images_are_a_usage_error(trained, reader):
    with pytest.raises(UsageError, match="--linear_evaluation_test_images is not given"):
        LinearEvaluationProtocol(LinearEvaluationOptions()).evaluate([trained], reader)


def test_taps_describe_images_of_any_size(trained, reader, listed_images):
    options = LinearEvaluationOptions(
        test_images=listed_images, taps=("conv4b", "conv1"), size=40, strengths=(1.0,)
    )
    figures = LinearEvaluationProtocol(options).evaluate([trained], reader)
    channels = trained.network.backbone.tap_channels
    assert figures["num_features"] == channels["conv4b"] + channels["conv1"]


def test_the_last_map_may_be_read_by_maxima_over_cells(trained, reader, listed_images):
    options = LinearEvaluationOptions(
        taps=("conv2",), pooling="max", grid=3, test_images=listed_images, strengths=(1.0,)
    )
    figures = LinearEvaluationProtocol(options).evaluate([trained], reader)
    assert figures["num_features"] == 9 * trained.network.backbone.tap_channels["conv2"]
    assert figures["top1_accuracy"] > 0.9


@pytest.mark.parametrize("class_names", [("sky",), ()])
def test_images_of_one_class_are_refused(trained, squares, listed_images, class_names):
    only = FileSource(squares[:6], labels=[0] * 6, class_names=class_names)
    options = LinearEvaluationOptions(test_images=listed_images, taps=("conv4b",))
    with pytest.raises(UserError, match="--images has 1 class: a classifier needs at least two"):
        LinearEvaluationProtocol(options).evaluate([trained], ExampleReader(only))
