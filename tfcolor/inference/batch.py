"""Coloring many files: one bad file stops none of the others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.core.files import atomic_path, check_writable
from tfcolor.core.progress import say, track
from tfcolor.data.images import read_photograph
from tfcolor.inference.loading import GrayToColor
from tfcolor.inference.photographs import Job, color_photograph, write_photograph
from tfcolor.inference.sheet import CELL, build_sheet, colored_row

MAX_SHEET_ROWS = 50


def color_files(colorizer: GrayToColor, jobs: Sequence[Job], sheet: str = "") -> None:
    """Colors files one after the other.

    Args:
      colorizer: a network or a SavedModel.
      jobs: what to read and where to write.
      sheet: PNG file for a sheet of input, output and uncertainty; empty for
        none. It shows the first 50 photographs.

    Raises:
      UserError: at once, if the results cannot be written; after all others
        are done, if some could not be colored. Each of these is reported when
        it fails.
    """
    for path in [job.target for job in jobs[:1]] + ([Path(sheet)] if sheet else []):
        check_writable(path)
    rows: list[dict[str, np.ndarray]] = []
    num_failed = 0
    for job in track(jobs, "coloring", len(jobs), "photographs"):
        try:
            row = _color_file(colorizer, job)
        except (UserError, OSError) as error:
            say(f"skipped {error}")
            num_failed += 1
            continue
        if sheet and len(rows) < MAX_SHEET_ROWS:
            rows.append(row)
    if sheet and rows:
        with atomic_path(sheet) as temporary:
            Image.fromarray(build_sheet(rows)).save(temporary, format="PNG")
        say(f"wrote {sheet}")
    say(f"colored {len(jobs) - num_failed} of {len(jobs)} photographs")
    if num_failed:
        raise UserError(f"{num_failed} of {len(jobs)} photographs could not be colored")


def _color_file(colorizer: GrayToColor, job: Job) -> dict[str, np.ndarray]:
    """Colors one file and returns its pictures for the sheet, shrunk to a cell."""
    photograph = read_photograph(job.source)
    try:
        colored = color_photograph(colorizer, photograph)
    except tf.errors.ResourceExhaustedError as error:
        raise UserError(f"{job.source}: too large for the memory of this machine") from error
    write_photograph(colored, job.target)
    return {title: _thumbnail(picture) for title, picture in colored_row(colored).items()}


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    """Shrinks uint8 [H, W, 3] to a sheet's cell, so that many fit in memory."""
    image = Image.fromarray(picture)
    image.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
    return np.array(image)
