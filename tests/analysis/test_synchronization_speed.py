import dataclasses
import json

import numpy as np
import pytest

from tests.training.test_synchronization import ends_one_by_one
from tfcolor.analysis.synchronization_speed import (
    SynchronizationSpeedOptions,
    draw_speeds,
    read_step_times,
    show_synchronization_speed,
    simulate_speeds,
)
from tfcolor.core.errors import UsageError, UserError

FIXED = SynchronizationSpeedOptions(workers=(4,), spread=0.0, num_steps=100)


def by_mode(options):
    return {one.mode: one for one in simulate_speeds(options)}


def test_fixed_times_give_the_rates_of_arithmetic():
    found = by_mode(FIXED)
    # Two workers of a task with steps of 1 s, two with 3 s, 8 images each.
    assert found["hybrid"].images_per_second == pytest.approx(2 * 8 * (1 + 1 / 3), rel=0.01)
    assert found["synchronous"].images_per_second == pytest.approx(4 * 8 / 3, rel=0.01)
    assert found["asynchronous"].images_per_second == pytest.approx(2 * 8 * (1 + 1 / 3), rel=0.01)
    assert found["hybrid"].updates_per_second == pytest.approx((1, 1 / 3), rel=0.01)
    assert found["synchronous"].staleness == 0
    # In 3 s: three updates of one step read nothing older, or one; the slow one misses three.
    assert found["hybrid"].staleness == pytest.approx((3 + 1) / 4, abs=0.05)
    assert found["asynchronous"].staleness > 2 * found["hybrid"].staleness


def test_waiting_costs_what_the_largest_of_many_draws_costs():
    options = SynchronizationSpeedOptions(
        workers=(1, 32), step_seconds=(1.0,), spread=0.3, num_steps=400
    )
    found = {(one.mode, one.workers): one for one in simulate_speeds(options)}
    draws = np.exp(0.3 * np.random.default_rng(5).standard_normal([20_000, 32]))
    expected = 8 * 32 / draws.max(axis=1).mean()
    assert found["synchronous", 32].images_per_second == pytest.approx(expected, rel=0.03)
    alone = found["synchronous", 1].images_per_second
    assert found["asynchronous", 32].images_per_second == pytest.approx(32 * alone, rel=0.1)


def test_backups_drop_the_slowest_and_shorten_steps():
    options = SynchronizationSpeedOptions(
        workers=(32,), step_seconds=(1.0,), spread=0.5, num_steps=300
    )
    plain = by_mode(options)["hybrid"]
    spared = by_mode(dataclasses.replace(options, num_backups=2))["hybrid"]
    assert spared.dropped == pytest.approx(2 / 32)
    assert spared.updates_per_second[0] > 1.2 * plain.updates_per_second[0]
    # Who is left behind is late for the next steps, too.
    draws = np.exp(0.5 * np.random.default_rng(5).standard_normal([32, 400]))
    expected = 400 / ends_one_by_one(draws, 30)[-1]
    assert spared.updates_per_second[0] == pytest.approx(expected, rel=0.03)


def test_measured_times_are_drawn_from_files(tmp_path):
    paths = [tmp_path / "fast.txt", tmp_path / "slow.txt"]
    paths[0].write_text("0.5\n\n0.5\n")
    paths[1].write_text("2\n")
    found = simulate_speeds(FIXED, [read_step_times(str(path)) for path in paths])
    (hybrid,) = [one for one in found if one.mode == "hybrid"]
    assert hybrid.updates_per_second == pytest.approx((2, 0.5), rel=0.02)


@pytest.mark.parametrize(
    ("text", "message"),
    [("1\nfast\n", "line 2: 'fast'; expected a positive"), ("", "no step times"), ("-1", "line 1")],
)
def test_files_of_anything_else_are_refused(tmp_path, text, message):
    path = tmp_path / "times.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_step_times(str(path))
    with pytest.raises(UserError, match="cannot read"):
        read_step_times(str(tmp_path / "missing.txt"))


def test_clusters_that_are_too_small_are_refused():
    with pytest.raises(UsageError, match=r"--synchronization_workers=1: 2 tasks have 0 workers"):
        simulate_speeds(dataclasses.replace(FIXED, workers=(1,)))
    with pytest.raises(UsageError, match="expected more than --synchronization_num_backups=2"):
        simulate_speeds(dataclasses.replace(FIXED, num_backups=2))
    with pytest.raises(UsageError, match=r"--synchronization_step_seconds=1\.0,0: expected"):
        simulate_speeds(dataclasses.replace(FIXED, step_seconds=(1.0, 0)))
    with pytest.raises(UsageError, match="--synchronization_workers is empty"):
        simulate_speeds(dataclasses.replace(FIXED, workers=()))


def test_a_cluster_that_makes_no_update_is_refused():
    options = SynchronizationSpeedOptions(workers=(64,), spread=3.0, num_steps=1)
    draws = (dataclasses.replace(options, seed=seed) for seed in range(20))
    with pytest.raises(UsageError, match=r"num_steps=1: 64 \w+ workers make no update"):
        for one in draws:
            simulate_speeds(one)


def test_findings_show_every_cluster():
    findings = show_synchronization_speed(dataclasses.replace(FIXED, workers=(2, 4)))
    numbers = json.loads(json.dumps(findings.numbers))
    assert [(one["mode"], one["workers"]) for one in numbers["clusters"]] == [
        (mode, count) for mode in ("hybrid", "synchronous", "asynchronous") for count in (2, 4)
    ]
    assert "with 4 workers hybrid makes 2.00 times" in findings.headline
    axes = draw_speeds(simulate_speeds(FIXED)).axes
    assert [len(one.lines) for one in axes] == [3, 3]
