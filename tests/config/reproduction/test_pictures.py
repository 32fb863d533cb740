from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfcolor.config.reproduction import TABLES, pictures
from tfcolor.config.reproduction.options import ReproduceOptions, find_place
from tfcolor.config.reproduction.planning import plan_table


@pytest.fixture
def colored(monkeypatch):
    """Replaces `colorize` by a program that paints everything red."""
    commands = []

    def run(arguments, log):
        commands.append(list(arguments))
        (output,) = [flag.split("=", 1)[1] for flag in arguments if flag.startswith("--output=")]
        Path(output).mkdir(parents=True, exist_ok=True)
        for name in (name for name in arguments[1:] if not name.startswith("--")):
            picture = Image.new("RGB", (40, 30), (255, 0, 0))
            picture.save(Path(output) / f"{Path(name).stem}.png")

    monkeypatch.setattr(pictures, "run_command", run)
    return commands


def colorizers_of(table, data, **choice):
    options = ReproduceOptions(table, data=str(data), seeds=2, **choice)
    place = find_place(options)
    jobs = plan_table(TABLES[table], options, place).jobs
    return pictures.find_colorizers(jobs), place


def test_only_networks_that_colorize_are_shown(data):
    pairs, _ = colorizers_of("2.1", data)
    assert [row.title for row, _ in pairs] == ["1", "4", "16", "64", "256", "1024"]
    assert pairs[0][1].config == "configs/table_2_1/locations_1.cfg"
    assert colorizers_of("2.1", data, columns=("segmentation",))[0] == []
    assert colorizers_of("2.2", data, rows=("gray",))[0] == []


def test_the_sheet_has_a_column_for_every_trained_row(colored, photos, data, tmp_path):
    (colorizers, place), paths = colorizers_of("2.5", data), sorted(photos.iterdir())[:2]
    pictures.make_pictures(colorizers, paths, place, tmp_path)
    sheet = np.asarray(Image.open(tmp_path / "pictures.png"))
    # Input, three rows that were trained, truth.
    assert sheet.shape[1] == 5 * 260 + 4
    # One process for the row without a reference, one for each photograph of the others.
    assert len(colored) == 5
    assert f"--reference={paths[0]}" in colored[1]
    is_red = np.all(sheet == (255, 0, 0), axis=-1)
    has_red = [is_red[:, 260 * column + 4 : 260 * column + 260].any() for column in range(5)]
    assert has_red == [False, True, True, True, False]
    pictures.make_pictures(colorizers, paths, place, tmp_path)
    assert len(colored) == 5  # nothing is colored twice
