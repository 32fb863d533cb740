import itertools

import numpy as np
import pytest

from tests.training.parameter_simulation import ParameterSimulation, SimulatedTask
from tfcolor.core.errors import UsageError
from tfcolor.training.synchronization import (
    MODES,
    Place,
    order_updates,
    plan_groups,
    share_workers,
)


class Descent:
    """Gradient descent."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, gradient, is_trunk):
        return -self.rate * gradient


class RootMeanSquare:
    """RMSProp with epsilon inside of the root, and a memory that can be looked at."""

    def __init__(self, rate, rho=0.9, epsilon=1e-10):
        self.rate, self.rho, self.epsilon = rate, rho, epsilon
        self.slots = {True: 0.0, False: 0.0}

    def __call__(self, gradient, is_trunk):
        self.slots[is_trunk] = self.rho * self.slots[is_trunk] + (1 - self.rho) * gradient**2
        return -self.rate * gradient / np.sqrt(self.slots[is_trunk] + self.epsilon)


def parabola(target):
    """Returns the gradient of (trunk - target)^2 / 2 for every worker; heads stay."""
    return lambda trunk, head, place, step: (trunk - target, np.zeros_like(head))


def noisy(target):
    """Returns a gradient that depends on everything it is given."""

    def gradient(trunk, head, place, step):
        random_numbers = np.random.default_rng([place.task, place.worker, step])
        push = random_numbers.normal(size=trunk.shape)
        return trunk * head.sum() - target + push, head + push.sum()

    return gradient


def run(groups, tasks, events, trunk=0.0):
    """Returns the trunk after each event, and the simulation's tasks changed."""
    simulation = ParameterSimulation(groups, tasks, np.asarray(trunk))
    path = []
    for event in events:
        simulation.apply(event)
        path.append(simulation.trunk)
    return path


def fixed(*seconds):
    """Returns step times by task."""
    return lambda place, step: seconds[place.task]


def take(count, *arguments, **keywords):
    return list(itertools.islice(order_updates(*arguments, **keywords), count))


def two_parabolas():
    return [SimulatedTask(np.zeros(1), parabola(target), Descent(0.1)) for target in (1.0, -1.0)]


def test_golden_timeline_of_two_tasks():
    groups = plan_groups("hybrid", (1, 1))
    events = take(4, groups, fixed(1.0, 1.0))
    assert [event.group for event in events] == [0, 1, 0, 1]
    path = run(groups, two_parabolas(), events)
    np.testing.assert_allclose(path, [0.1, 0.0, 0.09, -0.01], atol=1e-12)


def test_golden_timeline_stays_where_it_is_if_all_wait_for_all():
    groups = plan_groups("synchronous", (1, 1))
    path = run(groups, two_parabolas(), take(4, groups, fixed(1.0, 1.0)))
    np.testing.assert_allclose(path, np.zeros(4), atol=1e-15)


def test_golden_of_two_tasks_with_a_memory_each_and_with_one_for_both():
    def push(scale):
        return lambda trunk, head, place, step: (
            np.float64(scale * (1.0, -2.0, 0.5)[step]),
            np.zeros_like(head),
        )

    totals = []
    for shares in (False, True):
        rules = [RootMeanSquare(0.01), RootMeanSquare(0.01)]
        rules[1] = rules[0] if shares else rules[1]
        tasks = [
            SimulatedTask(np.zeros(1), push(scale), rule)
            for scale, rule in zip((1000.0, 1.0), rules, strict=True)
        ]
        groups = plan_groups("hybrid", (1, 1))
        path = run(groups, tasks, take(6, groups, fixed(1.0, 1.0)))
        totals.append(path[-1])
    np.testing.assert_allclose(totals, [-0.0207517, -0.0105616], atol=5e-8)


