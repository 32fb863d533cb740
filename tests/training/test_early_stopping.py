import dataclasses
import math
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.training.early_stopping import EarlyStopping, FoundSchedule
from tfcolor.training.options import OptimizationOptions
from tfcolor.training.schedules import scheduled_rate


def _state(stopping):
    return [variable.numpy().tolist() for variable in stopping.variables]


def _scores(seed, count=60):
    """Scores that rise, level off and repeat, with some NaN among them."""
    random = np.random.default_rng(seed)
    scores = np.round(np.minimum(np.arange(count) / 9, 1) + random.normal(0, 0.15, count), 1)
    return np.where(random.random(count) < 0.05, np.nan, scores).tolist()


def _reference(scores, *, patience, max_drops, window, min_steps, every):
    """The rule, by looking back over everything seen: (drop steps, best step)."""
    looks = [
        (float(np.mean(scores[end - window : end])), every * (end - 1))
        for end in range(window, len(scores) + 1, window)
    ]
    best, best_step, waited, drops = -math.inf, -1, 0, []
    for score, step in looks:
        if score > best:
            best, best_step, waited = score, step, 0
        elif step >= min_steps:
            waited += 1
        if waited == patience:
            drops.append(step)
            waited = 0
        if len(drops) > max_drops:
            break
    return drops, best_step


def test_drops_after_the_patience_and_ends_at_the_plateau_after_the_last():
    stopping = EarlyStopping(patience=2, max_drops=1)
    scores = [0.1, 0.3, 0.3, 0.2, 0.5, 0.4, 0.5]
    seen = []
    for number, score in enumerate(scores):
        is_best = stopping.observe(score, 10 * number)
        seen.append((is_best, stopping.drops, stopping.is_over))
    assert [best for best, _, _ in seen] == [True, True, False, False, True, False, False]
    assert [drops for _, drops, _ in seen] == [0, 0, 0, 1, 1, 1, 2]
    assert [over for _, _, over in seen] == [False] * 6 + [True]
    assert (stopping.best_score, stopping.best_step) == (0.5, 40)
    assert stopping.found_schedule() == FoundSchedule((29,), num_steps=60, best_step=40)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("window", "min_steps"), [(1, 0), (3, 0), (1, 140), (2, 77)])
def test_agrees_with_the_rule_applied_to_the_whole_history(seed, window, min_steps):
    patience, max_drops, scores = 1 + seed % 3, seed % 4, _scores(seed)
    stopping = EarlyStopping(patience, max_drops, window=window, min_steps=min_steps)
    for number, score in enumerate(scores):
        if stopping.is_over:
            break
        stopping.observe(score, 7 * number)
    drops, best_step = _reference(
        scores,
        patience=patience,
        max_drops=max_drops,
        window=window,
        min_steps=min_steps,
        every=7,
    )
    assert stopping.best_step == best_step
    assert stopping.drops == len(drops)
    assert stopping.is_over == (len(drops) == max_drops + 1)
    if stopping.is_over:
        found = stopping.found_schedule()
        assert found.rate_drops == tuple(step - 1 for step in drops[:-1])
        assert found.num_steps == drops[-1]


def test_replay_has_the_rate_of_every_update():
    options = OptimizationOptions(learning_rate=0.5, schedule="plateau", warmup_steps=4)
    stopping = EarlyStopping(patience=1, max_drops=2)
    scores = [0.1, 0.2, 0.2, 0.3, 0.1, 0.2]
    rates, step = [], 0
    for score in scores:
        stopping.observe(score, step)
        if stopping.is_over:
            break
        rates += [scheduled_rate(options, step + ahead, stopping.drops) for ahead in range(5)]
        step += 5
    found = stopping.found_schedule()
    replay = found.replay(options)
    assert found == FoundSchedule((9, 19), num_steps=25, best_step=15)
    assert [scheduled_rate(replay, update) for update in range(found.num_steps)] == rates
    assert len(set(rates[4:])) == 3
    unchanged = dataclasses.replace(replay, schedule="plateau", rate_drops=options.rate_drops)
    assert unchanged == options


