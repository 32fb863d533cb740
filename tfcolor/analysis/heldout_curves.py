"""Losses on fixed images during training, beside that of the best constant answer."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tfcolor.analysis.figures import BLUE, GRAY, RED
from tfcolor.analysis.findings import Findings
from tfcolor.core.errors import UserError

NAME = "heldout_curves"
LOSS = "loss"
NUM_COLUMNS = 4
PANEL_INCHES = 2.6, 2.1


class Kind(NamedTuple):
    """A line of each panel.

    Attributes:
      folder: of the run's events.
      label: in the picture.
      color: likewise.
      style: likewise, as matplotlib names it.
    """

    folder: str
    label: str
    color: str
    style: str


KINDS = (
    Kind("eval_train", "training images", GRAY, "-"),
    Kind("eval", "held-out images", BLUE, "-"),
    Kind("eval_constant", "best constant answer", RED, "--"),
)
"""The last is measured on the held-out images, by the tasks that have one."""

Curve = dict[int, float]


def trace_looks(runs: Mapping[str, str]) -> Findings:
    """Draws what runs measured while they trained, a panel for each task.

    Args:
      runs: folders by title.

    Returns:
      `panels`: of each its `title`, `model`, `task` (empty for the only one), and
      `steps` and `losses` under the name of each kind's events; `best_loss` is the
      lowest one on held-out images, of `best_step`.

    Raises:
      UserError: if a run has no look in its events.
    """
    panels = [panel for title, run_dir in runs.items() for panel in _read_panels(title, run_dir)]
    num_falling = sum(one["best_step"] > 0 for one in panels)
    return Findings(
        name=NAME,
        numbers={"analysis": NAME, "panels": panels},
        figure=draw_looks(panels),
        scalars=[
            (f"{panel['title']}/{kind.folder}_loss", step, loss)
            for panel in panels
            for kind in KINDS
            if kind.folder in panel
            for step, loss in zip(*panel[kind.folder].values(), strict=True)
        ],
        headline=f"{num_falling} of {len(panels)} held-out losses were lower than at the start",
    )


def draw_looks(panels: list[dict[str, Any]]) -> Figure:
    """Draws the losses of each panel over its steps.

    Args:
      panels: as `trace_looks` gives them.

    Returns:
      The figure, with an axis of losses for each panel.
    """
    columns = min(len(panels), NUM_COLUMNS)
    rows = math.ceil(len(panels) / columns)
    width, height = PANEL_INCHES
    figure = Figure(figsize=(width * columns, height * rows + 0.4), layout="constrained")
    for number, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, number + 1)
        for kind in KINDS:
            if kind.folder in panel:
                curve = panel[kind.folder]
                axes.plot(
                    curve["steps"], curve["losses"], kind.style, color=kind.color, label=kind.label
                )
        axes.set_title(panel["title"], fontsize=9)
        axes.tick_params(labelsize=7)
        axes.ticklabel_format(useOffset=False)
        axes.grid(color="#dddddd", lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    lines = {str(line.get_label()): line for axes in figure.axes for line in axes.lines}
    figure.legend(
        handles=list(lines.values()), loc="outside upper center", ncols=len(KINDS), frameon=False
    )
    figure.supxlabel("step", fontsize=9)
    figure.supylabel("loss", fontsize=9)
    return figure


def _read_panels(title: str, run_dir: str) -> list[dict[str, Any]]:
    """Returns what a run measured of each of its tasks."""
    found = {kind.folder: _read_losses(Path(run_dir) / "events" / kind.folder) for kind in KINDS}
    if not found["eval"]:
        raise UserError(
            f"{run_dir} has no look at held-out images in its events: expected the folder of a run"
            " of tfcolor train with held-out images"
        )
    panels = []
    for task, heldout in found["eval"].items():
        best = min(heldout, key=lambda step: heldout[step])
        own: dict[str, Any] = {
            "title": f"{title}, {task}" if task else title,
            "model": run_dir,
            "task": task,
            "best_step": best,
            "best_loss": heldout[best],
        }
        for kind in KINDS:
            if curve := found[kind.folder].get(task):
                own[kind.folder] = {"steps": list(curve), "losses": list(curve.values())}
        panels.append(own)
    return panels


def _read_losses(folder: Path) -> dict[str, Curve]:
    """Returns the losses of each task by step; of a step that was repeated, the last."""
    if not folder.is_dir():
        return {}
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    curves: dict[str, Curve] = {}
    for tag in events.Tags()["tensors"]:
        task, _, name = tag.rpartition("/")
        if name == LOSS:
            pairs = {
                one.step: float(tf.make_ndarray(one.tensor_proto)) for one in events.Tensors(tag)
            }
            curves[task] = dict(sorted(pairs.items()))
    return curves