@pytest.mark.parametrize("mode", MODES)
def test_one_task_alone_is_plain_training(mode):
    workers = (1,) if mode == "asynchronous" else (3,)
    groups = plan_groups(mode, workers)
    task = SimulatedTask(np.ones(2), noisy(0.5), RootMeanSquare(0.01))
    path = run(groups, [task], take(20, groups, fixed(1.0)), np.ones(4))
    trunk, head, rule = np.ones(4), np.ones(2), RootMeanSquare(0.01)
    for step, seen in enumerate(path):
        pairs = [noisy(0.5)(trunk, head, place, step) for place in groups[0].places]
        trunk = trunk + rule(sum(pair[0] for pair in pairs) / len(pairs), True)
        head = head + rule(sum(pair[1] for pair in pairs) / len(pairs), False)
        np.testing.assert_allclose(seen, trunk, rtol=1e-12)
    np.testing.assert_allclose(task.head, head, rtol=1e-12)


def test_an_update_leaves_the_heads_and_memories_of_others_alone():
    groups = plan_groups("hybrid", (2, 3))
    tasks = [SimulatedTask(np.ones(2), noisy(i), RootMeanSquare(0.01)) for i in (0.0, 1.0)]
    simulation = ParameterSimulation(groups, tasks, np.ones(4))
    for event in take(12, groups, fixed(1.0, 2.5)):
        other = tasks[1 - event.group]
        before = other.head.copy(), str(other.rule.slots)
        simulation.apply(event)
        np.testing.assert_array_equal(other.head, before[0])
        assert str(other.rule.slots) == before[1]


def test_step_times_change_nothing_but_the_order():
    groups = plan_groups("hybrid", (1, 1))
    fast_first, fast_last = (take(12, groups, fixed(*pair)) for pair in ((1, 2), (2, 1)))
    orders = [[event.group for event in events] for events in (fast_first, fast_last)]
    assert orders[0] == [0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1]
    assert orders[1] != orders[0]
    # The same order at other times is the same run.
    paths = [
        run(groups, two_parabolas(), take(12, groups, fixed(*pair))) for pair in ((1, 2), (3, 6))
    ]
    np.testing.assert_array_equal(*paths)
    # Tasks that do not share anything end where they end alone, whatever the order.
    for events in (fast_first, fast_last):
        alone = [SimulatedTask(np.zeros(1), head_only(t), Descent(0.1)) for t in (1.0, -1.0)]
        run(groups, alone, events)
        counts = [sum(event.group == group for event in events) for group in (0, 1)]
        for task, count, target in zip(alone, counts, (1.0, -1.0), strict=True):
            np.testing.assert_allclose(task.head, target * (1 - 0.9**count), rtol=1e-12)


def head_only(target):
    return lambda trunk, head, place, step: (np.zeros_like(trunk), head - target)


def test_order_and_staleness_of_a_fast_and_a_slow_task():
    events = take(5, plan_groups("hybrid", (1, 1)), fixed(1.0, 3.0))
    assert [(event.seconds, event.group) for event in events] == [
        (1, 0),
        (2, 0),
        (3, 0),
        (3, 1),
        (4, 0),
    ]
    assert [event.staleness for event in events] == [0, 0, 0, 3, 1]
    assert [event.step for event in events] == [0, 1, 2, 0, 3]


def test_all_wait_for_the_slowest_only_if_synchronous():
    times = fixed(1.0, 3.0)
    (event,) = take(1, plan_groups("synchronous", (2, 2)), times)
    assert (event.seconds, len(event.places), event.staleness) == (3.0, 4, 0)
    (event,) = take(1, plan_groups("asynchronous", (2, 2)), times)
    assert (event.seconds, event.places) == (1.0, (Place(0, 0, 2),))


def test_slowest_workers_of_a_step_are_not_waited_for():
    seconds = {0: 5.0, 1: 1.0, 2: 3.0, 3: 2.0}

    def step_time(place, step):
        return seconds[(place.worker + step) % 4]

    groups = plan_groups("hybrid", (4,))
    events = take(2, groups, step_time, num_backups=1)
    assert [event.seconds for event in events] == [3.0, 6.0]
    assert [[place.worker for place in event.places] for event in events] == [[1, 2, 3], [0, 1, 2]]
    with pytest.raises(ValueError, match="num_backups=4: a group has 4 workers of a task"):
        take(1, groups, step_time, num_backups=4)


