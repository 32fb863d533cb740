"""What pretraining is worth in labels: utility, and which of three outcomes it has."""

import dataclasses
import itertools
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tfcolor.metrics.intervals import LEVEL, Interval, draw_means, pooled_quantile

EXACT, ABOVE, BELOW = "exact", "above", "below"
_SIGNS = {EXACT: "", ABOVE: "> ", BELOW: "< "}

ALWAYS_BETTER = "a) always better"
SAME_PLATEAU = "b) better with few labels, equal on the plateau"
CONVERGES_EARLY = "c) equal before the plateau"
NO_BENEFIT = "no benefit"
UNDECIDED = "undecided"
OTHER = "none of the three"
"""What curves are that would be undecided if they were known exactly."""

MARGIN = 0.01
"""Differences of accuracies that count as none."""

RISES, FLAT, UNCLEAR = "rises", "flat", "unclear"

Intervals = tuple[list[Interval], list[Interval], list[Interval]]
"""Of the differences, and of the gains from scratch and after pretraining."""


@dataclasses.dataclass(frozen=True)
class Utility:
    """The extra labels that pretraining replaces, as a fraction of those used.

    Args:
      value: U, at least -1; 0 for no benefit, 1 for twice the labels.
      kind: "exact", or "above" or "below" where the curve of training from
        scratch ends before it meets the accuracy, so that `value` is a bound.

    Example:
      >>> print(Utility(3.0), Utility(0.5, "above"), Utility(-0.25, "below"))
      3.00 > 0.50 < -0.25
    """

    value: float
    kind: str = EXACT

    def __str__(self) -> str:
        """Returns it with two decimals, a bound with its sign."""
        return f"{_SIGNS[self.kind]}{self.value:.2f}"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Which of the three outcomes the curves of a pretext task show.

    Args:
      name: one of the three, "no benefit", or "undecided".
      reason: what the name rests on, or what forbids one.
      differences: fine-tuned less from scratch, for each number of labels.
      scratch_gains: of training from scratch between neighboring numbers of
        labels, for each doubling of the labels.
      tuned_gains: those of fine-tuning.
      chances: of each name, or "none of the three", in falling order; their sum is 1.
    """

    name: str
    reason: str
    differences: tuple[Interval, ...] = ()
    scratch_gains: tuple[Interval, ...] = ()
    tuned_gains: tuple[Interval, ...] = ()
    chances: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Tells the name, and as long as it is undecided the likeliest one, and why."""
        text = f"{self.name}, {self.reason}"
        if self.name != UNDECIDED or not self.chances:
            return text
        name, chance = next(iter(self.chances.items()))
        return f"{text}; likeliest {name} ({chance:.0%})"


def label_utility(counts: ArrayLike, scratch: ArrayLike, count: float, accuracy: float) -> Utility:
    """Returns how many more labels training from scratch needs for an accuracy.

    The curve of scratch training is made monotone by isotonic regression, and
    interpolated linearly over the logarithm of the number of labels. Where it is
    flat, the fewest labels count.

    Args:
      counts: float [N], rising numbers of labels of the curve, positive.
      scratch: float [N], accuracy of training from scratch with each.
      count: labels that the pretrained network was fine-tuned with, positive.
      accuracy: its accuracy.

    Returns:
      The utility, a bound where the accuracy lies outside of the curve.

    Raises:
      ValueError: if the counts do not rise from a positive number, or are not as
        many as the accuracies.

    Example:
      >>> print(label_utility([100, 250, 1000], [0.4, 0.5, 0.65], 250, 0.65))
      3.00
      >>> print(label_utility([100, 250, 1000], [0.4, 0.5, 0.65], 250, 0.7))
      > 3.00

    References:
      Newell, Deng. How Useful Is Self-Supervised Pretraining for Visual Tasks?
      CVPR 2020, section 3.
    """
    from sklearn.isotonic import isotonic_regression  # slow to import

    labels, accuracies = _checked_curve(counts, scratch)
    curve = isotonic_regression(accuracies)
    if accuracy > curve[-1]:
        return Utility(float(labels[-1] / count - 1), ABOVE)
    if accuracy < curve[0]:
        return Utility(float(labels[0] / count - 1), BELOW)
    upper = int(np.searchsorted(curve, accuracy, side="left"))
    if curve[upper] == accuracy:
        return Utility(float(labels[upper] / count - 1))
    share = (accuracy - curve[upper - 1]) / (curve[upper] - curve[upper - 1])
    low, high = np.log(labels[upper - 1 : upper + 1])
    return Utility(float(np.exp(low + share * (high - low)) / count - 1))


