import dataclasses
import statistics

import pytest

from tfcolor.config.reproduction import CURVES, TABLES
from tfcolor.config.reproduction.ranking import (
    Standing,
    draw_ranking,
    format_ranking,
    rank_rows,
)
from tfcolor.config.reproduction.study import Column, Measure, Row, Table
from tfcolor.metrics.intervals import Interval, control_intervals

OWN = Measure("own", "", "x")
ACCURACY = Column("accuracy", "Accuracy (%)", OWN, "accuracy")
ERROR = Column("error", "Error (m)", OWN, "error", 2, 1.0, lower_is_better=True)
ROWS = tuple(Row(name, name.upper(), {}) for name in ("a", "b", "c", "d"))
TABLE = Table("Ranks", ROWS, (ACCURACY, ERROR), "x", baseline="b")


def seeds(key, *values):
    return [{key: value, "commands": ["train"], "seconds": 1.0} for value in values]


@pytest.fixture
def measured():
    return {
        ("a", "accuracy"): seeds("accuracy", 0.11, 0.10, 0.12),
        ("b", "accuracy"): seeds("accuracy", 0.20, 0.21, 0.19),
        ("c", "accuracy"): seeds("accuracy", 0.21, 0.20, 0.20),
        ("d", "accuracy"): seeds("accuracy", 0.30, 0.31),
        ("b", "error"): seeds("error", 0.50, 0.52),
        ("d", "error"): seeds("error", 0.30, 0.32),
    }


def test_rows_are_ranked_by_their_gain_with_intervals_over_seeds(measured):
    standings = rank_rows(TABLE, measured)[ACCURACY]
    assert [one.title for one in standings] == ["D", "C", "B", "A"]
    values = {
        row: [100 * one["accuracy"] for one in measured[row, "accuracy"]] for row in ("a", "c", "d")
    }
    expected = control_intervals(values | {"b": [20.0, 21.0, 19.0]}, dict.fromkeys("acd", "b"))
    for row, standing in zip("dca", [standings[0], standings[1], standings[3]], strict=True):
        assert standing.gain == pytest.approx(statistics.fmean(values[row]) - 20)
        assert standing.interval.low == pytest.approx(expected[row].low)
    assert [one.is_better for one in standings] == [True, False, False, False]
    assert [one.is_worse for one in standings] == [False, False, False, True]


def test_less_error_is_a_gain(measured):
    (first, second) = rank_rows(TABLE, measured)[ERROR]
    assert (first.title, first.gain) == ("D", pytest.approx(0.2)) and first.is_better
    assert second == Standing("B", 0.0)


def test_the_section_marks_what_can_be_told_and_counts_it(measured):
    lines = format_ranking(TABLE, rank_rows(TABLE, measured))
    rows = [line for line in lines if line.startswith("| ")]
    assert rows[0] == "| place | Accuracy (%) | Error (m) |"
    assert rows[1].startswith("| 1 | **D +10.5 ± ") and "| **D +0.20 ± " in rows[1]
    assert rows[2].startswith("| 2 | C +0.3 ± ") and rows[2].endswith("| B +0.00 |")
    assert rows[4].startswith("| 4 | *A -9.0 ± ") and rows[4].endswith("* |  |")
    assert "- Accuracy (%): of 3 rows 1 surely better than B, 1 surely worse, 1 not to" in "".join(
        lines
    )


def test_one_seed_ranks_but_cannot_tell(measured):
    first = {key: ones[:1] for key, ones in measured.items()}
    ranking = rank_rows(TABLE, first)
    assert [one.title for one in ranking[ACCURACY]] == ["D", "C", "B", "A"]
    assert not any(one.interval for ones in ranking.values() for one in ones)
    lines = format_ranking(TABLE, ranking)
    assert "| 1 | D +10.0 | D +0.20 |" in lines
    assert "- Accuracy (%): one seed, which cannot tell." in lines
    assert not any("Student" in line for line in lines)
    assert any("Student" in line for line in format_ranking(TABLE, rank_rows(TABLE, measured)))


def test_columns_without_the_baseline_or_the_others_are_left_out(measured):
    del measured["b", "accuracy"], measured["d", "error"]
    assert not rank_rows(TABLE, measured)
    assert not format_ranking(TABLE, {})


def test_tables_without_a_baseline_have_no_ranking(measured):
    assert not rank_rows(Table("Ranks", ROWS, (ACCURACY, ERROR), "x"), measured)


def test_rows_with_parts_are_compared_with_the_best_of_them(measured):
    rows = [dataclasses.replace(row, parts=("a", "b") if row.name in "cd" else ()) for row in ROWS]
    table = Table("Ranks", tuple(rows), (ACCURACY, ERROR), "x")
    ranking = rank_rows(table, measured)
    # Of the errors, those of one part are missing.
    assert [*ranking] == [ACCURACY]
    first, second = ranking[ACCURACY]
    assert (first.title, second.title) == ("D over B", "C over B")
    assert (first.gain, second.gain) == (pytest.approx(10.5), pytest.approx(1 / 3))
    assert first.is_better and not second.is_better
    lines = format_ranking(table, ranking)
    assert "What each row gains over *its best counterpart*" in lines[2]
    assert "of 2 rows 1 surely better than its best counterpart" in "".join(lines)
    assert "more than its best counterpart" in draw_ranking(table, ranking).axes[0].get_xlabel()


def test_the_picture_has_a_panel_for_each_column_with_the_best_on_top(measured):
    ranking = rank_rows(TABLE, measured)
    first, second = draw_ranking(TABLE, ranking).axes
    assert [one.get_text() for one in first.get_yticklabels()] == ["D", "C", "B", "A"]
    assert first.yaxis_inverted()
    points = [one.lines[0].get_xdata()[0] for one in first.containers]
    assert points == pytest.approx([one.gain for one in ranking[ACCURACY]])
    assert (first.get_xlabel(), second.get_xlabel()) == (
        "Accuracy (%),\nmore than B",
        "Error (m),\nless than B",
    )


def test_an_interval_that_holds_zero_tells_nothing():
    standing = Standing("a", 0.1, Interval(0.1, -0.1, 0.3))
    assert not standing.is_better and not standing.is_worse


@pytest.mark.parametrize("number", [*TABLES, *CURVES])
def test_baselines_are_rows_that_are_run(number):
    table = (TABLES | CURVES)[number]
    run = {row.name for row in table.rows if not row.is_quoted}
    parts = {part for row in table.rows for part in row.parts}
    assert {table.baseline, *parts} <= {"", *run}
    assert not (table.baseline and parts)
    if number in ("pretext", "4.7", "S4.1", "S4.2", "S4.3", "S4.4") and not table.axes:
        assert table.baseline or parts
