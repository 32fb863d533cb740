"""Training losses of several runs in one picture."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from tfcolor.analysis.findings import Findings
from tfcolor.analysis.learning_curve import read_log, smooth
from tfcolor.core.options import option

NAME = "loss_curves"


@dataclasses.dataclass(frozen=True)
class LossCurvesOptions:
    """Which runs are drawn together."""

    curves: tuple[str, ...] = option(
        (),
        "runs that loss_curves and heldout_curves draw together, each TITLE:FOLDER with its name in"
        " the picture",
    )


def compare_losses(runs: Mapping[str, str], smoothing: float) -> Findings:
    """Draws the losses of runs over their steps.

    Args:
      runs: folders by title.
      smoothing: weight of the past in the drawn losses, in [0, 1).

    Returns:
      `curves`: of each run its `title`, `model`, `steps`, `losses` and
      `smoothed_losses`.

    Raises:
      UserError: if a run has no log.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, figure 4.7.
    """
    traced = [_trace(title, run_dir, smoothing) for title, run_dir in runs.items()]
    lasts = {one["title"]: one["smoothed_losses"][-1] for one in traced}
    best = min(lasts, key=lambda title: lasts[title])
    return Findings(
        name=NAME,
        numbers={"analysis": NAME, "curves": traced},
        figure=draw_losses(
            {one["title"]: (one["steps"], one["smoothed_losses"]) for one in traced}
        ),
        scalars=[
            (f"{one['title']}/smoothed_loss", step, loss)
            for one in traced
            for step, loss in zip(one["steps"], one["smoothed_losses"], strict=True)
        ],
        headline=f"{len(traced)} runs; {best} ends lowest, at {lasts[best]:.4f}",
    )


def draw_losses(curves: dict[str, tuple[list[int], list[float]]]) -> Figure:
    """Draws one line for each run.

    Args:
      curves: steps and losses by title.

    Returns:
      The figure.
    """
    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.subplots()
    for title, (steps, losses) in curves.items():
        axes.plot(steps, losses, lw=1.5, label=title)
    axes.set(xlabel="step", ylabel="training loss")
    axes.grid(color="#dddddd", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def _trace(title: str, run_dir: str, smoothing: float) -> dict[str, Any]:
    """Returns the losses of a run."""
    log = read_log(run_dir)
    return {
        "title": title,
        "model": run_dir,
        "steps": log.steps.tolist(),
        "losses": log.losses.tolist(),
        "smoothed_losses": smooth(log.losses, smoothing).tolist(),
    }
