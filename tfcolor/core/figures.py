"""Writing figures, without a display."""

import os
from pathlib import Path

from matplotlib.figure import Figure

from tfcolor.core.files import atomic_path

DOTS_PER_INCH = 150


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Writes a figure as PNG, atomically.

    Args:
      figure: what to write.
      path: the file to create or replace; its folder is created.

    Raises:
      UserError: if the file cannot be written.
    """
    with atomic_path(Path(path)) as temporary:
        figure.savefig(temporary, format="png", dpi=DOTS_PER_INCH)
