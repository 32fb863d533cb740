"""What pretraining is worth in labels, as curves and as one of three outcomes."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tfcolor.analysis.figures import BLUE, GRAY, RED, strip_axes
from tfcolor.analysis.findings import Findings
from tfcolor.analysis.learning_curve import read_result
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option
from tfcolor.metrics.intervals import LEVEL
from tfcolor.metrics.utility import (
    ABOVE,
    BELOW,
    EXACT,
    MARGIN,
    UNDECIDED,
    Outcome,
    Utility,
    label_utility,
    median_utility,
    name_outcome,
)

NAME = "utility"
PREFIX = "utility_"
"""Of the flags of its options."""
MARKERS = {EXACT: "o", ABOVE: "^", BELOW: "v"}


@dataclasses.dataclass(frozen=True)
class UtilityOptions:
    """Whose results utility compares."""

    scratch: tuple[str, ...] = option(
        (),
        "results of training from scratch, each LABELS:FILE.json with the number of labelled images"
        " and a file that tfcolor evaluate wrote; one for each seed",
    )
    tuned: tuple[str, ...] = option((), "those of fine-tuning a pretrained network, likewise")
    metric: str = option("top1_accuracy", "which number of these files; a.b for b inside of a")
    margin: float = option(
        MARGIN, "difference of this number that counts as none", minimum=1e-6, maximum=1
    )


Curve = Mapping[int, Sequence[float]]
"""Accuracies of all seeds by number of labels."""


def measure_utility(options: UtilityOptions) -> Findings:
    """Compares fine-tuning with training from scratch over numbers of labels.

    Args:
      options: results of both.

    Returns:
      `scratch` and `tuned` (count, accuracies, median), `utilities` (count,
      utility, kind, text and those by seed), `outcome`, its `reason`, both as a
      `verdict`, and, if there are at least two seeds, the `chances` of each outcome
      and the intervals that it rests on.

    Raises:
      UsageError: if results are missing or not LABELS:FILE.json.
      UserError: if a file cannot be used, or seeds are missing.

    References:
      Newell, Deng. How Useful Is Self-Supervised Pretraining for Visual Tasks?
      CVPR 2020, figures 1 and 2.
    """
    scratch, tuned = (_read_curve(options, name) for name in ("scratch", "tuned"))
    utilities = {count: _utilities(scratch, count, values) for count, values in tuned.items()}
    outcome = _outcome(scratch, tuned, options.margin)
    medians = {count: median_utility(ones) for count, ones in utilities.items()}
    return Findings(
        name=NAME,
        numbers={
            "analysis": NAME,
            "metric": options.metric,
            "margin": options.margin,
            "level": LEVEL,
            "scratch": _points(scratch),
            "tuned": _points(tuned),
            "utilities": [
                {
                    "count": count,
                    **_as_record(medians[count]),
                    "by_seed": [_as_record(one) for one in ones],
                }
                for count, ones in utilities.items()
            ],
            "outcome": outcome.name,
            "reason": outcome.reason,
            "verdict": outcome.verdict,
            "chances": dict(outcome.chances),
            **{
                name: [dataclasses.asdict(one) for one in getattr(outcome, name)]
                for name in ("differences", "scratch_gains", "tuned_gains")
            },
        },
        figure=draw_utility(scratch, tuned, utilities, outcome, options.metric),
        scalars=[("utility", count, one.value) for count, one in medians.items()],
        headline=f"{outcome.verdict}; utility "
        + ", ".join(f"{one} with {count} labels" for count, one in medians.items()),
    )


def draw_utility(
    scratch: Curve,
    tuned: Curve,
    utilities: Mapping[int, Sequence[Utility]],
    outcome: Outcome,
    metric: str,
) -> Figure:
    """Draws both curves, and the utility below.

    Args:
      scratch: accuracies of training from scratch by number of labels.
      tuned: those of fine-tuning.
      utilities: of all seeds by number of labels; bounds are triangles that point
        to where the utility lies.
      outcome: for the title.
      metric: what the accuracies are.

    Returns:
      The figure, with a logarithmic axis of labels.
    """
    figure = Figure(figsize=(6.4, 6.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for color, label, curve in ((GRAY, "from scratch", scratch), (BLUE, "fine-tuned", tuned)):
        deviations = [np.std(values, ddof=1) if len(values) > 1 else 0 for values in curve.values()]
        means = [np.mean(values) for values in curve.values()]
        upper.errorbar(
            list(curve), means, deviations, fmt="o-", color=color, capsize=4, label=label
        )
    upper.set(ylabel=metric.replace("_", " "))
    upper.set_title(outcome.verdict.replace("; ", "\n"), fontsize=9, wrap=True)
    upper.legend(frameon=False)
    for count, ones in utilities.items():
        for one in ones:
            lower.plot(count, one.value, MARKERS[one.kind], color=RED, alpha=0.5)
    medians = [median_utility(ones).value for ones in utilities.values()]
    lower.plot(list(utilities), medians, color=RED, lw=1.5)
    lower.axhline(0, color=GRAY, ls="--", lw=1.2)
    lower.set(xlabel="labelled images", ylabel="utility", xscale="log")
    counts = sorted({*scratch, *tuned})
    lower.set_xticks(counts, [str(count) for count in counts])
    lower.minorticks_off()
    for axes in (upper, lower):
        strip_axes(axes, "both")
    return figure


def _read_curve(options: UtilityOptions, name: str) -> dict[int, list[float]]:
    """Returns the accuracies of all seeds by number of labels, in rising order."""
    texts: tuple[str, ...] = getattr(options, name)
    flag = f"--{PREFIX}{name}"
    if not texts:
        raise UsageError(f"{flag} is not given: name results as LABELS:FILE.json")
    found: dict[int, list[float]] = {}
    for text in texts:
        result = read_result(text, options.metric, name, "LABELS", PREFIX)
        found.setdefault(result["step"], []).append(result["value"])
    if 0 in found:
        raise UsageError(f"{flag}: expected positive numbers of labels")
    numbers = {len(values) for values in found.values()}
    if len(numbers) > 1:
        raise UserError(
            f"{flag} has {' or '.join(map(str, sorted(numbers)))} results for a number of labels:"
            " expected the same seeds for all"
        )
    return dict(sorted(found.items()))


def _utilities(scratch: Curve, count: int, values: Sequence[float]) -> list[Utility]:
    """Returns the utility of each seed, by the median curve of training from scratch."""
    medians = [np.median(ones) for ones in scratch.values()]
    return [label_utility(list(scratch), medians, count, value) for value in values]


def _outcome(scratch: Curve, tuned: Curve, margin: float) -> Outcome:
    """Returns the outcome over the numbers of labels that both curves have."""
    counts = [count for count in scratch if count in tuned]
    if len(counts) < 2:
        return Outcome(UNDECIDED, "fewer than two numbers of labels are shared")
    own, other = (np.transpose([curve[count] for count in counts]) for curve in (scratch, tuned))
    if min(len(own), len(other)) < 2:
        return Outcome(UNDECIDED, "a single seed tells nothing of noise")
    return name_outcome(counts, own, other, margin=margin)


def _points(curve: Curve) -> list[dict[str, Any]]:
    """Returns a curve for the JSON file."""
    return [
        {"count": count, "accuracies": list(values), "median": float(np.median(values))}
        for count, values in curve.items()
    ]


def _as_record(utility: Utility) -> dict[str, Any]:
    """Returns a utility for the JSON file."""
    return {"utility": utility.value, "kind": utility.kind, "text": str(utility)}
