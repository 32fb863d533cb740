import statistics

from tfcolor.config.reproduction.digit_tables import SAMPLE_SIZES_TABLE, VARIATIONS_TABLE
from tfcolor.config.reproduction.pretext_tables import MULTI_PROXY_TABLE, PRETEXT_TABLE
from tfcolor.config.reproduction.report import format_report, make_records
from tfcolor.config.reproduction.representation_tables import LOSS_TABLE
from tfcolor.config.reproduction.tables import VARIANTS_TABLE


def measured(row, psnr):
    seeds = [
        {
            "psnr_db": value,
            "rmse_alphabeta": 0.3,
            "commands": ["tfcolor train", "tfcolor evaluate"],
            "seconds": 10.0,
        }
        for value in psnr
    ]
    return {(row, column): seeds for column in ("rmse", "rmse_eps", "psnr")}


def test_records_hold_mean_and_deviation_over_the_seeds():
    figures = {**measured("gray", [23.0]), **measured("fading", [24.0, 24.5, 24.7])}
    records = make_records("2.2", VARIANTS_TABLE, figures, "small")
    cells = {(record["row"], record["metric"]): record for record in records}
    gray, fading = cells["No colorization", "psnr_db"], cells["+ chromatic fading", "psnr_db"]
    assert (gray["mean"], gray["std"], gray["seeds"]) == (23.0, None, 1)
    assert fading["mean"] == statistics.fmean([24.0, 24.5, 24.7])
    assert fading["std"] == statistics.stdev([24.0, 24.5, 24.7])
    assert (fading["published"], fading["seeds"], fading["seconds"]) == (24.45, 3, 30.0)
    assert fading["command"] == "tfcolor train && tfcolor evaluate"
    assert set(fading) == {
        *("table", "row", "column", "metric", "published", "mean", "std", "seeds"),
        *("scale", "command", "seconds"),
    }


def test_shares_become_percent():
    seeds = [{"mean_iou": 0.25, "commands": ["tfcolor evaluate"], "seconds": 1.0}]
    records = make_records("3.2", LOSS_TABLE, {("regression", "fov"): seeds}, "small")
    assert [record["mean"] for record in records] == [25.0, None, None]


def test_rows_without_measurements_keep_their_published_numbers():
    records = make_records("2.2", VARIANTS_TABLE, {}, "full")
    assert {record["mean"] for record in records} == {None}
    assert len(records) == 12  # six rows, RMSE and PSNR


def test_page_shows_both_numbers_and_the_commands():
    figures = measured("fading", [24.0, 24.5])
    records = make_records("2.2", VARIANTS_TABLE, figures, "small")
    page = format_report("2.2", VARIANTS_TABLE, figures, records, "by hand")
    (line,) = [line for line in page.splitlines() if line.startswith("| + chromatic fading")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["+ chromatic fading", "0.299", "0.300 ± 0.000", "24.45", "24.25 ± 0.35"]
    told = "- + chromatic fading, 2 seeds, 0:00:20: `tfcolor train`, then `tfcolor evaluate`"
    assert told in page
    assert "distance to gray" in page


def test_cells_of_one_row_with_other_commands_are_told_apart():
    figures = measured("fading", [24.0])
    one = {**figures["fading", "psnr"][0], "commands": ["tfcolor other"]}
    figures["fading", "psnr"] = [one]
    records = make_records("2.2", VARIANTS_TABLE, figures, "small")
    page = format_report("2.2", VARIANTS_TABLE, figures, records, "by hand")
    assert "- + chromatic fading (PSNR (dB)), 1 seed, 0:00:10: `tfcolor other`" in page


def test_notes_on_the_small_scale_are_left_out_at_full_scale():
    for scale in ("small", "full"):
        records = make_records("3.2", LOSS_TABLE, {}, scale)
        page = format_report("3.2", LOSS_TABLE, {}, records, "by hand")
        assert ("CamVid" in page) == (scale == "small")


def test_a_table_that_nobody_has_published_speaks_of_no_published_numbers():
    for table, is_published in ((PRETEXT_TABLE, False), (MULTI_PROXY_TABLE, True)):
        one = {"mean_iou": 0.25, "commands": ["tfcolor evaluate"], "seconds": 1.0}
        figures = {(table.rows[0].name, "segmentation"): [one]}
        records = make_records("x", table, figures, "small")
        page = format_report("x", table, figures, records, "by hand")
        assert "Mean and standard deviation over the seeds" in page
        assert ("published" in page) == is_published


def test_remarks_on_the_data_are_there_at_both_scales():
    for scale in ("small", "full"):
        records = make_records("1.1", VARIATIONS_TABLE, {}, scale)
        page = format_report("1.1", VARIATIONS_TABLE, {}, records, "by hand")
        assert "have other backgrounds" in page and ("256 parts" in page) == (scale == "small")


def test_a_run_that_measures_itself_is_beside_one_that_was_measured():
    figures = {
        ("ours", "rot"): [{"heldout_error_rate": 0.0625, "commands": ["a"], "seconds": 1.0}],
        ("cnn", "rot"): [{"top1_error_rate": 0.125, "commands": ["b"], "seconds": 2.0}],
    }
    records = make_records("1.2", SAMPLE_SIZES_TABLE, figures, "full")
    means = {record["row"]: record["mean"] for record in records if record["mean"] is not None}
    assert means == {"CNN, all labels": 12.5, "Our model, all labels": 6.25}
