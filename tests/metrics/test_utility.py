import numpy as np
import pytest
from scipy import stats
from sklearn.isotonic import IsotonicRegression

from tfcolor.metrics import utility
from tfcolor.metrics.utility import (
    ALWAYS_BETTER,
    CONVERGES_EARLY,
    NO_BENEFIT,
    OTHER,
    SAME_PLATEAU,
    UNDECIDED,
    Utility,
    label_utility,
    median_utility,
    name_outcome,
)

COUNTS, SCRATCH = [100, 250, 1000, 4000], [0.40, 0.50, 0.65, 0.80]
SEEDS = np.array([[-1.0], [0.0], [1.0]])


@pytest.mark.parametrize(
    ("count", "accuracy", "utility"),
    [(250, 0.65, 3.0), (100, 0.45, 0.581139), (1000, 0.62, -0.242142)],
)
def test_golden_utilities(count, accuracy, utility):
    found = label_utility(COUNTS, SCRATCH, count, accuracy)
    assert found.kind == "exact"
    assert found.value == pytest.approx(utility, abs=1e-6)
    # The same by SciPy's inverse interpolation over log n.
    labels = np.exp(np.interp(accuracy, SCRATCH, np.log(COUNTS)))
    assert found.value == pytest.approx(labels / count - 1)


def test_what_lies_outside_of_the_curve_is_a_bound():
    assert str(label_utility(COUNTS, SCRATCH, 1000, 0.81)) == "> 3.00"
    assert str(label_utility(COUNTS, SCRATCH, 100, 0.81)) == "> 39.00"
    assert str(label_utility(COUNTS, SCRATCH, 250, 0.39)) == "< -0.60"
    assert str(label_utility(COUNTS, SCRATCH, 4000, 0.80)) == "0.00"


def test_a_dip_of_the_curve_is_evened_out():
    dipping = [0.4, 0.6, 0.5, 0.8]
    even = IsotonicRegression().fit_transform(COUNTS, dipping)
    assert even.tolist() == pytest.approx([0.4, 0.55, 0.55, 0.8])
    assert label_utility(COUNTS, dipping, 250, float(even[1])).value == 0  # the fewest labels
    found = label_utility(COUNTS, dipping, 1000, 0.7)
    share = (0.7 - 0.55) / (0.8 - 0.55)
    assert found.value == pytest.approx(4**share - 1)


def test_scratch_training_has_no_utility_over_itself():
    for count, accuracy in zip(COUNTS, SCRATCH, strict=True):
        assert label_utility(COUNTS, SCRATCH, count, accuracy) == Utility(0.0)


def test_bounds_are_at_the_ends_of_the_order():
    some = [Utility(5.0), Utility(0.1, "above"), Utility(0.2, "above"), Utility(-0.9, "below")]
    assert median_utility(some[:3]) == some[1]
    assert median_utility(some[:2]) == some[0]
    assert median_utility([*some[:2], some[3]]) == some[0]


def _named(scratch, tuned, spread=0.002, **options):
    counts = [500 * 2**index for index in range(len(scratch))]
    seeds = spread * SEEDS
    return name_outcome(counts, np.array(scratch) + seeds, np.array(tuned) - seeds, **options)


@pytest.mark.parametrize(
    ("scratch", "tuned", "name"),
    [
        ((0.1, 0.2, 0.3, 0.4), (0.2, 0.3, 0.38, 0.46), ALWAYS_BETTER),
        ((0.1, 0.3, 0.395, 0.4), (0.3, 0.38, 0.4, 0.401), SAME_PLATEAU),
        ((0.1, 0.2, 0.3, 0.4), (0.4, 0.4, 0.4, 0.4), SAME_PLATEAU),
        ((0.1, 0.2, 0.3, 0.4), (0.2, 0.25, 0.3, 0.4), CONVERGES_EARLY),
        ((0.1, 0.2, 0.3, 0.4), (0.2, 0.25, 0.35, 0.4), CONVERGES_EARLY),
        ((0.1, 0.2, 0.3, 0.4), (0.1, 0.2, 0.3, 0.4), NO_BENEFIT),
        ((0.1, 0.2, 0.3, 0.4), (0.05, 0.1, 0.3, 0.39), NO_BENEFIT),
        ((0.1, 0.2, 0.3, 0.4), (0.1, 0.3, 0.4, 0.5), UNDECIDED),
        ((0.1, 0.2, 0.3, 0.4), (0.2, 0.3, 0.35, 0.385), UNDECIDED),
    ],
)
def test_clear_curves_are_named(scratch, tuned, name):
    assert _named(scratch, tuned, margin=0.02).name == name


