"""What the classes of a network of parts look like, before and after setting upright."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfcolor.analysis.findings import Findings
from tfcolor.analysis.parts_figures import PictureRow, draw_picture_rows, to_bytes
from tfcolor.core.errors import UserError

NAME = "class_mixtures"
FOUND, UPRIGHT = "class_pictures", "upright_class_pictures"
STAGES = {FOUND: "as found", UPRIGHT: "set upright"}
"""Arrays of a fitted network, and what their rows are called."""


class NamedArrays(NamedTuple):
    """The arrays of a run.

    Attributes:
      name: the run's folder.
      arrays: those in its network's file.
    """

    name: str
    arrays: Mapping[str, np.ndarray]


def show_class_mixtures(runs: Sequence[NamedArrays]) -> Findings:
    """Shows the mean image of each class and component, in canonical rotation.

    Args:
      runs: one or two, each with `class_pictures`, float32 [Y, M, H, W, C] in
        [0, 1], and maybe `upright_class_pictures` of the same shape.

    Returns:
      `rows`, in the order of the figure: the run's folder (`model`), the `stage`
      ("as found", or "set upright" after upright images said where up is), the
      `component`, and the `contrast` of each class, the standard deviation of
      its mean image over the pixels: blurred means have little.

    Raises:
      UserError: if a run has no mixture for each class.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, figure 1.4.
    """
    drawn: list[PictureRow] = []
    rows: list[dict[str, Any]] = []
    for run in runs:
        if FOUND not in run.arrays:
            raise UserError(
                f"{run.name} has no mixture for each class: fit one with --classifier=mixture"
            )
        for stage in filter(run.arrays.__contains__, STAGES):
            components = np.moveaxis(run.arrays[stage], 1, 0)
            for component, pictures in enumerate(components):
                label = _label(run, stage, component, len(components))
                drawn.append(PictureRow(label, list(to_bytes(pictures))))
                rows.append({
                    "model": run.name,
                    "stage": STAGES[stage],
                    "component": component,
                    "contrast": pictures.std(axis=(1, 2, 3)).tolist(),
                })  # fmt: skip
    num_classes = max(len(row.pictures) for row in drawn)
    classes = [str(label) for label in range(num_classes)]
    return Findings(
        name=NAME,
        numbers={"analysis": NAME, "model": runs[0].name, "rows": rows},
        figure=draw_picture_rows(drawn, classes, "Mean images of classes"),
        scalars=[
            (f"contrast_{number}", label, value)
            for number, row in enumerate(rows)
            for label, value in enumerate(row["contrast"])
        ],
        headline=f"{len(drawn)} rows of mean images, of {num_classes} classes",
    )


def _label(run: NamedArrays, stage: str, component: int, num_components: int) -> str:
    """Returns what stands beside a row: no more than tells it from others."""
    words = [Path(run.name).name or run.name]
    if int(run.arrays["num_rotations"]) > 1:
        words.append(STAGES[stage])
    if num_components > 1:
        words.append(f"component {component}")
    return "\n".join(words)
