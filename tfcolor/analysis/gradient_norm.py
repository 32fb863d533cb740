"""Training loss and the norm of its gradient over time."""

import numpy as np
from matplotlib.figure import Figure

from tfcolor.analysis.figures import GRAY, RED
from tfcolor.analysis.findings import Findings
from tfcolor.analysis.learning_curve import find_drops, read_log, smooth
from tfcolor.core.errors import UserError

NAME = "gradient_norm"


def trace_gradient(run_dir: str, smoothing: float) -> Findings:
    """Draws the loss of a run and the norm of its gradient.

    Args:
      run_dir: the run's folder.
      smoothing: weight of the past in both curves, in [0, 1).

    Returns:
      `rate_drops` (the first logged step with each lower rate), `steps`, `losses`,
      `gradient_norms` (Euclidean, over all parameters), and both smoothed.

    Raises:
      UserError: if the run has no log, or one without gradients.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, figure 4.4.
    """
    log = read_log(run_dir)
    if not np.isfinite(log.gradient_norms).any():
        raise UserError(f"{run_dir} has no gradient norms in metrics.jsonl")
    losses, norms = smooth(log.losses, smoothing), smooth(log.gradient_norms, smoothing)
    drops = find_drops(log)
    highest = int(np.nanargmax(norms))
    return Findings(
        name=NAME,
        numbers={
            "analysis": NAME,
            "model": run_dir,
            "rate_drops": [{"step": step, "learning_rate": rate} for step, rate in drops],
            "steps": log.steps.tolist(),
            "losses": log.losses.tolist(),
            "gradient_norms": log.gradient_norms.tolist(),
            "smoothed_losses": losses.tolist(),
            "smoothed_gradient_norms": norms.tolist(),
        },
        figure=draw_gradient_norm(log.steps, losses, norms, [step for step, _ in drops]),
        scalars=[],
        headline=f"gradient norm {norms[highest]:.3g} at its highest, in step"
        f" {log.steps[highest]}, {norms[-1]:.3g} at the end",
    )


def draw_gradient_norm(
    steps: np.ndarray, losses: np.ndarray, norms: np.ndarray, drops: list[int]
) -> Figure:
    """Draws both curves over the steps.

    Args:
      steps: int64 [N], in rising order.
      losses: float64 [N], drawn in gray.
      norms: float64 [N], drawn in red on an axis of their own.
      drops: steps at which the learning rate fell, dashed lines.

    Returns:
      The figure.
    """
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.plot(steps, losses, color=GRAY, lw=1.5)
    axes.set(xlabel="step", ylabel="training loss")
    axes.spines["top"].set_visible(False)
    for step in drops:
        axes.axvline(step, color=GRAY, ls="--", lw=1.2)
    right = axes.twinx()
    right.plot(steps, norms, color=RED, lw=1.5)
    right.set_ylabel("gradient norm", color=RED)
    right.set_ylim(bottom=0)
    right.spines["top"].set_visible(False)
    return figure
