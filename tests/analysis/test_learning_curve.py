import json

import numpy as np
import pytest

from tfcolor.analysis.learning_curve import (
    LearningCurveOptions,
    TrainingLog,
    find_drops,
    read_log,
    read_result,
    smooth,
    trace_learning,
)
from tfcolor.core.errors import UsageError, UserError

ROWS = [
    (50, 4.0, 0.01),
    (100, None, 0.02),
    (150, 3.0, 0.02),
    (200, 2.0, 0.002),
    (250, 1.5, 0.0002),
    (300, 1.25, 0.0002),
]


@pytest.fixture
def run(tmp_path):
    """The folder of a run that warmed up and whose rate fell twice."""
    keys = ("step", "loss", "learning_rate")
    lines = [json.dumps(dict(zip(keys, row, strict=True))) for row in ROWS]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def write_scores(tmp_path):
    """Returns what writes the scores of a snapshot and gives their --downstream."""

    def write(step, **scores):
        path = tmp_path / f"scores{step}.json"
        path.write_text(json.dumps(scores))
        return f"{step}:{path}"

    return write


def test_log_is_read_whole(run):
    log = read_log(str(run))
    assert log.steps.tolist() == [50, 100, 150, 200, 250, 300]
    np.testing.assert_array_equal(log.losses, [4, np.nan, 3, 2, 1.5, 1.25])
    assert log.rates.tolist() == [row[2] for row in ROWS]


def test_torn_last_line_is_passed_over(run):
    with (run / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 350, "lo')
    assert read_log(str(run)).steps[-1] == 300


def test_broken_logs_are_errors(run, tmp_path):
    (run / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl: line 1 is not a logged step"):
        read_log(str(run))
    (run / "metrics.jsonl").write_text("")
    with pytest.raises(UserError, match="has no logged step yet"):
        read_log(str(run))
    with pytest.raises(UserError, match=r"none has no metrics\.jsonl"):
        read_log(str(tmp_path / "none"))


def test_falling_rates_are_drops_and_rising_ones_are_not(run):
    assert find_drops(read_log(str(run))) == [(200, 0.002), (250, 0.0002)]


def test_rounding_of_the_rate_is_no_drop():
    rates = np.array([0.1, 0.1 * (1 - 1e-9), 0.1])
    assert find_drops(TrainingLog(np.arange(3), *[rates] * 4)) == []


def test_smoothing_is_a_weighted_mean_of_the_past():
    values = np.array([5.0, 1.0, np.nan, 2.0, 8.0])
    expected = []
    for end in range(1, 6):
        past = values[:end][np.isfinite(values[:end])]
        expected.append(np.average(past, weights=0.7 ** np.arange(len(past))[::-1]))
    np.testing.assert_allclose(smooth(values, 0.7), expected)
    np.testing.assert_array_equal(smooth(values[3:], 0.0), values[3:])
    np.testing.assert_allclose(smooth(np.full(9, 3.0), 0.95), 3)
    assert np.isnan(smooth(np.array([np.nan]), 0.5)).all()


def test_results_are_read_from_nested_files(write_scores):
    text = write_scores(100, mean_iou=0.25, over_draws={"mean_iou": 0.5}, name="a", done=True)
    assert read_result(text, "mean_iou")["value"] == 0.25
    assert read_result(text, "over_draws.mean_iou")["value"] == 0.5
    with pytest.raises(UserError, match=r"--metric=map: .* it has mean_iou, over_draws\.mean_iou$"):
        read_result(text, "map")


@pytest.mark.parametrize("text", ["scores.json", "late:scores.json", "100:", "-5:scores.json"])
def test_result_without_a_step_is_an_error(text):
    with pytest.raises(UsageError, match=r"expected STEP:FILE\.json"):
        read_result(text, "mean_iou")


def test_result_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        read_result(f"5:{tmp_path}/none.json", "mean_iou")
    (tmp_path / "list.json").write_text("[1, 2]")
    with pytest.raises(UserError, match="it has none"):
        read_result(f"5:{tmp_path}/list.json", "mean_iou")


def test_curve_has_everything_on_it(run, write_scores):
    late, early = write_scores(300, mean_iou=0.5), write_scores(0, mean_iou=0.1)
    options = LearningCurveOptions(downstream=(late, early), smoothing=0.0)
    findings = trace_learning(str(run), options, steps_per_epoch=60.0)
    found = findings.numbers
    assert [(one["step"], one["value"]) for one in found["downstream"]] == [(0, 0.1), (300, 0.5)]
    assert [drop["step"] for drop in found["rate_drops"]] == [200, 250]
    assert found["smoothed_losses"] == [4, 4, 3, 2, 1.5, 1.25]
    loss, squares = findings.figure.axes
    assert loss.lines[0].get_xydata()[:, 0].tolist() == found["steps"]
    assert [line.get_xdata()[0] for line in loss.lines[1:]] == [200, 250]
    assert {line.get_linestyle() for line in loss.lines[1:]} == {"--"}
    assert squares.lines[0].get_marker() == "s"
    assert squares.lines[0].get_xydata().tolist() == [[0, 0.1], [300, 0.5]]
    (epochs,) = loss.child_axes
    findings.figure.draw_without_rendering()
    assert epochs.get_xlim()[1] == pytest.approx(loss.get_xlim()[1] / 60)
    assert ("mean_iou", 300, 0.5) in findings.scalars
    assert ("smoothed_loss", 200, 2.0) in findings.scalars


def test_long_log_is_thinned_for_tensorboard(tmp_path):
    line = '{{"step": {0}, "loss": 1.0, "learning_rate": 0.1}}\n'
    (tmp_path / "metrics.jsonl").write_text("".join(line.format(step) for step in range(1, 2502)))
    findings = trace_learning(str(tmp_path), LearningCurveOptions())
    assert len(findings.scalars) == 834  # every third
    assert len(findings.numbers["losses"]) == 2501
    assert findings.figure.axes[0].child_axes == []
