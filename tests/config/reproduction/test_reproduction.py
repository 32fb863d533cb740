import json

import pytest

from tfcolor.config.reproduction import reproduction
from tfcolor.config.reproduction.reproduction import ReproduceOptions, run_reproduction
from tfcolor.core.errors import UsageError, UserError


@pytest.fixture
def data(tmp_path):
    for name in ("train", "val"):
        (tmp_path / "data" / name).mkdir(parents=True)
    return str(tmp_path / "data")


@pytest.fixture
def measured(monkeypatch):
    """Replaces training and measuring; collects what was asked for."""
    calls = []

    def evaluate(row, seed, place):
        calls.append((row.name, seed, place.subset))
        return {"psnr_db": 20.0 + seed, "command": "tfcolor evaluate", "seconds": 1.0}

    monkeypatch.setattr(reproduction, "train_row", lambda *arguments: "tfcolor train")
    monkeypatch.setattr(reproduction, "evaluate_row", evaluate)
    monkeypatch.setattr(reproduction, "make_pictures", lambda *arguments: None)
    return calls


def test_every_row_is_measured_for_every_seed(data, measured, tmp_path):
    options = ReproduceOptions("2.2", data=data, seeds=2, output=str(tmp_path / "out"))
    report = run_reproduction(options)
    assert measured.count(("gray", 0, ())) == 1 and ("gray", 1, ()) not in measured
    assert len(measured) == 1 + 2 * 5
    assert "24.45 | 20.50 ± 0.71" in report.read_text()
    records = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {record["seeds"] for record in records if record["metric"] == "psnr_db"} == {1, 2}


def test_rows_may_be_chosen(data, measured, tmp_path):
    options = ReproduceOptions("2.3", data=data, rows=("fc7",), output=str(tmp_path), seeds=1)
    run_reproduction(options)
    assert [name for name, _, _ in measured] == ["fc7"]


def test_full_scale_reconstructs_a_missing_split(data, measured, tmp_path):
    options = ReproduceOptions("2.2", "full", data, seeds=1, output=str(tmp_path / "out"))
    run_reproduction(options)
    assert measured[0][2] == ("--colorization_subset=cval1k",)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": ""}, UsageError, "--data is not given"),
        ({"data": "nowhere"}, UserError, "expected train/ and val in this folder"),
        ({"rows": ("welsh",)}, UsageError, "--rows=welsh: expected some of gray, lab_values"),
        ({"table": "2.1", "scale": "full"}, UsageError, "a protocol that is not there yet"),
    ],
)
def test_wrong_options_are_refused_before_anything_runs(
    data, measured, tmp_path, changes, error, message
):
    given = {"table": "2.2", "data": data, "output": str(tmp_path / "out"), **changes}
    with pytest.raises(error, match=message):
        run_reproduction(ReproduceOptions(**given))
    assert not measured