def median_utility(utilities: Sequence[Utility]) -> Utility:
    """Returns the median over seeds; the lower of two in the middle.

    Args:
      utilities: of each seed, at least one. A lower bound counts as larger than
        all others, an upper bound as smaller.

    Returns:
      One of them.

    Example:
      >>> print(median_utility([Utility(0.5), Utility(0.2, "above"), Utility(1.0)]))
      1.00
    """
    ranks = {BELOW: -1, EXACT: 0, ABOVE: 1}
    keys = [(ranks[one.kind], one.value, index) for index, one in enumerate(utilities)]
    return utilities[statistics.median_low(keys)[2]]


def name_outcome(
    counts: ArrayLike,
    scratch: ArrayLike,
    tuned: ArrayLike,
    *,
    margin: float = MARGIN,
    level: float = LEVEL,
) -> Outcome:
    """Names the outcome of pretraining, if the seeds suffice to tell.

    Intervals of differences are Student's, of the deviation between seeds pooled
    over all numbers of labels and both curves, and widened after Bonferroni so
    that all of them hold together with probability `level`. Two accuracies are
    equal if the interval of their difference lies within the margin; a curve is
    flat if that of its gain from doubling the labels does not exceed it.

    (a) is named if fine-tuning is better with every number of labels. Else it has
    to be better with the fewest and equal from some number on: (b) if training
    from scratch is flat from there on, (c) if it still rises. Where the curves
    meet at their ends, it is asked instead whether fine-tuning had been flat or
    rose up to there.

    How likely each name is whatever the level is the share of draws of the true
    means, given these seeds, whose curves have it by the same rules.

    Args:
      counts: float [N], rising numbers of labels, positive; N at least 2.
      scratch: float [S, N], accuracies by seed of training from scratch.
      tuned: float [S', N], those of fine-tuning; S and S' at least 2.
      margin: difference of accuracies that counts as none, positive.
      level: probability with which all intervals hold, in (0, 1).

    Returns:
      The outcome with all intervals and chances.

    Raises:
      ValueError: if the shapes do not fit, or there are too few seeds or numbers
        of labels.

    References:
      Newell, Deng. How Useful Is Self-Supervised Pretraining for Visual Tasks?
      CVPR 2020, figure 1.
    """
    own, others = (np.asarray(one, np.float64) for one in (scratch, tuned))
    labels, _ = _checked_curve(counts, own.mean(axis=0))
    intervals = _intervals(labels, own, others, level)
    differences, *gains = map(tuple, intervals)
    chances = _chances(labels, own, others, margin)
    return Outcome(*_judge(labels, intervals, margin), differences, gains[0], gains[1], chances)


def _chances(
    labels: np.ndarray, scratch: np.ndarray, tuned: np.ndarray, margin: float
) -> dict[str, float]:
    """Returns how often each name is that of curves that these may be, in falling order."""
    draws = zip(*draw_means((scratch, tuned)), strict=True)
    names = Counter(_judge(labels, _compare(labels, *means), margin)[0] for means in draws)
    return {
        OTHER if name == UNDECIDED else name: count / names.total()
        for name, count in names.most_common()
    }


