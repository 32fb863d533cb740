import numpy as np
import pytest
import sklearn.metrics

from tfcolor.core.errors import UsageError, UserError
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.voc import PresenceSource
from tfcolor.data.transforms import center_view
from tfcolor.evaluation.multilabel import MultilabelEvaluationOptions, MultilabelProtocol
from tfcolor.evaluation.reports import Reports

NAMES = ("cat", "dog", "boat")
OPTIONS = {"num_classes": 3, "crop_size": 32, "input": "color"}


@pytest.fixture(scope="module")
def networks(build_trained):
    return [build_trained("multilabel", OPTIONS, seed=seed) for seed in (0, 1)]


@pytest.fixture(scope="module")
def presence():
    """Of 12 images: every fourth shows a difficult dog, none a boat."""
    random_numbers = np.random.default_rng(0)
    presence = random_numbers.integers(0, 2, (12, 3))
    presence[::4, 1] = -1
    presence[:, 2] = 0
    return presence


def _evaluate(networks, paths, presence, reports=None, **options):
    protocol = MultilabelProtocol(MultilabelEvaluationOptions(**options))
    reader = ExampleReader(PresenceSource(paths, presence, NAMES))
    return protocol.evaluate(networks, reader, reports)


def _center_logits(trained, paths):
    reader = ExampleReader(PresenceSource(paths, np.zeros((len(paths), 3)), NAMES))
    views = [center_view(reader.read(number)[0], 37, 32) for number in range(len(paths))]
    return trained.network({"image": np.stack(views)})["logits"].numpy()


def test_precision_agrees_with_scikit_learn_over_difficult_images(networks, squares, presence):
    figures = _evaluate(networks[:1], squares[:12], presence, crops="center")
    logits = _center_logits(networks[0], squares[:12])
    expected = {}
    for label, name in enumerate(NAMES[:2]):
        known = presence[:, label] >= 0
        expected[name] = sklearn.metrics.average_precision_score(
            presence[known, label], logits[known, label]
        )
    assert figures["ap_by_class"] == pytest.approx({**expected, "boat": None})
    assert figures["mean_average_precision"] == pytest.approx(np.mean(list(expected.values())))
    assert (figures["num_images"], figures["variant"]) == (12, "step")


def test_an_ensemble_takes_the_mean_of_the_probabilities(networks, squares, presence):
    figures = _evaluate(networks, squares[:12], presence, crops="center", variant="trapezoid")
    probs = [1 / (1 + np.exp(-_center_logits(one, squares[:12]))) for one in networks]
    scores = np.mean(probs, axis=0, dtype=np.float64)[:, 0]
    labels = presence[:, 0]
    order = np.argsort(-scores)
    hits = np.cumsum(labels[order])
    recall, precision = hits / hits[-1], hits / np.arange(1, 13)
    area = np.trapz(np.append(1, precision), np.append(0, recall))
    assert figures["ap_by_class"]["cat"] == pytest.approx(area)


def test_random_crops_depend_on_the_seed_and_the_image_alone(networks, squares, presence, tmp_path):
    order = [5, 2, 9, 0, 7, 11]
    tables = []
    for name, paths, seed in (
        ("a", squares[:12], 0),
        ("b", [squares[number] for number in order], 0),
        ("c", squares[:12], 1),
    ):
        reports = Reports(table=f"{tmp_path}/{name}.csv")
        _evaluate(networks[:1], paths, presence[: len(paths)], reports, seed=seed, num_crops=2)
        lines = (tmp_path / f"{name}.csv").read_text().splitlines()[1:]
        tables.append({line.split(",")[0]: line.split(",")[3:] for line in lines})
    assert {name: tables[0][name] for name in tables[1]} == tables[1]
    assert tables[0] != tables[2]
    assert len({tuple(row) for row in tables[0].values()}) == 12


def test_logits_are_averaged_over_corner_crops(networks, squares, presence, tmp_path):
    reports = Reports(f"{tmp_path}/table.csv", f"{tmp_path}/figures")
    _evaluate(networks[:1], squares[:2], presence[:2], reports, crops="corner", side=32)
    row = (tmp_path / "table.csv").read_text().splitlines()[1].split(",")
    reader = ExampleReader(PresenceSource(squares[:1], presence[:1], NAMES))
    # At the crop's own size all ten crops are the image or its mirror image.
    image = reader.read(0)[0].astype(np.float32) / 255
    views = np.stack([image, image[:, ::-1]])
    expected = networks[0].network({"image": views})["logits"].numpy().mean(axis=0)
    np.testing.assert_allclose(np.array(row[3:], float), expected, rtol=1e-4, atol=1e-5)
    files = {path.name for path in (tmp_path / "figures").iterdir()}
    assert files == {"precision_recall.png", "ap_by_class.png"}


def test_what_does_not_fit_is_named(networks, squares, presence, labelled_squares):
    with pytest.raises(UsageError, match=r"side=20: expected at least 32, the crop of"):
        _evaluate(networks[:1], squares[:12], presence, crops="corner", side=20)
    protocol = MultilabelProtocol(MultilabelEvaluationOptions())
    with pytest.raises(UserError, match="voc:FOLDER"):
        protocol.evaluate(networks, labelled_squares)