def test_chances_agree_with_what_is_certain_and_say_what_is_likely():
    sure = _named((0.1, 0.2, 0.3, 0.4), (0.2, 0.3, 0.38, 0.46))
    assert sure.chances == {ALWAYS_BETTER: 1.0}
    assert sure.verdict == f"{ALWAYS_BETTER}, better with every number of labels up to 4000"
    likely = _named((0.1, 0.2), (0.13, 0.23), spread=0.02)
    assert likely.name == UNDECIDED
    # By Student's distribution: both differences above the margin, nearly independent.
    one = stats.t.sf((0.01 - 0.03) / (0.02 * np.sqrt(2 / 3)), 8)
    assert likely.chances[ALWAYS_BETTER] == pytest.approx(one**2, abs=0.03)
    assert sum(likely.chances.values()) == pytest.approx(1)
    assert list(likely.chances.values()) == sorted(likely.chances.values(), reverse=True)
    chance = likely.chances[ALWAYS_BETTER]
    assert likely.verdict.endswith(f"500 labels; likeliest {ALWAYS_BETTER} ({chance:.0%})")
    growing = _named((0.1, 0.2, 0.3), (0.1, 0.3, 0.4))
    assert growing.name == UNDECIDED and growing.chances == {OTHER: 1.0}


def test_noisy_curves_have_no_name():
    for tuned in ((0.2, 0.3, 0.38, 0.46), (0.2, 0.25, 0.3, 0.4), (0.1, 0.2, 0.3, 0.4)):
        assert _named((0.1, 0.2, 0.3, 0.4), tuned, spread=0.08).name == UNDECIDED


def test_noise_is_seldom_named_an_outcome(monkeypatch):
    monkeypatch.setattr(utility, "_chances", lambda *_: {})  # not needed, and takes a while
    random_numbers = np.random.default_rng(0)
    names = []
    for _ in range(300):
        scratch, tuned = (
            np.array([0.1, 0.2, 0.3, 0.4]) + random_numbers.normal(0, 0.02, (3, 4))
            for _ in range(2)
        )
        names.append(name_outcome([500, 1000, 2000, 4000], scratch, tuned).name)
    named = [name for name in names if name not in (UNDECIDED, NO_BENEFIT)]
    assert len(named) < 0.05 * len(names)


def test_intervals_are_those_of_student_for_two_samples():
    scratch = np.array([[0.1, 0.2], [0.12, 0.24], [0.11, 0.2]])
    tuned = np.array([[0.2, 0.3], [0.21, 0.26]])
    outcome = name_outcome([100, 400], scratch, tuned)
    level = 1 - 0.05 / 4
    # With one number of labels, SciPy pools the two samples in the same way.
    alone = name_outcome([100, 400], scratch[:, [0, 0]], tuned[:, [0, 0]]).differences[0]
    expected = stats.ttest_ind(tuned[:, 0], scratch[:, 0])
    assert alone.mean == pytest.approx(0.095)
    half = expected.confidence_interval(level)
    ratio = stats.t.ppf((1 + level) / 2, 6) / stats.t.ppf((1 + level) / 2, 3)
    assert alone.high - alone.low == pytest.approx((half.high - half.low) * ratio)
    (gain,) = outcome.scratch_gains
    assert gain.mean == pytest.approx((scratch[:, 1] - scratch[:, 0]).mean() / 2)


def test_wrong_curves_are_refused():
    with pytest.raises(ValueError, match=r"counts \[2.0, 1.0\]: expected rising"):
        label_utility([2, 1], [0.1, 0.2], 1, 0.1)
    with pytest.raises(ValueError, match="expected as many"):
        label_utility([1, 2], [0.1], 1, 0.1)
    with pytest.raises(ValueError, match=r"tuned of shape \[1, 2\]: expected at least two seeds"):
        name_outcome([1, 2], np.zeros([2, 2]), np.zeros([1, 2]))
    with pytest.raises(ValueError, match="level 1"):
        name_outcome([1, 2], np.zeros([2, 2]), np.zeros([2, 2]), level=1)
