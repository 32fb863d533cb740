import csv

import numpy as np
import pytest

from tfcolor.evaluation.tables import draw_statistics, write_rows


def test_rows_are_read_back(tmp_path):
    rows = [
        {"image": 'a, "b".png', "psnr_db": 24.123456789012345, "nll": None},
        {"image": "Süß.png", "psnr_db": 1e-9, "nll": 2.5},
    ]
    write_rows(tmp_path / "table.csv", rows)
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["image"] for row in read] == ['a, "b".png', "Süß.png"]
    assert [float(row["psnr_db"]) for row in read] == [24.123456789012345, 1e-9]
    assert [row["nll"] for row in read] == ["", "2.5"]


def test_statistics_of_draws_agree_with_numpy():
    def row(height, width, psnr, rmse, ssim):
        scores = {"psnr_db": psnr, "rmse_alphabeta": rmse, "ssim": ssim, "nll": None}
        return {"image": "", "height": height, "width": width, **scores}

    draws = [[row(2, 3, 20, 0.1, 0.9), row(1, 2, 30, 0.5, 0.7)], [row(5, 5, 22, 0.2, 0.8)] * 2]
    found = draw_statistics(draws)
    expected = {
        "psnr_db": (25, 22),
        "psnr_db_geometric": (600**0.5, 22),
        "rmse_alphabeta": (((6 * 0.01 + 2 * 0.25) / 8) ** 0.5, 0.2),
        "ssim": (0.8, 0.8),
    }
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert found[name]["mean"] == pytest.approx(np.mean(values))
        spread = abs(values[0] - values[1]) / 2**0.5
        assert found[name]["std"] == pytest.approx(spread, abs=1e-12)
