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
from tfcolor.inference.jobs import Job, uncertainty_path
from tfcolor.inference.loading import GrayToColor
from tfcolor.inference.photographs import color_photograph
from tfcolor.inference.remote import RefusedError, ServerError
from tfcolor.inference.result_files import write_photograph, write_uncertainty
from tfcolor.inference.sheet import CELL, build_sheet, colored_row
from tfcolor.inference.variations import Wishes, color_variations

MAX_SHEET_ROWS = 50

Row = dict[str, np.ndarray]
"""Pictures of one photograph by column title, uint8 [H, W, 3]."""


def color_files(
    colorizer: GrayToColor, jobs: Sequence[Job], sheet: str = "", wishes: Wishes | None = None
) -> None:
    """Colors files one after the other.

    Args:
      colorizer: a network or a SavedModel.
      jobs: what to read and where to write.
      sheet: PNG file for a sheet of input, output and uncertainty; empty for
        none. It shows the first 50 photographs.
      wishes: what is asked for besides the most likely colors, with as many
        variations as the jobs have samples; None for nothing.

    Raises:
      UserError: at once, if the results cannot be written or the colorizer
        cannot do what is asked for; after all others are done, if some could
        not be colored. Each of these is reported when it fails.
      ServerError: at once, if the colorizer's server is gone. What is finished
        stays.
    """
    if wishes is not None:
        wishes.check(colorizer)
    for path in [job.target for job in jobs[:1]] + ([Path(sheet)] if sheet else []):
        check_writable(path)
    rows: list[Row] = []
    num_failed = 0
    for job in track(jobs, "coloring", len(jobs), "photographs"):
        try:
            row = _color_file(colorizer, job, wishes)
        except ServerError as error:
            say(f"stopped at {job.source}")
            raise ServerError(f"{error}; results that are written stay") from error
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


def _color_file(colorizer: GrayToColor, job: Job, wishes: Wishes | None) -> Row:
    """Colors one file and returns its pictures for the sheet, shrunk to a cell."""
    photograph = read_photograph(job.source)
    row: Row = {}
    try:
        if wishes is None:
            variations = iter([color_photograph(colorizer, photograph)])
        else:
            variations = color_variations(colorizer, photograph, wishes)
        for index, (path, colored) in enumerate(zip(job.colored, variations, strict=True)):
            write_photograph(colored, path)
            if job.has_uncertainty:
                write_uncertainty(colored.uncertainty, uncertainty_path(path))
            pictures = colored_row(colored) if index == 0 else {f"output {index + 1}": colored.rgb}
            row |= {title: _thumbnail(picture) for title, picture in pictures.items()}
    except tf.errors.ResourceExhaustedError as error:
        raise UserError(f"{job.source}: too large for the memory of this machine") from error
    except RefusedError as error:
        raise UserError(f"{job.source}: {error}") from error
    return row | {"uncertainty": row.pop("uncertainty")}


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    """Shrinks uint8 [H, W, 3] to a sheet's cell, so that many fit in memory."""
    image = Image.fromarray(picture)
    image.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
    return np.array(image)
