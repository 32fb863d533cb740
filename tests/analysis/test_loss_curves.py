import json

import numpy as np
import pytest

from tfcolor.analysis.loss_curves import compare_losses
from tfcolor.core.errors import UserError


@pytest.fixture
def runs(tmp_path):
    """Folders of two runs, the second of which learns faster."""
    folders = {}
    for number, title in enumerate(("C", "J to C (ft)"), 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        rows = [
            {"step": 5 * n, "loss": 9.0 - number * n, "learning_rate": 0.1} for n in range(1, 4)
        ]
        (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        folders[title] = str(folder)
    return folders


def test_every_run_is_a_line(runs):
    findings = compare_losses(runs, smoothing=0.0)
    (axes,) = findings.figure.axes
    assert [line.get_label() for line in axes.lines] == ["C", "J to C (ft)"]
    assert axes.lines[1].get_xydata().tolist() == [[5, 7], [10, 5], [15, 3]]
    assert findings.headline == "2 runs; J to C (ft) ends lowest, at 3.0000"
    assert findings.scalars[-1] == ("J to C (ft)/smoothed_loss", 15, 3.0)


def test_losses_are_smoothed_for_drawing_alone(runs):
    (curve, _) = compare_losses(runs, smoothing=0.5).numbers["curves"]
    assert curve["losses"] == [8, 7, 6]
    np.testing.assert_allclose(curve["smoothed_losses"], [8, (2 * 7 + 8) / 3, (24 + 14 + 8) / 7])


def test_a_run_without_a_log_is_named(tmp_path):
    with pytest.raises(UserError, match=r"has no metrics\.jsonl"):
        compare_losses({"x": str(tmp_path)}, 0.0)
