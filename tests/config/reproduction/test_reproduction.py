import dataclasses
import json

import pytest

from tfcolor.config.reproduction import jobs, reproduction
from tfcolor.config.reproduction.reproduction import ReproduceOptions, run_reproduction
from tfcolor.core.errors import UsageError, UserError


@pytest.fixture
def pictures(monkeypatch):
    """Replaces the sheet of photographs; collects the rows that it would show."""
    shown = []
    monkeypatch.setattr(
        reproduction, "make_pictures", lambda pairs, *rest: shown.extend(row for row, _ in pairs)
    )
    return shown


def test_every_cell_is_measured_for_every_seed(data, commands, pictures, tmp_path):
    out = tmp_path / "out"
    report = run_reproduction(ReproduceOptions("2.2", data=str(data), seeds=2, output=str(out)))
    assert len([one for one in commands if one[0] == "train"]) == 2 * 4
    assert len([one for one in commands if one[0] == "evaluate"]) == 1 + 2 * 5
    assert "24.45 | 24.00 ± 0.00" in report.read_text()
    records = json.loads((out / "report.json").read_text())
    assert {record["seeds"] for record in records if record["metric"] == "psnr_db"} == {1, 2}
    assert [row.name for row in pictures] == [
        *("lab_values", "lab_marginals", "lab_joint", "hue_chroma", "fading")
    ]


def test_a_second_table_and_a_second_call_find_what_was_done(data, commands, pictures, tmp_path):
    for table in ("3.2", "3.4", "3.4"):
        options = ReproduceOptions(
            table,
            data=str(data),
            seeds=1,
            rows=("histograms",) if table == "3.2" else ("vgg16_3",),
            columns=("fov",),
            output=str(tmp_path / table),
            work=str(tmp_path / "work"),
        )
        assert "| 52.9 | 50.0 |" in run_reproduction(options).read_text()
    assert [command[0] for command in commands] == ["train", "train", "evaluate"]
    assert not pictures


def test_a_report_shows_what_an_earlier_call_with_other_rows_has_measured(data, commands, tmp_path):
    for row in ("regression", "histograms"):
        options = ReproduceOptions(
            "3.2", data=str(data), seeds=1, rows=(row,), output=str(tmp_path / "out")
        )
        page = run_reproduction(options).read_text()
    assert "| Regression | 48.0 | 50.0 |" in page and "| Histograms | 52.9 | 50.0 |" in page
    assert [command[0] for command in commands].count("evaluate") == 2


def test_a_report_is_written_anew_only_when_it_has_something_new(
    data, commands, monkeypatch, tmp_path
):
    written = []
    write = reproduction.write_text
    monkeypatch.setattr(
        reproduction, "write_text", lambda path, text: written.append(text) or write(path, text)
    )
    for seeds in (2, 3):
        written.clear()
        run_reproduction(
            ReproduceOptions(
                "3.2", data=str(data), seeds=seeds, rows=("regression",), output=str(tmp_path / "a")
            )
        )
        # After each measurement that was not there, and at the end.
        assert len(written) == (3 if seeds == 2 else 2)


def test_a_report_has_every_published_number_and_what_was_left_out(data, commands, tmp_path):
    (data / "VOC2007").rmdir()
    options = ReproduceOptions(
        "3.1", data=str(data), seeds=1, rows=("random",), output=str(tmp_path / "out")
    )
    page = run_reproduction(options).read_text()
    (line,) = [line for line in page.splitlines() if line.startswith("| Doersch")]
    assert line == "| Doersch et al., AlexNet (quoted) | 65.3 | - | - |"
    (line,) = [line for line in page.splitlines() if line.startswith("| Random (ours)")]
    assert line == "| Random (ours), AlexNet | 46.2 | 23.5 | 50.0 |"
    assert f"there is no {data}/VOC2007" in page


def test_a_failing_measurement_leaves_the_others(data, commands, monkeypatch, tmp_path):
    run = jobs.run_command

    def fail(arguments, log):
        if any("regression" in flag for flag in arguments):
            raise UserError("it broke")
        run(arguments, log)

    monkeypatch.setattr(jobs, "run_command", fail)
    options = ReproduceOptions("3.2", data=str(data), seeds=1, output=str(tmp_path / "out"))
    with pytest.raises(
        UserError, match=r"1 measurements failed; the first: Regression, .*it broke"
    ):
        run_reproduction(options)
    page = (tmp_path / "out" / "report.md").read_text()
    assert "| Histograms | 52.9 | 50.0 |" in page and "it broke" in page
    alone = dataclasses.replace(options, rows=("regression",), output=str(tmp_path / "alone"))
    with pytest.raises(UserError, match="measurements failed"):
        run_reproduction(alone)
    assert "it broke" in (tmp_path / "alone" / "report.md").read_text()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": ""}, UsageError, "--data is not given"),
        ({"data": "nowhere"}, UserError, "no such folder; expected photos/train"),
        ({"rows": ("welsh",)}, UsageError, "--rows=welsh: expected some of gray, lab_values"),
        ({"table": ""}, UsageError, "expected one of the two"),
        ({"figure": "3.3"}, UsageError, "--table=2.2 with --figure=3.3: expected one of the two"),
    ],
)
def test_wrong_options_are_refused_before_anything_runs(
    data, commands, tmp_path, changes, error, message
):
    given = {"table": "2.2", "data": str(data), "output": str(tmp_path / "out"), **changes}
    with pytest.raises(error, match=message):
        run_reproduction(ReproduceOptions(**given))
    assert not commands


def test_rows_are_ranked_beside_their_picture_before_the_commands(data, commands, tmp_path):
    options = ReproduceOptions(
        "4.7",
        data=str(data),
        seeds=2,
        rows=("none", "j"),
        columns=("segmentation",),
        output=str(tmp_path / "out"),
    )
    page = run_reproduction(options).read_text()
    order = [page.index(text) for text in ("## Ranking", "](ranking.png)", "## Commands")]
    assert order == sorted(order)
    assert "0 surely better than No pretraining, 0 surely worse, 1 not to be told" in page
    assert (tmp_path / "out" / "ranking.png").stat().st_size > 1000
