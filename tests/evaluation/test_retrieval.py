import numpy as np
import pytest
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from tfcolor.core.errors import UsageError
from tfcolor.data.labels import label_annotation
from tfcolor.evaluation.examples import LabelledImages
from tfcolor.evaluation.frozen_features import FrozenFeatures
from tfcolor.evaluation.neighbors import Whitening, unit_vectors
from tfcolor.evaluation.reports import Reports
from tfcolor.evaluation.retrieval import RetrievalOptions, RetrievalProtocol

OPTIONS = {"num_bins": 4, "hidden_units": 4, "crop_size": 32, "min_side": 32, "edge": 4}
CLASSES = ("sky", "tree", "house")
TAPS = ("conv1",)


@pytest.fixture(scope="module")
def trained(build_trained):
    return build_trained("colorization", OPTIONS)


@pytest.fixture(scope="module")
def vectors(trained, labelled_squares):
    images = LabelledImages(labelled_squares, label_annotation(labelled_squares, 3))
    rows = [row for row, _ in FrozenFeatures(trained, TAPS).describe(images).values()]
    return unit_vectors(rows)


@pytest.fixture(scope="module")
def listed_images(squares, tmp_path_factory):
    """A list of the first nine squares, with their classes by name."""
    path = tmp_path_factory.mktemp("queries") / "queries.txt"
    lines = [f"{file}\t{CLASSES[number % 3]}\n" for number, file in enumerate(squares[:9])]
    path.write_text("".join(lines))
    return str(path)


def _evaluate(trained, reader, reports=None, **options):
    protocol = RetrievalProtocol(RetrievalOptions(**{"taps": TAPS, **options}))
    return protocol.evaluate([trained], reader, reports)


def test_recalls_are_those_of_scikit_learn(trained, labelled_squares, vectors, tmp_path):
    reports = Reports(f"{tmp_path}/table.csv", f"{tmp_path}/figures")
    figures = _evaluate(trained, labelled_squares, reports, num_neighbors=4, num_queries_shown=3)
    labels = np.arange(30) % 3
    near = NearestNeighbors(n_neighbors=11, metric="cosine").fit(vectors).kneighbors(vectors)[1]
    others = [[one for one in row if one != query][:10] for query, row in enumerate(near)]
    hits = labels[np.array(others)] == labels[:, None]
    for count in (1, 5, 10):
        assert figures[f"recall_at_{count}"] == pytest.approx(hits[:, :count].any(axis=1).mean())
    assert (figures["num_images"], figures["num_queries"], figures["num_features"]) == (30, 30, 8)
    low, high = figures["knn_accuracy_interval"]
    assert low <= figures["knn_accuracy"] <= high
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert lines[0] == "image,class,nearest,class_of_nearest,cosine,is_vote_right"
    assert len(lines) == 31
    assert sum(line.endswith("True") for line in lines) == round(30 * figures["knn_accuracy"])
    assert min(Image.open(tmp_path / "figures" / "neighbors.png").size) > 100


def test_queries_may_be_other_images(trained, labelled_squares, listed_images, vectors):
    figures = _evaluate(trained, labelled_squares, query_images=listed_images, num_neighbors=5)
    assert (figures["num_images"], figures["num_queries"]) == (30, 9)
    assert figures["recall_at_1"] == 1  # they are among the images
    labels = np.arange(30) % 3
    # The list orders its classes otherwise than the images.
    model = KNeighborsClassifier(5, metric="cosine").fit(vectors, labels)
    assert figures["knn_accuracy"] == pytest.approx(model.score(vectors[:9], labels[:9]))


def test_features_are_whitened_by_other_images(trained, labelled_squares, listed_images, vectors):
    options = {"whitening_images": listed_images, "whitening_size": 3}
    figures = _evaluate(trained, labelled_squares, **options)
    white = unit_vectors(Whitening(vectors[:9], 3)(vectors))
    near = NearestNeighbors(n_neighbors=2, metric="cosine").fit(white).kneighbors(white)[1]
    first = np.where(near[:, 0] == np.arange(30), near[:, 1], near[:, 0])
    labels = np.arange(30) % 3
    assert figures["num_features"] == 3
    assert figures["recall_at_1"] == pytest.approx(np.mean(labels[first] == labels), abs=0.04)


def test_unknown_taps_are_named(trained, labelled_squares):
    with pytest.raises(UsageError, match="unknown tap 'fc9'"):
        _evaluate(trained, labelled_squares, taps=("fc9",))
