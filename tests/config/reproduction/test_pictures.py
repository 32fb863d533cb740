from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfcolor.config.reproduction import TABLES, pictures
from tfcolor.config.reproduction.jobs import Place


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


def test_the_sheet_has_a_column_for_every_trained_row(colored, photos, tmp_path):
    place, paths = Place("train", "val", tmp_path), sorted(photos.iterdir())[:2]
    rows = TABLES["2.5"].rows
    pictures.make_pictures(rows, paths, 0, place)
    sheet = np.asarray(Image.open(tmp_path / "pictures.png"))
    # Input, three rows that were trained, truth.
    assert sheet.shape[1] == 5 * 260 + 4
    # One process for the row without a reference, one for each photograph of the others.
    assert len(colored) == 5
    assert f"--reference={paths[0]}" in colored[1]
    is_red = np.all(sheet == (255, 0, 0), axis=-1)
    has_red = [is_red[:, 260 * column + 4 : 260 * column + 260].any() for column in range(5)]
    assert has_red == [False, True, True, True, False]
    pictures.make_pictures(rows, paths, 0, place)
    assert len(colored) == 5  # nothing is colored twice
