"""A sheet of photographs as every row of a table colors them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tfcolor.config.reproduction.jobs import Place, run_command, run_of
from tfcolor.config.reproduction.tables import Row
from tfcolor.core.files import atomic_path
from tfcolor.data.images import read_file, read_rgb
from tfcolor.inference.sheet import CELL, build_sheet


def make_pictures(
    rows: Sequence[Row], photographs: Sequence[Path], seed: int, place: Place
) -> None:
    """Colors some photographs by every row and writes `pictures.png`.

    Args:
      rows: those that were trained are shown, with their first words as titles.
      photographs: color photographs that no row was trained on.
      seed: which run of each row.
      place: where the runs are and where to write.

    Raises:
      UserError: if a photograph cannot be colored.
    """
    truths = [_thumbnail(_read(path)) for path in photographs]
    sheet = [{"input": _gray(truth)} for truth in truths]
    for row in rows:
        if not row.config:
            continue
        folder = place.output / "colorized" / row.name
        missing = [path for path in photographs if not (folder / f"{path.stem}.png").exists()]
        # One process for all, unless the flags depend on the photograph.
        is_common = not any("{photo}" in flag for flag in row.colorize)
        for paths in [missing] if is_common and missing else [[path] for path in missing]:
            _color(row, paths, folder, seed, place)
        for path, pictures in zip(photographs, sheet, strict=True):
            pictures[row.title] = _thumbnail(_read(folder / f"{path.stem}.png"))
    for pictures, truth in zip(sheet, truths, strict=True):
        pictures["truth"] = truth
    with atomic_path(place.output / "pictures.png") as temporary:
        Image.fromarray(build_sheet(sheet)).save(temporary, format="PNG")


def _color(row: Row, paths: Sequence[Path], folder: Path, seed: int, place: Place) -> None:
    """Colors photographs by the run of one row."""
    command = ["colorize", f"--model={run_of(row, seed, place)}", "--checkpoint=last"]
    command += [flag.format(photo=paths[0]) for flag in row.colorize]
    command += [f"--output={folder}", *map(str, paths)]
    run_command(command, place.output / "logs" / f"{row.name}_colorize.log")


def _gray(rgb: np.ndarray) -> np.ndarray:
    """Returns the lightness of uint8 [H, W, 3] in three equal channels."""
    gray = np.round(rgb.mean(axis=-1, keepdims=True)).astype(np.uint8)
    return np.repeat(gray, 3, axis=-1)


def _read(path: Path) -> np.ndarray:
    """Returns a photograph as uint8 [H, W, 3]."""
    return read_rgb(read_file(path), str(path))


def _thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Shrinks uint8 [H, W, 3] to a cell of the sheet."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
    return np.array(picture)
