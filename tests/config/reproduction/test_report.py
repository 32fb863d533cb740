import statistics

from tfcolor.config.reproduction.report import format_report, make_records
from tfcolor.config.reproduction.tables import VARIANTS_TABLE


def _figures(psnr, command="tfcolor evaluate"):
    return [
        {
            "psnr_db": value,
            "rmse_alphabeta": 0.3,
            "command": command,
            "training": "tfcolor train",
            "seconds": 10.0,
        }
        for value in psnr
    ]


def test_records_hold_mean_and_deviation_over_the_seeds():
    figures = {"gray": _figures([23.0]), "fading": _figures([24.0, 24.5, 24.7])}
    records = make_records("2.2", VARIANTS_TABLE, figures, "small")
    cells = {(record["row"], record["metric"]): record for record in records}
    gray, fading = cells["No colorization", "psnr_db"], cells["+ chromatic fading", "psnr_db"]
    assert (gray["mean"], gray["std"], gray["seeds"]) == (23.0, None, 1)
    assert fading["mean"] == statistics.fmean([24.0, 24.5, 24.7])
    assert fading["std"] == statistics.stdev([24.0, 24.5, 24.7])
    assert (fading["published"], fading["seeds"], fading["seconds"]) == (24.45, 3, 30.0)
    assert set(fading) == {
        *("table", "row", "column", "metric", "published", "mean", "std", "seeds"),
        *("scale", "command", "seconds"),
    }


def test_rows_without_measurements_keep_their_published_numbers():
    records = make_records("2.2", VARIANTS_TABLE, {}, "full")
    assert {record["mean"] for record in records} == {None}
    assert len(records) == 12  # six rows, RMSE and PSNR


def test_page_shows_both_numbers_and_the_commands():
    figures = {"fading": _figures([24.0, 24.5])}
    records = make_records("2.2", VARIANTS_TABLE, figures, "small")
    page = format_report("2.2", VARIANTS_TABLE, figures, records, "by hand")
    (line,) = [line for line in page.splitlines() if line.startswith("| + chromatic fading")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["+ chromatic fading", "0.299", "0.300 ± 0.000", "24.45", "24.25 ± 0.35"]
    assert "- + chromatic fading: `tfcolor train`, then `tfcolor evaluate`" in page
    assert "![Colored photographs" in page
