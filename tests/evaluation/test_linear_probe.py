import numpy as np
import pytest
import scipy.special
import sklearn.metrics
from PIL import Image

from tfcolor.core.errors import UsageError
from tfcolor.data.scene_views import corner_crops
from tfcolor.data.transforms import center_view
from tfcolor.evaluation.linear_probe import LinearProbeEvaluationOptions, LinearProbeProtocol
from tfcolor.evaluation.reports import Reports

TAPS = ("conv1", "conv4b")
OPTIONS = {
    "num_classes": 3,
    "crop_size": 32,
    "min_side": 36,
    "taps": TAPS,
    "sizes": (3, 2),
    "input": "color",
}


@pytest.fixture(scope="module")
def trained(build_trained):
    return build_trained("linear_probe", OPTIONS)


def _evaluate(trained, reader, reports=None, **options):
    protocol = LinearProbeProtocol(LinearProbeEvaluationOptions(**options))
    return protocol.evaluate([trained], reader, reports)


def _probs(trained, views, tap):
    logits = trained.network({"image": views})[tap].numpy()
    return scipy.special.softmax(logits.astype(np.float64), axis=-1)


def test_figures_of_each_layer_agree_with_scikit_learn(trained, labelled_squares, tmp_path):
    reports = Reports(f"{tmp_path}/table.csv", f"{tmp_path}/figures")
    figures = _evaluate(trained, labelled_squares, reports, batch_size=8)
    views = np.stack([center_view(labelled_squares.read(n)[0], 36, 32) for n in range(30)])
    labels = np.arange(30) % 3
    assert list(figures["layers"]) == list(TAPS)
    for tap, one in figures["layers"].items():
        probs = _probs(trained, views, tap)
        expected = sklearn.metrics.accuracy_score(labels, probs.argmax(axis=1))
        assert one["top1_accuracy"] == pytest.approx(expected)
        assert one["loss"] == pytest.approx(sklearn.metrics.log_loss(labels, probs), rel=1e-4)
    channels = trained.network.backbone.tap_channels
    assert figures["layers"]["conv1"]["num_features"] == 9 * channels["conv1"]
    assert (figures["num_images"], figures["num_unreadable"]) == (30, 0)
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["layer", *TAPS]
    assert min(Image.open(tmp_path / "figures" / "accuracy_by_layer.png").size) > 100


def test_probabilities_of_ten_crops_are_averaged(trained, labelled_squares):
    figures = _evaluate(trained, labelled_squares, crops="corner", num_images=5)
    images = [labelled_squares.read(number)[0] for number in range(5)]
    probs = np.stack(
        [_probs(trained, corner_crops(image, 32, 36), "conv4b").mean(axis=0) for image in images]
    )
    expected = sklearn.metrics.log_loss(np.arange(5) % 3, probs, labels=[0, 1, 2])
    assert figures["layers"]["conv4b"]["loss"] == pytest.approx(expected, rel=1e-4)


def test_crops_must_fit(build_trained, labelled_squares):
    wide = build_trained("linear_probe", {**OPTIONS, "min_side": 16})
    with pytest.raises(UsageError, match=r"--linear_probe_crops=corner: .* expected center"):
        _evaluate(wide, labelled_squares, crops="corner")
