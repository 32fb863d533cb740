"""A sheet of photographs as every row of a table colors them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tfcolor.config.reproduction.jobs import Place, run_command, run_of
from tfcolor.config.reproduction.layout import COLORIZATION
from tfcolor.config.reproduction.planning import Job
from tfcolor.config.reproduction.study import Row, Training
from tfcolor.core.files import atomic_path
from tfcolor.data.images import read_file, read_rgb
from tfcolor.inference.sheet import CELL, build_sheet


def find_colorizers(jobs: Sequence[Job]) -> list[tuple[Row, Training]]:
    """Returns the rows whose colors can be shown.

    Args:
      jobs: of a table, done.

    Returns:
      Rows that colorize, with the training of each.
    """
    found = {
        job.row.name: (job.row, run)
        for job in jobs
        for run in job.subject.runs
        if run.images == COLORIZATION
    }
    return list(found.values())


def make_pictures(
    colorizers: Sequence[tuple[Row, Training]],
    photographs: Sequence[Path],
    place: Place,
    output: Path,
) -> None:
    """Colors some photographs by every row and writes `pictures.png`.

    Args:
      colorizers: rows, whose titles are shown, with the training of each; their
        first seeds have been run.
      photographs: color photographs that no row was trained on.
      place: where the runs are.
      output: folder to write to.

    Raises:
      UserError: if a photograph cannot be colored.
    """
    truths = [_thumbnail(_read(path)) for path in photographs]
    sheet = [{"input": _gray(truth)} for truth in truths]
    for row, training in colorizers:
        folder = output / "colorized" / row.name
        run = run_of(training, 0, place)
        missing = [path for path in photographs if not (folder / f"{path.stem}.png").exists()]
        # One process for all, unless the flags depend on the photograph.
        is_common = not any("{photo}" in flag for flag in row.colorize)
        for paths in [missing] if is_common and missing else [[path] for path in missing]:
            _color(row, run, paths, folder)
        for path, pictures in zip(photographs, sheet, strict=True):
            pictures[row.title] = _thumbnail(_read(folder / f"{path.stem}.png"))
    for pictures, truth in zip(sheet, truths, strict=True):
        pictures["truth"] = truth
    with atomic_path(output / "pictures.png") as temporary:
        Image.fromarray(build_sheet(sheet)).save(temporary, format="PNG")


def _color(row: Row, run: Path, paths: Sequence[Path], folder: Path) -> None:
    """Colors photographs by the run of one row."""
    command = ["colorize", f"--model={run}", "--checkpoint=last"]
    command += [flag.format(photo=paths[0]) for flag in row.colorize]
    command += [f"--output={folder}", *map(str, paths)]
    run_command(command, folder.parents[1] / "logs" / f"{row.name}_colorize.log")


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
