"""The shape of alpha-beta divergences as losses on one activation."""

import dataclasses

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfcolor.analysis.figures import BLUE, RED
from tfcolor.analysis.findings import Findings
from tfcolor.core.options import option
from tfcolor.losses.alpha_beta import alpha_beta_terms

NAME = "divergence_shapes"
ANCHORS = (-2.0, 0.0, 2.0)
RANGE, NUM_SCORES = 5.0, 201
DIRECTIONS = {
    "squared distance": (0, 0),
    "Kullback-Leibler": (1, 0),
    "symmetric": (1, 1),
    "shift-invariant": (1, -1),
}
"""(alpha, beta) over t of the lines in the plane of divergences."""


@dataclasses.dataclass(frozen=True)
class DivergenceShapesOptions:
    """What divergence_shapes shows."""

    t: float = option(
        0.5, "how far along its line in the plane of (alpha, beta) each divergence lies", minimum=0
    )


def show_divergence_shapes(options: DivergenceShapesOptions) -> Findings:
    """Shows what a student loses by a score other than its teacher's.

    Args:
      options: which divergences.

    Returns:
      `scores`, from -5 to 5, `anchors`, and for each of four divergences its
      `alpha` and `beta`, and the loss at all scores of the student for each
      anchor of the teacher (`teacher_fixed`) and of the teacher for each anchor
      of the student (`student_fixed`).

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, figure 4.2, which does not say how far its
      divergences are from (0, 0).
    """
    scores = np.linspace(-RANGE, RANGE, NUM_SCORES)
    shapes = {name: _shape(scores, options.t, line) for name, line in DIRECTIONS.items()}
    return Findings(
        name=NAME,
        numbers={
            "analysis": NAME,
            "t": options.t,
            "scores": scores.tolist(),
            "anchors": list(ANCHORS),
            "divergences": {
                name: {
                    "alpha": alpha * options.t,
                    "beta": beta * options.t,
                    **{key: curves.tolist() for key, curves in shapes[name].items()},
                }
                for name, (alpha, beta) in DIRECTIONS.items()
            },
        },
        figure=draw_divergence_shapes(scores, shapes, options.t),
        scalars=[],
        headline=f"{len(shapes)} alpha-beta divergences at t = {options.t:g}",
    )


def draw_divergence_shapes(
    scores: np.ndarray, shapes: dict[str, dict[str, np.ndarray]], t: float
) -> Figure:
    """Draws each divergence in two plots, one below the other.

    Args:
      scores: float64 [N], the horizontal axis.
      shapes: by divergence `teacher_fixed` and `student_fixed`, float64
        [anchors, N].
      t: for the titles.

    Returns:
      Above in red, the student's score varies; below in blue, the teacher's.
    """
    figure = Figure(figsize=(2.6 * len(shapes), 4.6), layout="constrained")
    columns = figure.subplots(2, len(shapes), sharex=True, sharey=True, squeeze=False).T
    for pair, (name, curves) in zip(columns, shapes.items(), strict=True):
        alpha, beta = (t * factor for factor in DIRECTIONS[name])
        pair[0].set_title(f"{name}\n({alpha:g}, {beta:g})", fontsize=9)
        _draw_curves(pair[0], scores, curves["teacher_fixed"], RED, "student score")
        _draw_curves(pair[1], scores, curves["student_fixed"], BLUE, "teacher score")
    for axes, fixed in zip(columns[0], ("teacher", "student"), strict=True):
        axes.set_ylabel(f"loss, {fixed} at -2, 0, 2")
    return figure


def _shape(scores: np.ndarray, t: float, line: tuple[int, int]) -> dict[str, np.ndarray]:
    """Returns the losses of one divergence at all scores for each anchor."""
    alpha, beta = (t * factor for factor in line)
    fixed, varied = np.broadcast_arrays(np.array(ANCHORS)[:, None], scores)
    return {
        "teacher_fixed": alpha_beta_terms(fixed, varied, alpha, beta).numpy(),
        "student_fixed": alpha_beta_terms(varied, fixed, alpha, beta).numpy(),
    }


def _draw_curves(
    axes: Axes, scores: np.ndarray, curves: np.ndarray, color: str, label: str
) -> None:
    """Draws a curve for each anchor, as far as it is not too steep to show."""
    axes.plot(scores, curves.T, color=color, lw=1.5)
    axes.set(xlabel=label, xlim=(scores[0], scores[-1]), ylim=(0, 8))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", lw=0.6)
