from tfcolor.config.reproduction.digit_tables import (
    SAMPLE_SIZES_TABLE,
    VARIATIONS_TABLE,
    fitted,
    learned,
    refitted,
)
from tfcolor.config.reproduction.study import SCALES

NAMES = ("basic", "bg_rand", "bg_img", "rot", "bg_img_rot")
VARIATIONS, SIZES = (
    {row.name: row for row in table.rows} for table in (VARIATIONS_TABLE, SAMPLE_SIZES_TABLE)
)
# Specification, section 17; None is a dash.
PUBLISHED = {
    ("1.1", "plain"): (1.9, 7.9, 10.0, 11.8, 36.2),
    ("1.1", "plain_svm"): (1.3, 6.0, 8.0, 9.1, 33.4),
    ("1.1", "oriented"): (None, None, None, 5.5, 25.0),
    ("1.2", "cnn"): (1.8, 4.3, 8.0, 10.4, 31.9),
    ("1.2", "cnn_rotation"): (None, None, None, 4.0, 19.2),
    ("1.2", "ours"): (1.9, 7.9, 10.0, 5.5, 25.0),
    ("1.2", "ours_100"): (2.6, 10.2, 14.7, 7.8, 35.3),
    ("1.2", "cnn_100"): (4.7, 10.2, 17.1, 25.0, 53.0),
    ("1.2", "cnn_rotation_100"): (None, None, None, 11.5, 31.3),
    ("1.2", "ours_10"): (8.8, 21.1, 29.7, 16.4, 48.4),
    ("1.2", "cnn_10"): (15.6, 24.4, 34.2, 58.9, 75.5),
    ("1.2", "cnn_rotation_10"): (None, None, None, 26.2, 54.7),
}


def published(row):
    return tuple(row.cells[name].published if name in row.cells else None for name in NAMES)


def run_of(row, variation, scale="full"):
    return row.cells[variation].subjects[scale].runs[0]


def test_published_numbers_of_what_is_run():
    tables = {"1.1": VARIATIONS, "1.2": SIZES}
    numbers = {
        (number, name): published(row)
        for number, rows in tables.items()
        for name, row in rows.items()
        if not row.is_quoted
    }
    assert numbers == PUBLISHED


def test_quoted_numbers():
    quoted = {name for rows in (VARIATIONS, SIZES) for name, row in rows.items() if row.is_quoted}
    assert len(quoted) == 12
    assert published(VARIATIONS["tirbm"]) == (None, None, None, 4.2, 35.5)
    assert published(VARIATIONS["sdae_3_kernel_svm"]) == (2.6, 10.2, 14.1, 8.6, 39.1)
    assert published(SIZES["semi_pgbm_100"]) == (None, 12.0, 20.3, None, 59.2)


def test_columns_are_the_variations_measured_alike():
    assert VARIATIONS_TABLE.columns == SAMPLE_SIZES_TABLE.columns
    columns = {column.name: column.measure.images for column in VARIATIONS_TABLE.columns}
    assert columns == {name: f"mnist_{name}" for name in NAMES}
    for table in (VARIATIONS, SIZES):
        for row in table.values():
            for name, cell in row.cells.items():
                assert all(one.runs[0].images == columns[name] for one in cell.subjects.values())


def test_our_model_is_plain_for_upright_digits_and_oriented_for_turned_ones():
    for scale in SCALES:
        for name in NAMES:
            model = "oriented" if "rot" in name else "plain"
            assert run_of(SIZES["ours"], name, scale) == fitted(scale, model, name)
            run = run_of(SIZES["ours_10"], name, scale)
            assert run.config == f"configs/table_1_2/{model}_10.cfg"
            assert run.start == fitted(scale, model, name) and "--data_seed={seed}" in run.flags


def test_published_models_are_their_flagfiles_alone():
    keep = ("--keep_codes=true",)
    start = fitted("full", "plain", "basic")
    assert (start.config, start.flags) == ("configs/table_1_1/plain.cfg", keep)
    run = refitted(start, "table_1_1/plain_svm")
    assert (run.run_name, run.images) == ("plain_basic+plain_svm", "mnist_basic")
    assert run == run_of(VARIATIONS["plain_svm"], "basic") and run.flags == keep
    assert learned("full", "cnn", "rot").flags == ()
    small = learned("small", "cnn_10", "rot", "--data_seed={seed}")
    assert small == run_of(SIZES["cnn_10"], "rot", "small") and len(small.flags) == 2
