import json

import numpy as np
import pytest

from tfcolor.analysis.gradient_norm import trace_gradient
from tfcolor.core.errors import UserError

NORMS = (2.0, None, 8.0, 4.0)
RATES = (0.1, 0.1, 0.1, 0.01)


@pytest.fixture
def run(tmp_path):
    """The folder of a run whose third gradient is the largest."""
    rows = [
        {"step": 10 * n, "loss": 5.0 - n, "learning_rate": rate, "gradient_norm": norm}
        for n, (rate, norm) in enumerate(zip(RATES, NORMS, strict=True), 1)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return tmp_path


def test_norms_are_read_and_smoothed_as_the_loss_is(run):
    findings = trace_gradient(str(run), smoothing=0.5)
    numbers = findings.numbers
    np.testing.assert_array_equal(numbers["gradient_norms"], [2, np.nan, 8, 4])
    # Weights 1/2, 1/4, ... of the past over their sum; what is not finite is passed over.
    expected = [2, 2, (8 * 2 + 2) / 3, (4 * 4 + 8 * 2 + 2) / 7]
    np.testing.assert_allclose(numbers["smoothed_gradient_norms"], expected)
    assert numbers["rate_drops"] == [{"step": 40, "learning_rate": 0.01}]
    assert findings.headline.startswith("gradient norm 6 at its highest, in step 30")


def test_both_curves_are_drawn_over_the_steps(run):
    left, right = trace_gradient(str(run), smoothing=0.0).figure.axes
    assert left.lines[0].get_xydata().tolist() == [[10, 4], [20, 3], [30, 2], [40, 1]]
    assert right.lines[0].get_ydata()[[0, 2, 3]].tolist() == [2, 8, 4]
    assert right.get_ylabel() == "gradient norm"


def test_a_log_without_gradients_is_named(tmp_path):
    row = {"step": 1, "loss": 1.0, "learning_rate": 0.1}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(UserError, match=r"has no gradient norms in metrics\.jsonl"):
        trace_gradient(str(tmp_path), smoothing=0.9)
