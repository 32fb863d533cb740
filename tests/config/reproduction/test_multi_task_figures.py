import pytest

from tfcolor.config.reproduction.multi_task_figures import COMBINATIONS_FIGURE, SINGLE_FIGURE
from tfcolor.config.reproduction.multi_task_tables import COMBINATIONS_TABLE, SINGLE_TABLE
from tfcolor.config.reproduction.reproduction import ReproduceOptions, run_reproduction
from tfcolor.config.reproduction.study import SMALL


@pytest.mark.parametrize(
    ("figure", "table"), [(SINGLE_FIGURE, SINGLE_TABLE), (COMBINATIONS_FIGURE, COMBINATIONS_TABLE)]
)
def test_a_course_ends_where_the_table_is(figure, table):
    rows = {row.name: row for row in table.rows}
    for row in figure.rows:
        if row.name == "random":
            continue
        for name in ("imagenet", "pascal", "nyu"):
            end, cell = row.cells[f"{name}_7"], rows[row.name].cells[name]
            assert (end.published, end.subjects) == (cell.published, cell.subjects)


def test_checkpoints_on_the_way_are_a_seventh_apart():
    (row,) = [row for row in COMBINATIONS_FIGURE.rows if row.name == "all"]
    runs = [row.cells[f"nyu_{place}"].subjects[SMALL].runs[0] for place in range(1, 7)]
    starts = [flag for run in runs for flag in run.flags if "initial_checkpoint" in flag]
    assert starts == [f"--initial_checkpoint={20 * place}" for place in range(1, 7)]


def test_courses_are_drawn_beside_random_weights(data, commands, tmp_path):
    options = ReproduceOptions(
        figure="S4.3",
        data=str(data),
        output=str(tmp_path / "out"),
        seeds=1,
        rows=("rp", "random"),
        columns=("nyu_0", "nyu_1", "nyu_7"),
    )
    page = run_reproduction(options).read_text()
    assert "](lines.png)" in page and "80.5" in page
    trained = [one for one in commands if one[0] == "train"]
    assert len(trained) == 4
    assert (tmp_path / "out" / "lines.png").stat().st_size > 1000


def test_mixtures_of_pretext_tasks_and_evaluations_are_shown(data, commands, tmp_path):
    options = ReproduceOptions(figure="S4.5", data=str(data), output=str(tmp_path / "out"))
    run_reproduction(options)
    *trained, shown = commands
    assert len(trained) == 4
    (mixtures,) = [flag for flag in shown if flag.startswith("--mixtures=")]
    titles = [one.split(":")[0] for one in mixtures.removeprefix("--mixtures=").split(",")]
    assert titles == [
        "Four pretext tasks",
        "ImageNet frozen",
        "Detection",
        "Depth",
    ]