def _compare(
    labels: np.ndarray, scratch: np.ndarray, tuned: np.ndarray, halves: Sequence[float] = (0, 0, 0)
) -> Intervals:
    """Returns the intervals of two curves' means; a half is that of a difference."""
    doublings = np.diff(np.log2(labels))
    differences = [Interval.around(mean, halves[0]) for mean in tuned - scratch]
    gains = [
        [
            Interval.around(*pair)
            for pair in zip(np.diff(means) / doublings, half / doublings, strict=True)
        ]
        for means, half in ((scratch, halves[1]), (tuned, halves[2]))
    ]
    return differences, gains[0], gains[1]


def _judge(labels: np.ndarray, intervals: Intervals, margin: float) -> tuple[str, str]:
    """Returns the name of an outcome and why."""
    differences, scratch_gains, tuned_gains = intervals
    are_equal = [one.is_within(margin) for one in differences]
    are_better = [one.is_positive and not one.is_within(margin) for one in differences]
    if all(are_better):
        return ALWAYS_BETTER, f"better with every number of labels up to {labels[-1]:g}"
    if all(one.high <= margin for one in differences):
        return NO_BENEFIT, f"nowhere better by more than {margin:g}"
    if not are_better[0]:
        return UNDECIDED, f"not surely better with {labels[0]:g} labels"
    meeting = len(labels) - len(list(itertools.takewhile(bool, reversed(are_equal))))
    if not all(are_better[:meeting]):
        unsure = labels[are_better.index(False)]
        return UNDECIDED, f"neither surely better nor equal with {unsure:g} labels"
    if meeting < len(labels) - 1:
        courses = {_course(gain, margin) for gain in scratch_gains[meeting:]}
        where = f"equal from {labels[meeting]:g} labels on, where training from scratch"
    else:
        courses = {_course(tuned_gains[-1], margin)}
        where = f"equal with {labels[meeting]:g} labels, up to which fine-tuning"
    if RISES in courses:
        return CONVERGES_EARLY, f"{where} still rises"
    if UNCLEAR in courses:
        return UNDECIDED, f"{where} may rise or not"
    return SAME_PLATEAU, f"{where} is flat"


def _course(gain: Interval, margin: float) -> str:
    """Returns whether a curve rises or is flat, as far as can be told."""
    if gain.high <= margin:
        return FLAT
    return RISES if gain.is_positive else UNCLEAR


def _intervals(
    labels: np.ndarray, scratch: np.ndarray, tuned: np.ndarray, level: float
) -> Intervals:
    """Returns those of the differences and of both curves' gains per doubling."""
    for name, values in (("scratch", scratch), ("tuned", tuned)):
        if values.ndim != 2 or len(values) < 2 or values.shape[1] != len(labels):
            raise ValueError(
                f"{name} of shape {list(values.shape)}: expected at least two seeds of "
                f"{len(labels)} accuracies"
            )
    if len(labels) < 2 or not 0 < level < 1:
        raise ValueError(f"{len(labels)} counts, level {level}: expected two, and in (0, 1)")
    width = pooled_quantile((scratch, tuned), 3 * len(labels) - 2, level)
    shares = (1 / len(scratch) + 1 / len(tuned), 2 / len(scratch), 2 / len(tuned))
    halves = [float(width * np.sqrt(share)) for share in shares]
    return _compare(labels, scratch.mean(axis=0), tuned.mean(axis=0), halves)


def _checked_curve(counts: ArrayLike, accuracies: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Returns float64 [N] each; raises ValueError unless they are a curve."""
    labels, values = np.asarray(counts, np.float64), np.asarray(accuracies, np.float64)
    if labels.ndim != 1 or labels.shape != values.shape:
        raise ValueError(f"{labels.shape} counts, {values.shape} accuracies: expected as many")
    if not len(labels) or labels[0] <= 0 or np.any(np.diff(labels) <= 0):
        raise ValueError(f"counts {labels.tolist()}: expected rising positive numbers")
    return labels, values
