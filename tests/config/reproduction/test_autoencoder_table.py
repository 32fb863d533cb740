from tfcolor.config.reproduction.autoencoder_table import AUTOENCODER_TABLE
from tfcolor.config.reproduction.comparison_table import COMPARISON_TABLE
from tfcolor.config.reproduction.study import SCALES

ROWS = {row.name: row for row in AUTOENCODER_TABLE.rows}


def runs_of(scale):
    """Returns the training of every cell by row and column."""
    return {
        (row, column): cell.subjects[scale].runs[0]
        for row in ROWS
        for column, cell in ROWS[row].cells.items()
    }


def test_published_numbers():
    numbers = {
        name: tuple(cell.published for cell in row.cells.values()) for name, row in ROWS.items()
    }
    assert numbers == {
        "random": (46.2, 23.5),
        "autoencoder": (50.8, 26.0),
        "shortcut_autoencoder": (53.3, 28.7),
        "kmeans": (56.6, 32.6),
    }


def test_every_row_is_fine_tuned_alike_but_for_its_start():
    for scale in SCALES:
        for (row, column), run in runs_of(scale).items():
            plain = runs_of(scale)["random", column]
            assert run.config == plain.config and run.images == plain.images
            more = ("--initial_weights=kmeans",) if row == "kmeans" else ()
            assert run.flags == (*plain.flags, *more)
            assert any(flag.endswith("_input=color") for flag in run.flags)


def test_autoencoders_are_pretrained_and_differ_in_their_shortcuts_alone():
    for scale in SCALES:
        runs = runs_of(scale)
        for name in ("autoencoder", "shortcut_autoencoder"):
            start = runs[name, "segmentation"].start
            assert start == runs[name, "classification"].start
            assert start.config == f"configs/table_1_3/alexnet_{name}.cfg"
            assert start.images == "photographs" and start.start is None
        assert runs["random", "segmentation"].start is runs["kmeans", "segmentation"].start is None


def test_table_3_1_measures_the_same_runs():
    (row,) = (row for row in COMPARISON_TABLE.rows if row.name == "autoencoder")
    assert row.cells == ROWS["shortcut_autoencoder"].cells
