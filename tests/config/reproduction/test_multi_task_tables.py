import json

import pytest

from tfcolor.config.reproduction import TABLES
from tfcolor.config.reproduction.multi_task_tables import COMBINATIONS_TABLE, LASSO_TABLE
from tfcolor.config.reproduction.multi_task_trainings import MIXING, pretrained
from tfcolor.config.reproduction.reproduction import ReproduceOptions, run_reproduction
from tfcolor.config.reproduction.study import SCALES, SMALL

OWN = [number for number in TABLES if number.startswith("S4.")]


def _published(number: str, *columns: str) -> dict[str, tuple[float | None, ...]]:
    return {
        row.name: tuple(row.cells[name].published for name in columns)
        for row in TABLES[number].rows
        if not row.is_quoted
    }


def test_published_numbers_of_the_main_tables():
    assert _published("S4.1", "imagenet_top1", "imagenet", "pascal", "nyu") == {
        "rp": (36.21, 59.21, 66.75, 80.54),
        "col": (39.62, 62.48, 65.47, 76.79),
        "ex": (31.51, 53.08, 60.94, 69.57),
        "ms": (27.62, 48.29, 61.13, 74.24),
        "labels": (66.82, 85.10, 74.17, 80.06),
        "random": (None, 10.5, None, 61.00),
    }
    combined = _published("S4.2", "imagenet", "pascal", "pascal_75", "nyu")
    assert combined["all"] == (69.30, 70.53, 43.91, 79.25)
    assert combined["rp_col_ex"] == (68.65, 69.48, None, 80.17)
    assert _published("S4.3", "imagenet", "pascal", "nyu")["rp_h"] == (62.33, 66.15, 80.39)
    assert _published("S4.4", "imagenet", "pascal", "nyu")["eval"] == (70.18, 68.86, 79.41)


@pytest.mark.parametrize("number", ["S4.5", "S4.6", "S4.7", "S4.8"])
def test_more_pixels_are_within_a_wider_ratio(number):
    for first, second, third, mae, mre in _published(
        number, "nyu", "nyu_2", "nyu_3", "nyu_mae", "nyu_mre"
    ).values():
        assert first < second < third < 100
        assert 0.3 < mae < 0.7 and 0.1 < mre < 0.3


@pytest.mark.parametrize("number", OWN)
def test_every_cell_has_a_training_at_both_scales(number):
    for row in TABLES[number].rows:
        for cell in row.cells.values() if not row.is_quoted else ():
            assert cell.subjects.keys() == set(SCALES)


def test_tables_share_their_trainings():
    first, depth = (
        TABLES[number].rows[0].cells["nyu"].subjects[SMALL] for number in ("S4.2", "S4.5")
    )
    assert first == depth


def test_mixtures_are_laid_over_the_right_half():
    rows = {row.name: row.cells["pascal"].subjects[SMALL].runs[0] for row in LASSO_TABLE.rows}
    starts = {name: run.start for name, run in rows.items()}
    assert starts["eval"] == starts["none"] == pretrained(SMALL, "all")
    assert starts["both"] == starts["pretrain"] == pretrained(SMALL, "all_lasso")
    mixing = {name for name, run in rows.items() if set(MIXING) <= set(run.flags)}
    assert mixing == {"eval", "both"}


def test_a_row_is_pretrained_once_and_measured_three_times(data, commands, tmp_path):
    options = ReproduceOptions(
        table="S4.2", data=str(data), output=str(tmp_path / "out"), seeds=1, rows=("rp", "random")
    )
    page = run_reproduction(options).read_text()
    assert "numbers are those of the paper on" in page
    trained = [one[-1].rsplit("/", 1)[-1] for one in commands if one[0] == "train"]
    assert sorted(trained) == [
        "s4_depth_seed0",
        "s4_detection_seed0",
        "s4_random+s4_probe_seed0",
        "s4_random_seed0",
        "s4_rp+s4_depth_seed0",
        "s4_rp+s4_detection_seed0",
        "s4_rp+s4_probe_seed0",
        "s4_rp_seed0",
    ]
    measured = [one for one in commands if one[0] == "evaluate"]
    assert len(measured) == 6
    records = json.loads((tmp_path / "out" / "report.json").read_text())
    means = {(one["row"], one["metric"]): one["mean"] for one in records}
    assert means["Relative position", "layers.*.top5_accuracy"] == pytest.approx(31.25)
    assert means["Relative position", "mean_average_precision_75"] == pytest.approx(12.5)
    assert means["Random weights", "delta_1"] == pytest.approx(37.5)
    assert len(COMBINATIONS_TABLE.columns) == 4
