import pytest

from tfcolor.config.reproduction import TABLES
from tfcolor.config.reproduction.options import ReproduceOptions, find_place
from tfcolor.config.reproduction.planning import choose, plan_table
from tfcolor.core.errors import UsageError, UserError


def plan(table, data, **options):
    given = ReproduceOptions(table=table, data=str(data), **options)
    return plan_table(TABLES[table], given, find_place(given))


def test_columns_of_one_measurement_share_a_job(data):
    jobs = plan("2.2", data, seeds=2).jobs
    assert len(jobs) == 1 + 2 * 5  # the baseline has no seed
    assert {len(job.columns) for job in jobs} == {3}
    assert [job.seed for job in jobs] == sorted(job.seed for job in jobs)
    (one,) = plan("2.2", data, seeds=1, rows=("fading",), columns=("psnr",)).jobs
    assert one.title == "+ chromatic fading, PSNR (dB), seed 0"


def test_some_columns_of_small_scale_are_measured_only_when_asked_for(data):
    def columns(**options):
        jobs = plan("4.5", data, seeds=1, **options).jobs
        return {column.name for job in jobs for column in job.columns}

    assert columns() == {"disjoint_25", "mixed"}
    assert len(columns(columns=("all",))) == len(columns(scale="full")) == 6
    assert columns(columns=("disjoint_10",)) == {"disjoint_10"}


def test_a_cell_may_be_measured_in_its_own_way(data):
    (own,) = plan("4.3", data, seeds=1, rows=("kl",), columns=("task_copy",)).jobs
    (probed,) = plan("4.3", data, seeds=1, rows=("kl",), columns=("top_copy",)).jobs
    assert (own.measure.protocol, probed.measure.protocol) == ("", "linear_evaluation")


def test_cells_whose_data_is_not_there_are_left_out(data):
    (data / "VOC2007").rmdir()
    planned = plan("3.1", data, seeds=1)
    assert {job.columns[0].name for job in planned.jobs} == {"segmentation"}
    (gap,) = planned.gaps
    assert gap.startswith("Classification (% mAP) of Random (ours), AlexNet, ")
    assert gap.endswith(f"there is no {data}/VOC2007")


def test_rows_that_are_quoted_or_have_another_scale_are_not_run(data):
    names = {job.row.name for job in plan("3.1", data, seeds=1).jobs}
    assert "doersch" not in names and "imagenet" not in names and "ensemble" in names


def test_a_folder_without_any_of_the_data_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"nothing can be measured \(.*; expected photos/train"):
        plan("3.4", tmp_path)


def test_names_that_are_not_there_are_refused_with_those_that_are(data):
    with pytest.raises(UsageError, match="--rows=welsh: expected some of gray, ours"):
        plan("2.4", data, rows=("welsh",))
    with pytest.raises(UsageError, match="--columns=map: expected some of rmse, rmse_eps, psnr"):
        plan("2.2", data, columns=("map",))
    rows = TABLES["2.2"].rows
    assert choose("rows", rows, ("fading", "gray")) == [rows[0], rows[-1]]
