from tfcolor.config.reproduction.study import Cell, Row, Subject, Training, Weights


def test_lineage_is_in_the_order_of_running_and_has_everything_once():
    weights = Weights("vgg")
    start = Training("start", "a.cfg", "labels", start=weights)
    found = Training("early", "b.cfg", "scenes", start=start)
    again = Training("again", "c.cfg", "scenes", start=start, schedule=found)
    assert list(again.lineage()) == [weights, start, found, again]
    assert again.run_name == "vgg+start+again"


def test_a_row_without_a_subject_is_quoted():
    assert Row("other", "Other", {"miu": Cell(35.6)}).is_quoted
    assert not Row("gray", "Gray", {"psnr": Cell(22.98, {"small": Subject()})}).is_quoted
