from tfcolor.config.reproduction.study import (
    FIT_PARTS,
    Cell,
    Column,
    Measure,
    Row,
    Subject,
    Table,
    Training,
    Weights,
)


def test_lineage_is_in_the_order_of_running_and_has_everything_once():
    weights = Weights("vgg")
    start = Training("start", "a.cfg", "labels", start=weights)
    found = Training("early", "b.cfg", "scenes", start=start)
    again = Training("again", "c.cfg", "scenes", start=start, schedule=found)
    assert list(again.lineage()) == [weights, start, found, again]
    assert again.run_name == "vgg+start+again"


def test_further_trainings_come_first_and_do_not_change_the_name():
    start = Training("start", "a.cfg", "labels")
    teachers = (start, Training("other", "a.cfg", "labels"))
    student = Training("student", "b.cfg", "labels", start=start, needs=teachers)
    assert list(student.lineage()) == [*teachers, student]
    assert student.parents == (start, *teachers)
    assert student.run_name == "start+student"


def test_a_column_reads_a_figure_or_that_of_a_run_by_itself():
    measure = Measure("m", "few_label", "labels")
    column = Column("c", "C", measure, "curve.1.mean", own_key="heldout/accuracy")
    assert column.read({"curve": [{"mean": 0.25}, {"mean": 0.5}]}) == 50
    assert column.read({"heldout/accuracy": 0.3}) == 30
    assert column.read({"curve": [{"mean": 0.25}]}) is None
    assert column.read({"curve": 0.5}) is None


def test_a_table_with_axes_is_a_figure():
    assert Table("T", (), (), "x").kind == "table"
    assert Table("T", (), (), "x", axes=("t", "accuracy")).kind == "figure"


def test_a_row_without_a_subject_is_quoted():
    assert Row("other", "Other", {"miu": Cell(35.6)}).is_quoted
    assert not Row("gray", "Gray", {"psnr": Cell(22.98, {"small": Subject()})}).is_quoted


def test_a_column_reads_the_figures_of_evaluate_or_those_of_the_run_itself():
    column = Column("rot", "Rot", Measure("rot", "p", "digits"), "error", own_key="own_error")
    assert column.read({"error": 0.25}) == column.read({"own_error": 0.25}) == 25.0
    assert column.read({"error": None}) is column.read({"other": 1.0}) is None


def test_fits_of_parts_measure_themselves():
    fit = Training("plain", "a.cfg", "digits", command=FIT_PARTS)
    assert Subject((fit,)).measures_itself
    assert not Subject().measures_itself
    assert not Subject((Training("cnn", "b.cfg", "digits"),)).measures_itself
