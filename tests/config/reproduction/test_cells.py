from tfcolor.config.reproduction.cells import at, make_cell, ten_epochs
from tfcolor.config.reproduction.study import FULL, SMALL


def test_a_cell_has_a_subject_for_each_scale_that_has_a_training():
    cell = make_cell(56.0, ten_epochs)
    assert set(cell.subjects) == {FULL, SMALL} and cell.published == 56.0
    assert cell.subjects[FULL].runs == (ten_epochs(FULL),)
    assert set(make_cell(None, at(FULL, ten_epochs)).subjects) == {FULL}