def test_a_window_averages_and_ends_with_its_last_score():
    stopping = EarlyStopping(patience=1, max_drops=0, window=2)
    seen = [stopping.observe(score, step) for step, score in enumerate([0.0, 1.0, 0.75, 0.0])]
    assert seen == [False, True, False, False]
    assert (stopping.best_score, stopping.best_step) == (0.5, 1)
    assert stopping.found_schedule() == FoundSchedule((), num_steps=3, best_step=1)


def test_nan_is_no_improvement_and_does_not_last():
    stopping = EarlyStopping(patience=5, max_drops=0, window=2)
    for step, score in enumerate([math.nan, 1.0, 0.5, 0.5]):
        stopping.observe(score, step)
    assert (stopping.best_score, stopping.best_step) == (0.5, 3)


def test_before_its_first_look_there_is_no_best():
    stopping = EarlyStopping(patience=1, max_drops=2)
    assert (stopping.best_score, stopping.best_step, stopping.drops) == (-math.inf, -1, 0)
    with pytest.raises(ValueError, match="0 drops so far: expected the end of training"):
        stopping.found_schedule()


def test_a_repeated_look_changes_nothing():
    stopping = EarlyStopping(patience=2, max_drops=1, window=3)
    for step, score in enumerate(_scores(0, 8)):
        stopping.observe(score, step)
        state = _state(stopping)
        assert not stopping.observe(99.0, step)
        np.testing.assert_equal(_state(stopping), state)


def test_steps_must_not_go_back_or_past_the_end():
    stopping = EarlyStopping(patience=1, max_drops=0)
    stopping.observe(0.5, 10)
    with pytest.raises(ValueError, match="step 9: expected at least 10"):
        stopping.observe(0.9, 9)
    stopping.observe(0.5, 20)
    assert not stopping.observe(0.5, 20)
    with pytest.raises(ValueError, match="step 30: expected none, training was over at step 20"):
        stopping.observe(0.9, 30)


@pytest.mark.parametrize(
    "numbers", [(0, 1, 1, 0), (1, -1, 1, 0), (1, 1, 0, 0), (1, 1, 1, -1)], ids=str
)
def test_numbers_are_checked(numbers):
    patience, max_drops, window, min_steps = numbers
    with pytest.raises(ValueError, match=f"patience={patience}, window={window}"):
        EarlyStopping(patience, max_drops, window=window, min_steps=min_steps)


@pytest.mark.parametrize("seed", range(4))
def test_goes_on_from_a_checkpoint_after_any_look(seed, tmp_path):
    def make():
        return EarlyStopping(2, 2, window=1 + seed % 2, min_steps=9)

    whole, resumed = make(), make()
    for step, score in enumerate(_scores(seed, 40)):
        if whole.is_over:
            break
        is_best = whole.observe(score, step)
        prefix = tf.train.Checkpoint(stopping=resumed).write(str(tmp_path / "state"))
        resumed = make()
        tf.train.Checkpoint(stopping=resumed).read(prefix).assert_consumed()
        assert resumed.observe(score, step) == is_best
        np.testing.assert_equal(_state(resumed), _state(whole))
    assert whole.is_over
    assert resumed.found_schedule() == whole.found_schedule()


KILLED = """
import os, sys
import tensorflow as tf
from tfcolor.training.early_stopping import EarlyStopping
stopping = EarlyStopping(1, 1)
manager = tf.train.CheckpointManager(tf.train.Checkpoint(stopping=stopping), sys.argv[1], 1)
for step, score in enumerate([0.1, 0.1, 0.2, 0.2]):
    stopping.observe(score, step)
    if step == 2:
        os.kill(os.getpid(), 9)
    manager.save(step)
"""


def test_survives_being_killed_between_a_look_and_its_checkpoint(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(command, env=environment, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    stopping = EarlyStopping(1, 1)
    newest = tf.train.latest_checkpoint(str(tmp_path))
    tf.train.Checkpoint(stopping=stopping).restore(newest)
    assert (stopping.drops, stopping.best_step) == (1, 0)
    for step, score in ((2, 0.2), (3, 0.2)):
        stopping.observe(score, step)
    assert stopping.found_schedule() == FoundSchedule((0,), num_steps=3, best_step=2)