def test_a_slower_task_gives_backups_of_a_faster_one_time():
    def step_time(place, step):
        return (1.0, 3.0)[place.task] + 0.01 * place.worker

    groups = plan_groups("synchronous", (4, 4))
    (first, second) = take(2, groups, step_time, num_backups=1)
    assert first.seconds == pytest.approx(3.02)  # of the third worker of the slow task
    kept = [(place.task, place.worker) for place in first.places]
    assert kept == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)]
    # The late one ends at 3.03, before it is asked for the second step.
    assert second.seconds == pytest.approx(6.04)
    assert len(second.places) == 7


def test_a_late_worker_finishes_before_it_is_asked_again():
    def step_time(place, step):
        return 3.0 if place.worker else 10.0 if step == 0 else 1.0

    groups = plan_groups("hybrid", (2,))
    events = take(5, groups, step_time, num_backups=1)
    assert [event.seconds for event in events] == [3.0, 6.0, 9.0, 11.0, 12.0]
    assert [event.places[0].worker for event in events] == [1, 1, 1, 0, 0]


@pytest.mark.parametrize(("num_workers", "num_backups"), [(4, 1), (8, 3), (3, 0)])
def test_backups_agree_with_workers_that_run_one_by_one(num_workers, num_backups):
    generator = np.random.default_rng(num_workers)
    times = generator.lognormal(0, 1, (num_workers, 200))
    groups = plan_groups("hybrid", (num_workers,))
    events = take(200, groups, lambda place, step: times[place.worker, step], num_backups)
    expected = ends_one_by_one(times, num_workers - num_backups)
    np.testing.assert_allclose([event.seconds for event in events], expected)


def ends_one_by_one(times, wanted):
    """Returns when each step has enough answers, worker by worker and event by event."""
    num_workers, num_steps = times.shape
    busy = [(times[worker, 0], worker, 0) for worker in range(num_workers)]
    idle, answers, ends = set(), 0, []
    while len(ends) < num_steps:
        busy.sort()
        now, worker, step = busy.pop(0)
        idle.add(worker)
        answers += step == len(ends)
        if answers == wanted:
            ends.append(now)
            answers = 0
        elif step == len(ends):
            continue
        due = len(ends)
        asked = idle if not answers and ends and ends[-1] == now else {worker}
        busy += [(now + times[one, due], one, due) for one in asked if due < num_steps]
        idle -= asked
    return ends


def test_a_dropped_gradient_is_not_in_the_mean():
    groups = plan_groups("hybrid", (2,))

    def gradient(trunk, head, place, step):
        return np.array([1.0 + 9 * place.worker]), np.zeros(1)

    task = SimulatedTask(np.zeros(1), gradient, Descent(1.0))
    events = take(1, groups, lambda place, step: 1.0 + place.worker, num_backups=1)
    np.testing.assert_array_equal(run(groups, [task], events, [0.0])[0], [-1.0])


@pytest.mark.parametrize("mode", MODES)
def test_every_worker_is_in_one_group(mode):
    groups = plan_groups(mode, (2, 1, 3))
    places = [place for group in groups for place in group.places]
    assert sorted(places) == [Place(t, i, n) for t, n in enumerate((2, 1, 3)) for i in range(n)]


def test_mistakes_in_a_plan_are_named():
    with pytest.raises(ValueError, match="mode='random': expected one of hybrid"):
        plan_groups("random", (1,))
    with pytest.raises(ValueError, match="at least 1 for each task"):
        plan_groups("hybrid", (1, 0))


def test_workers_are_shared_out():
    assert share_workers((), 2, 5) == (3, 2)
    assert share_workers((1, 2), 2, 5) == (1, 2)
    with pytest.raises(UsageError, match="3 tasks and 2 workers in TF_CONFIG"):
        share_workers((), 3, 2)
    with pytest.raises(UsageError, match=r"--task_workers=1: expected 2 numbers"):
        share_workers((1,), 2, 5)
    with pytest.raises(UsageError, match=r"--task_workers=3,3: TF_CONFIG has 5 workers"):
        share_workers((3, 3), 2, 5)
