import numpy as np
import pytest

from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.evaluation.few_label import (
    FewLabelOptions,
    FewLabelProtocol,
    class_members,
    draw_orders,
    take,
)
from tfcolor.evaluation.frozen_features import FrozenFeatures
from tfcolor.evaluation.reports import Reports

OPTIONS = {"num_bins": 4, "hidden_units": 4, "crop_size": 32, "min_side": 32, "edge": 4}
TAP = {"taps": ("conv4b",)}
CLASSES = ("sky", "tree", "house")


@pytest.fixture(scope="module")
def trained(build_trained):
    return build_trained("colorization", OPTIONS)


@pytest.fixture(scope="module")
def listed_squares(squares, tmp_path_factory):
    """A list of the last 12 squares with the names of their classes."""
    path = tmp_path_factory.mktemp("test") / "test.txt"
    lines = [f"{file}\t{CLASSES[number % 3]}\n" for number, file in enumerate(squares)]
    path.write_text("".join(lines[18:]))
    return str(path)


def _reader(paths):
    labels = [number % 3 for number in range(len(paths))]
    return ExampleReader(FileSource(paths, labels=labels, class_names=CLASSES))


def _evaluate(trained, reader, reports=None, **options):
    protocol = FewLabelProtocol(FewLabelOptions(**options))
    return protocol.evaluate([trained], reader, reports)


def test_separable_classes_are_learned_from_few_labels(trained, squares, listed_squares, tmp_path):
    reports = Reports(f"{tmp_path}/table.csv", f"{tmp_path}/figures")
    options = {"num_per_class": (4, 1), "num_draws": 2, "test_images": listed_squares, **TAP}
    figures = _evaluate(trained, _reader(squares[:18]), reports, **options)
    assert (figures["num_test_images"], figures["num_classes"]) == (12, 3)
    assert (figures["features"], figures["num_features"]) == (["conv4b"], 192)
    one, four = figures["curve"]
    assert (one["num_per_class"], four["num_per_class"]) == (1, 4)
    assert four["accuracy_mean"] > 0.9
    assert one["accuracy_std"] == pytest.approx(np.std(one["accuracies"], ddof=1))
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 5
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["few_label_curve.png"]


def test_each_image_is_described_once_and_unreadable_ones_are_replaced(
    trained, squares, listed_squares, tmp_path, monkeypatch
):
    (tmp_path / "damaged.png").write_bytes(b"no image")
    paths = [squares[0], tmp_path / "damaged.png", *squares[2:9]]
    described = []
    view = FrozenFeatures._view

    def count_views(features, image):
        described.append(image.tobytes())
        return view(features, image)

    monkeypatch.setattr(FrozenFeatures, "_view", count_views)
    options = {"num_per_class": (1, 2), "num_draws": 6, "test_images": listed_squares, **TAP}
    figures = _evaluate(trained, _reader(paths), **options)
    assert 12 < len(set(described)) == len(described) <= 8 + 12
    assert figures["num_unreadable"] == 1
    with pytest.raises(UserError, match=r"class tree has 2 images: .* needs 3 of each"):
        _evaluate(trained, _reader(paths), **{**options, "num_per_class": (3,)})


def test_draws_differ_and_more_labels_include_fewer():
    members = {"cat": range(20), "dog": range(20, 50)}
    orders = draw_orders(members, 3, seed=1)
    assert orders == draw_orders(members, 3, seed=1) != draw_orders(members, 3, seed=2)
    assert len({tuple(take(order, 3)) for order in orders}) == 3
    for order in orders:
        assert set(take(order, 3)) < set(take(order, 8))
        assert sum(position < 20 for position in take(order, 8)) == 8


def test_classes_have_the_images_of_their_label(squares):
    assert class_members(_reader(squares[:7])) == {
        "sky": [0, 3, 6],
        "tree": [1, 4],
        "house": [2, 5],
    }
    unnamed = ExampleReader(FileSource(squares[:3], labels=[2, 0, 2]))
    assert class_members(unnamed) == {"0": [1], "1": [], "2": [0, 2]}


def test_missing_test_images_are_a_usage_error(trained, squares):
    with pytest.raises(UsageError, match="--few_label_test_images is not given"):
        _evaluate(trained, _reader(squares[:6]), num_per_class=(1,), **TAP)


def test_images_of_one_class_are_refused(trained, squares, listed_squares):
    only = ExampleReader(FileSource(squares[:6], labels=[0] * 6, class_names=("sky",)))
    with pytest.raises(UserError, match="--images has 1 class: a classifier needs at least two"):
        _evaluate(trained, only, test_images=listed_squares, **TAP)
