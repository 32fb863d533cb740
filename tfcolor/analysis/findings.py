"""What an analysis leaves: a figure, JSON and a page in TensorBoard."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from tfcolor.analysis.figures import rasterize
from tfcolor.core.figures import save_figure
from tfcolor.core.files import check_writable, write_json
from tfcolor.training.events import Events


@dataclasses.dataclass(frozen=True, eq=False)
class Findings:
    """The result of one analysis.

    Args:
      name: of the analysis, and of the files.
      numbers: what goes into the JSON file.
      figure: what the numbers look like.
      scalars: (tag, place, value) for TensorBoard, whose horizontal axis the
        place is: the depth of a layer, a feature, or a step.
      headline: the result in one line.
    """

    name: str
    numbers: Mapping[str, Any]
    figure: Figure
    scalars: Sequence[tuple[str, int, float]]
    headline: str


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Raises UserError unless files can be written there, before hours go into them."""
    check_writable(Path(folder) / "figure.png")


def write_findings(findings: Findings, folder: str | os.PathLike[str]) -> dict[str, Path]:
    """Writes `NAME.png`, `NAME.json` and the events.

    Args:
      findings: what to write.
      folder: where; created if it is missing.

    Returns:
      What was written, by kind: "figure", "json" and "events".

    Raises:
      UserError: if a file cannot be written.
    """
    root = Path(folder)
    paths = {
        "figure": root / f"{findings.name}.png",
        "json": root / f"{findings.name}.json",
        "events": root / "events",
    }
    save_figure(findings.figure, paths["figure"])
    write_json(paths["json"], dict(findings.numbers))
    events = Events(paths["events"], is_active=True)
    events.write(findings.name, {"figure": rasterize(findings.figure)}, 0)
    for tag, place, value in findings.scalars:
        events.write(findings.name, {tag: value}, place)
    events.flush()
    return paths
