"""What every table holds, and the published numbers of the specification."""

from pathlib import Path

import pytest

from tfcolor.config.command import define_flags
from tfcolor.config.reproduction import TABLES
from tfcolor.evaluate import COMMAND as EVALUATE

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=TABLES)
def table(request):
    return TABLES[request.param]


def test_row_names_are_unique_file_names(table):
    names = [row.name for row in table.rows]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)


def test_every_trained_row_is_a_flagfile(table):
    configs = [row.config for row in table.rows if row.config]
    assert configs
    for config in configs:
        assert (ROOT / config).is_file()


def test_flags_of_evaluate_are_known(table):
    for row in table.rows:
        flag_values = define_flags(EVALUATE)
        assert flag_values(["evaluate", *table.subset, *row.evaluate]) == ["evaluate"]


def test_quoted_rows_have_numbers_and_nothing_to_run(table):
    for row in table.rows:
        if row.is_quoted:
            assert row.published and not row.config and not row.evaluate


def test_published_numbers_are_those_of_the_specification():
    numbers = {
        number: {row.name: tuple(row.published.values()) for row in table.rows}
        for number, table in TABLES.items()
    }
    assert numbers["2.1"]["locations_256"] == (69.2,)
    assert numbers["2.2"]["gray"] == (0.343, 22.98)
    assert numbers["2.2"]["fading"] == (0.299, 24.45)
    assert numbers["2.3"]["fc6_to_fc7"] == (0.323, 24.22)
    assert numbers["2.4"]["ours"] == (0.211,)
    assert numbers["2.5"]["quantile"] == (0.178,) and numbers["2.5"]["energy"] == (0.165,)
