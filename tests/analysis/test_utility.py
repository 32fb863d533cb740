import json

import pytest

from tfcolor.analysis.utility import UtilityOptions, measure_utility
from tfcolor.core.errors import UsageError, UserError

SCRATCH = {100: 0.40, 250: 0.50, 1000: 0.65, 4000: 0.80}
TUNED = {100: 0.45, 250: 0.65, 1000: 0.7, 4000: 0.85}


@pytest.fixture
def write(tmp_path):
    """Returns what writes a curve for some seeds and gives LABELS:FILE of each result."""

    def write(name, curve, deviations=(0.0,)):
        texts = []
        for seed, deviation in enumerate(deviations):
            for count, accuracy in curve.items():
                path = tmp_path / f"{name}_{count}_{seed}.json"
                path.write_text(json.dumps({"top1_accuracy": accuracy + deviation}))
                texts.append(f"{count}:{path}")
        return tuple(texts)

    return write


def test_curves_utilities_and_outcome(write):
    spread = (-0.002, 0.0, 0.002)
    options = UtilityOptions(write("scratch", SCRATCH, spread), write("tuned", TUNED, spread))
    findings = measure_utility(options)
    numbers = findings.numbers
    assert [point["median"] for point in numbers["tuned"]] == list(TUNED.values())
    texts = {one["count"]: one["text"] for one in numbers["utilities"]}
    assert texts == {100: "0.58", 250: "3.00", 1000: "0.59", 4000: "> 0.00"}
    golden = numbers["utilities"][0]
    assert golden["utility"] == pytest.approx(0.581139, abs=1e-6)
    assert len(golden["by_seed"]) == 3
    assert numbers["outcome"] == "a) always better"
    assert numbers["differences"][0]["mean"] == pytest.approx(0.05)
    assert json.loads(json.dumps(numbers)) == numbers
    upper, lower = findings.figure.axes
    assert [container.get_label() for container in upper.containers] == [
        "from scratch",
        "fine-tuned",
    ]
    assert "always better" in upper.get_title()
    markers = [line.get_marker() for line in lower.lines]
    assert markers.count("^") == 3 and markers.count("o") == 9
    assert ("utility", 100, golden["utility"]) in findings.scalars


def test_one_seed_gives_utilities_without_an_outcome(write):
    options = UtilityOptions(write("scratch", SCRATCH), write("tuned", {250: 0.65}))
    numbers = measure_utility(options).numbers
    assert numbers["utilities"][0]["text"] == "3.00"
    assert numbers["outcome"] == "undecided" and "fewer than two" in numbers["reason"]
    options = UtilityOptions(options.scratch, write("tuned", TUNED))
    assert "single seed" in measure_utility(options).numbers["reason"]


def test_mistakes_are_named(write):
    scratch, tuned = write("scratch", SCRATCH), write("tuned", TUNED)
    with pytest.raises(UsageError, match="--utility_tuned is not given: name results as LABELS"):
        measure_utility(UtilityOptions(scratch))
    with pytest.raises(UsageError, match=r"--utility_scratch=x: expected LABELS:FILE\.json"):
        measure_utility(UtilityOptions(("x",), tuned))
    with pytest.raises(UsageError, match="expected positive numbers of labels"):
        measure_utility(UtilityOptions((f"0:{scratch[0].split(':')[1]}",), tuned))
    with pytest.raises(UserError, match="--utility_tuned has 1 or 2 results for a number"):
        measure_utility(UtilityOptions(scratch, (*tuned, tuned[0])))
    with pytest.raises(UserError, match=r"--utility_metric=f1: .* has no such number"):
        measure_utility(UtilityOptions(scratch, tuned, metric="f1"))
