import pytest

from tfcolor.config.reproduction.lines import draw_lines
from tfcolor.config.reproduction.study import Column, Measure, Row, Table

OWN = Measure("own", "", "x")
COLUMNS = tuple(Column(f"t_{t}", str(t), OWN, "accuracy", place=t) for t in (0, 2))


def test_rows_are_lines_with_error_bars_and_published_numbers_circles():
    table = Table("Lines", (Row("a", "A", {}), Row("b", "B", {})), COLUMNS, "x", axes=("t", "y"))
    records = [
        {"row": "A", "column": "0", "mean": 1.5, "std": 0.5, "published": 4.0},
        {"row": "A", "column": "2", "mean": 2.5, "std": None, "published": None},
        {"row": "B", "column": "2", "mean": None, "std": None, "published": 3.0},
    ]
    (axes,) = draw_lines(table, records).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("t", "y")
    first, second = axes.containers
    assert first.lines[0].get_xydata().tolist() == [[0, 1.5], [2, 2.5]]
    (bars,) = first.lines[2]
    assert bars.get_segments()[0][:, 1].tolist() == pytest.approx([1.0, 2.0])
    assert len(second.lines[0].get_xydata()) == 0
    circles = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_xydata().tolist() for line in circles] == [[[0, 4.0]], [[2, 3.0]]]


def test_each_panel_has_its_own_columns_and_lone_points_go_across():
    columns = tuple(
        Column(f"{panel}_{t}", f"{panel}, {t}", OWN, "accuracy", place=t, panel=panel)
        for panel in ("P", "Q")
        for t in (0, 1, 2)
    )
    table = Table("Lines", (Row("a", "A", {}), Row("b", "B", {})), columns, "x", axes=("t", ""))
    records = [
        {"row": "A", "column": "P, 1", "mean": 1.0, "std": None, "published": None},
        {"row": "A", "column": "P, 2", "mean": 2.0, "std": None, "published": None},
        {"row": "B", "column": "P, 0", "mean": 0.5, "std": None, "published": None},
        {"row": "A", "column": "Q, 1", "mean": 7.0, "std": None, "published": None},
        {"row": "A", "column": "Q, 2", "mean": None, "std": None, "published": 9.0},
    ]
    first, second = draw_lines(table, records).axes
    assert (first.get_ylabel(), second.get_ylabel()) == ("P", "Q")
    assert first.containers[0].lines[0].get_xydata().tolist() == [[1, 1.0], [2, 2.0]]
    (dashed,) = [line for line in first.lines if line.get_linestyle() == "--"]
    assert dashed.get_ydata() == [0.5, 0.5]
    assert second.containers[0].lines[0].get_xydata().tolist() == [[1, 7.0]]
