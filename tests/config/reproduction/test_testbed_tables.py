from tfcolor.config.reproduction.study import FULL, SMALL
from tfcolor.config.reproduction.testbed_tables import (
    MULTI_TASK_TABLE,
    TURNS_TABLE,
    by_subset,
    jointly,
)
from tfcolor.config.reproduction.testbed_trainings import DIVISIONS, QUARTERS, separate

ROWS = {row.name: row for row in MULTI_TASK_TABLE.rows}
TURNS = {row.name: row for row in TURNS_TABLE.rows}
QUARTER = QUARTERS.name


def published(row):
    return [row.cells[one.name].published if one.name in row.cells else None for one in DIVISIONS]


def test_published_numbers():
    assert published(ROWS["single_mean"]) == [38.4, 42.1, 41.6, 32.4, 24.4, 16.8]
    assert published(ROWS["split_activations"]) == [29.4, 39.8, 47.3, 33.0, 1.0, None]
    assert published(ROWS["sgd"])[3:] == [51.3, 46.5, 38.5]
    assert published(ROWS["full"]) == [55.5] * 6
    assert published(TURNS["quantum_1k"])[3] == 52.2 and published(TURNS["quantum_10k"])[2] == 52.2


def test_both_tables_share_the_joint_runs():
    assert ROWS["norm_sgd"].cells == TURNS["joint"].cells


def test_mean_and_maximum_are_of_the_same_runs():
    mean, largest = (ROWS[f"single_{name}"].cells[QUARTER].subjects for name in ("mean", "max"))
    assert mean[SMALL].runs == largest[SMALL].runs == separate(SMALL, QUARTERS)
    assert (mean[SMALL].summary, largest[SMALL].summary) == ("mean", "max")
    assert [run.start for run in mean[FULL].runs] == list(separate(FULL, QUARTERS))


def test_a_student_learns_from_the_single_tasks():
    assert by_subset(SMALL, QUARTERS).needs == separate(SMALL, QUARTERS)


def test_joint_runs_differ_by_optimizer_alone():
    one, other = (jointly(SMALL, QUARTERS, name) for name in ("momentum", "norm_sgd"))
    assert one.flags[:-2] == other.flags[:-2] and one.name != other.name
    assert one.flags[-2] == "--optimizer=momentum"
