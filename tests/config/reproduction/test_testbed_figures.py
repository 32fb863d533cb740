import json

from tfcolor.config.reproduction.reproduction import ReproduceOptions, run_reproduction
from tfcolor.config.reproduction.study import SMALL
from tfcolor.config.reproduction.testbed_figures import LINES_FIGURE


def reproduce(figure, data, output, **options):
    return run_reproduction(
        ReproduceOptions(figure=figure, data=str(data), output=str(output), **options)
    )


def test_shapes_need_no_run(data, commands, tmp_path):
    page = reproduce("4.2", data, tmp_path / "out").read_text()
    assert [command[:2] for command in commands] == [["analyze", "--analysis=divergence_shapes"]]
    assert "](shapes/divergence_shapes.png)" in page


def test_the_gradient_is_that_of_training_by_all_labels(data, commands, tmp_path):
    reproduce("4.4", data, tmp_path / "out")
    assert [command[0] for command in commands] == ["train", "analyze"]
    assert f"--model={tmp_path}/out/runs/deep_all_seed0" in commands[1]
    (record,) = json.loads((tmp_path / "out" / "report.json").read_text())
    assert record["numbers"] == "labels/gradient_norm.json"


def test_lines_meet_where_t_is_0():
    starts = {row.cells["t_0"].subjects[SMALL] for row in LINES_FIGURE.rows}
    ends = {row.cells["t_1000"].subjects[SMALL] for row in LINES_FIGURE.rows}
    assert (len(starts), len(ends)) == (1, 3)


def test_lines_are_measured_by_the_students_and_drawn(data, commands, tmp_path):
    chosen = {"rows": ("kl", "symmetric"), "columns": ("t_0", "t_250"), "seeds": 1}
    page = reproduce("4.5", data, tmp_path / "out", **chosen).read_text()
    # A teacher and three students.
    assert [command[0] for command in commands] == ["train"] * 4
    assert "# Figure 4.5." in page and "](lines.png)" in page
    assert "38.0" in page and "43.8" in page
    assert (tmp_path / "out" / "lines.png").stat().st_size > 1000
