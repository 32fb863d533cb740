import pytest

from tfcolor.core.errors import UsageError
from tfcolor.training.joint import (
    TaskOrder,
    build_task_order,
    norm_freeze_step,
    weights_of_tasks,
)
from tfcolor.training.options import JointOptions, OptimizationOptions
from tfcolor.training.schedules import scheduled_rate


def test_published_turns():
    # Specification 21.18: ten tasks, a quantum of 10,000 and 200,000 steps.
    order = TaskOrder(num_tasks=10, quantum=10_000)
    steps = (0, 10_000, 95_000, 100_000, 199_999)
    assert [order.active(step) for step in steps] == [(0,), (1,), (9,), (0,), (9,)]
    options = OptimizationOptions(learning_rate=1.0, rate_drops=(100_000, 150_000))
    for task in range(10):
        rates = [
            scheduled_rate(options, step)
            for step in range(0, 200_000, 100)
            if order.active(step) == (task,)
        ]
        second = pytest.approx(0.1 if task < 5 else 0.01)
        assert rates[:100] == [1.0] * 100
        # The step that equals a drop still has the rate before it.
        assert rates[101:] == [second] * 99


@pytest.mark.parametrize(("num_tasks", "quantum"), [(1, 0), (3, 0), (3, 1), (2, 4), (1, 5)])
def test_steps_of_a_task_are_counted(num_tasks, quantum):
    order = TaskOrder(num_tasks, quantum)
    made = [0] * num_tasks
    for step in range(30):
        assert [order.steps_before(step, task) for task in range(num_tasks)] == made
        for task in order.active(step):
            made[task] += 1


def test_all_tasks_freeze_together():
    order = TaskOrder(num_tasks=3)
    assert [order.is_frozen(step, 4) for step in range(6)] == [False] * 4 + [True] * 2
    assert [order.is_frozen(step, 0) for step in range(2)] == [False, True]


def test_tasks_that_take_turns_freeze_between_them():
    # Specification 13.4: with these numbers every task freezes after its first turn.
    order = TaskOrder(num_tasks=10, quantum=10_000)
    frozen = [order.is_frozen(step, 20_000) for step in range(0, 200_000, 5_000)]
    assert frozen == [False] * 20 + [True] * 20
    order = TaskOrder(num_tasks=2, quantum=3)
    # The turn from 6 on begins before the freeze and goes on past it.
    assert [order.is_frozen(step, 8) for step in range(12)] == [False] * 9 + [True] * 3


def test_together_is_no_turn():
    assert build_task_order(JointOptions(), 3) == TaskOrder(3, 0)
    options = JointOptions(task_order="round_robin", task_quantum=7)
    assert build_task_order(options, 3) == TaskOrder(3, 7)
    assert not build_task_order(options, 1).takes_turns


def test_weights_are_one_for_each_task():
    assert weights_of_tasks(JointOptions(), 2) == (1.0, 1.0)
    assert weights_of_tasks(JointOptions(task_weights=(2.0, 0.5)), 2) == (2.0, 0.5)
    with pytest.raises(UsageError, match=r"--task_weights=2,0\.5: expected 3 weights"):
        weights_of_tasks(JointOptions(task_weights=(2.0, 0.5)), 3)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"rate_drops": (100_000, 150_000)}, 20_000),
        ({"rate_drops": (1_000_000,)}, 20_000),  # never reached: as if in the middle
        ({"rate_drops": ()}, 20_000),
        ({"schedule": "cosine", "rate_drops": (10,)}, 20_000),
        ({"norm_freeze_step": 0}, 0),
        ({"norm_freeze_step": 77}, 77),
    ],
)
def test_the_freeze_is_on_the_way_to_the_first_drop(options, expected):
    assert norm_freeze_step(OptimizationOptions(**options), 200_000) == expected


@pytest.mark.parametrize(
    ("first_drop", "expected"), [(10_000, 2000), (4000, 1000), (1000, 1000), (300, 300)]
)
def test_short_runs_freeze_late(first_drop, expected):
    options = OptimizationOptions(rate_drops=(first_drop,))
    assert norm_freeze_step(options, 2 * first_drop) == expected
