from tfcolor.config.reproduction.distillation_tables import (
    ADAPTATIONS_TABLE,
    ENSEMBLE_SIZE,
    LOSSES_TABLE,
    compressed,
    divergence_flags,
    teachers,
)
from tfcolor.config.reproduction.study import SMALL
from tfcolor.config.reproduction.testbed_tables import MULTI_TASK_TABLE
from tfcolor.config.reproduction.testbed_trainings import OWN, QUARTERS, separate

LOSSES = {row.name: row for row in LOSSES_TABLE.rows}
METHODS = {row.name: row for row in ADAPTATIONS_TABLE.rows}


def test_published_numbers():
    assert [cell.published for cell in LOSSES["l2"].cells.values()] == [
        61.7,
        57.8,
        36.1,
        52.5,
        38.4,
    ]
    assert [cell.published for cell in LOSSES["teacher"].cells.values()] == [
        66.0,
        59.7,
        59.7,
        52.2,
        52.2,
    ]
    numbers = {name: row.cells["disjoint_25"].published for name, row in METHODS.items()}
    assert numbers == {
        "auxiliary": 40.9,
        "auxiliary_warm": 41.7,
        "subset": 43.6,
        "subset_warm": 43.7,
    }


def test_teachers_of_an_ensemble_differ_by_seed_and_the_first_is_that_of_copies():
    six = teachers(SMALL, ENSEMBLE_SIZE)
    assert len({one.seed_offset for one in six}) == 6 and six[0] == teachers(SMALL)[0]
    ensemble = LOSSES["kl"].cells["task_ensemble"].subjects[SMALL].runs[0]
    assert ensemble.needs == six
    assert LOSSES["teacher"].cells["task_ensemble"].subjects[SMALL].runs == six


def test_students_at_the_task_layer_have_their_own_test_accuracy():
    subject = compressed(SMALL, divergence_flags(0.25))
    assert subject.measure is OWN and not OWN.protocol
    assert subject == LOSSES["kl"].cells["task_compress"].subjects[SMALL]
    assert divergence_flags(0.0, -0.0) == divergence_flags(0.0)


def test_a_warm_start_is_one_of_the_teachers():
    singles = separate(SMALL, QUARTERS)
    (run,) = METHODS["subset_warm"].cells["disjoint_25"].subjects[SMALL].runs
    assert run.start == singles[0] and run.needs == singles


def test_the_subset_is_the_row_of_table_4_5():
    (row,) = (row for row in MULTI_TASK_TABLE.rows if row.name == "distillation")
    cell = METHODS["subset"].cells["disjoint_25"]
    assert row.cells["disjoint_25"].subjects == cell.subjects
