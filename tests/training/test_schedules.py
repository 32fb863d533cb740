import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.training.options import OptimizationOptions
from tfcolor.training.schedules import Plateau, scheduled_rate

OPTIONS = OptimizationOptions(learning_rate=0.8, rate_drops=(4, 7), drop_factor=0.5)


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 0.8), (3, 0.8), (4, 0.8), (5, 0.4), (7, 0.4), (8, 0.2), (10**6, 0.2)]
)
def test_rate_falls_after_the_step_that_equals_a_drop(step, rate):
    assert scheduled_rate(OPTIONS, step) == pytest.approx(rate)


def test_published_schedule():
    options = OptimizationOptions()
    steps = (0, 1_000_000, 1_000_001, 1_500_001, 1_750_000, 1_750_001)
    rates = [scheduled_rate(options, step) for step in steps]
    np.testing.assert_allclose(rates, [1e-3, 1e-3, 1e-4, 1e-5, 1e-5, 1e-6])


def test_warmup_grows_linearly_from_a_tenth():
    options = dataclasses.replace(OPTIONS, warmup_steps=3)
    rates = [scheduled_rate(options, step) for step in range(5)]
    np.testing.assert_allclose(rates, [0.08, 0.32, 0.56, 0.8, 0.8])


def test_each_schedule_ignores_what_drives_the_other():
    plateau = dataclasses.replace(OPTIONS, schedule="plateau")
    assert scheduled_rate(plateau, 100, plateau_drops=1) == pytest.approx(0.4)
    assert scheduled_rate(plateau, 100) == pytest.approx(0.8)
    assert scheduled_rate(OPTIONS, 0, plateau_drops=5) == pytest.approx(0.8)


def test_cosine_falls_from_the_first_rate_to_nothing():
    cosine = dataclasses.replace(OPTIONS, schedule="cosine")
    rates = [scheduled_rate(cosine, step, num_steps=6) for step in range(8)]
    expected = [0.8 * (1 + np.cos(np.pi * step / 6)) / 2 for step in range(7)]
    np.testing.assert_allclose(rates, [*expected, 0], atol=1e-12)
    assert rates[3] == pytest.approx(0.4)


def test_plateau_drops_after_the_patience_and_then_ends():
    plateau = Plateau(patience=2, max_drops=1)
    losses = [3.0, 2.0, 2.0, 2.5, 1.0, 1.5, 1.2, 1.1]
    seen = [(plateau.observe(loss, step), int(plateau.drops)) for step, loss in enumerate(losses)]
    bests = [True, True, False, False, True, False, False, False]
    drops = [0, 0, 0, 1, 1, 1, 2, 2]
    assert seen == list(zip(bests, drops, strict=True))
    assert (float(plateau.best), int(plateau.best_step)) == (1.0, 4)
    assert plateau.is_over


def test_plateau_is_not_over_at_its_last_drop():
    plateau = Plateau(patience=1, max_drops=1)
    plateau.observe(1.0, 0)
    plateau.observe(1.0, 1)
    assert int(plateau.drops) == 1
    assert not plateau.is_over


def test_nan_is_no_improvement():
    plateau = Plateau(patience=1, max_drops=0)
    assert not plateau.observe(math.nan, 0)
    assert plateau.observe(5.0, 1)


def test_plateau_goes_on_from_a_checkpoint(tmp_path):
    losses = [0.1, 0.2, 0.3, 0.05, 0.06, 0.07, 0.08, 0.09]
    whole = Plateau(patience=2, max_drops=1)
    for step, loss in enumerate(losses):
        whole.observe(loss, step)
    first, second = Plateau(patience=2, max_drops=1), Plateau(patience=2, max_drops=1)
    for step, loss in enumerate(losses[:2]):
        first.observe(loss, step)
    prefix = tf.train.Checkpoint(plateau=first).write(str(tmp_path / "plateau"))
    tf.train.Checkpoint(plateau=second).read(prefix).assert_consumed()
    for step, loss in enumerate(losses[2:], start=2):
        second.observe(loss, step)
    assert [v.numpy() for v in second.variables] == [v.numpy() for v in whole.variables]
    assert second.is_over


def test_looks_before_the_fewest_steps_do_not_wait():
    plateau = Plateau(patience=1, max_drops=1, min_steps=3)
    drops = []
    for step, loss in enumerate([2.0, 2.0, 1.0, 1.0, 1.0]):
        plateau.observe(loss, step)
        drops.append(int(plateau.drops))
    assert drops == [0, 0, 0, 1, 2]
    assert int(plateau.best_step) == 2
