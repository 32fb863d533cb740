from tfcolor.config.reproduction.pretext_figures import FILTERS_FIGURE, INTER_PROXY_FIGURE
from tfcolor.config.reproduction.pretext_tables import MULTI_PROXY_TABLE
from tfcolor.config.reproduction.reproduction import ReproduceOptions, run_reproduction
from tfcolor.config.reproduction.study import SMALL


def reproduce(figure, data, output, **options):
    return run_reproduction(
        ReproduceOptions(figure=figure, data=str(data), output=str(output), **options)
    )


def test_filters_are_those_of_the_table():
    pretrained = {
        row.cells["segmentation"].subjects[SMALL].runs[0].start for row in MULTI_PROXY_TABLE.rows
    }
    shown = {series.pretraining[SMALL] for series in FILTERS_FIGURE.series}
    assert pretrained - {None} == shown


def test_filters_are_shown_of_the_last_checkpoint(data, commands, tmp_path):
    page = reproduce("4.6", data, tmp_path / "out", rows=("cj",)).read_text()
    assert [command[0] for command in commands] == ["train", "analyze"]
    assert {"--analysis=first_filters", "--checkpoint=last"} <= set(commands[1])
    assert "![C+J](cj/first_filters.png)" in page


def test_each_proxy_task_starts_from_all_others(data, commands, tmp_path):
    reproduce("4.7", data, tmp_path / "out", rows=("j",))
    (drawn,) = [command for command in commands if command[0] == "analyze"]
    (curves,) = [flag.removeprefix("--curves=") for flag in drawn if "--curves=" in flag]
    titles = [one.split(":")[0] for one in curves.split(",")]
    assert titles == [
        "Jigsaw from random weights",
        *("C to J (ft)", "C to J", "V to J (ft)", "V to J", "C+J+V to J (ft)", "C+J+V to J"),
    ]
    trained = [command for command in commands if command[0] == "train"]
    assert len(trained) == 3 + 7
    assert sum("--frozen_through=fc7" in command for command in trained) == 3
    reproduce("4.7", data, tmp_path / "out", rows=("j",))
    assert len(commands) == 11


def test_a_picture_has_a_series_for_every_proxy_task():
    assert [series.name for series in INTER_PROXY_FIGURE.series] == ["c", "j", "v"]
