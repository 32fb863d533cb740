"""Who waits for whom: groups of workers, and the order of their updates."""

import functools
import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from tfcolor.core.errors import UsageError

MODES = ("hybrid", "synchronous", "asynchronous")


class Place(NamedTuple):
    """One of the workers of a task.

    Attributes:
      task: number of the task.
      worker: number of this one among those of the task, from 0.
      num_workers: how many these are.
    """

    task: int
    worker: int
    num_workers: int


class Group(NamedTuple):
    """Workers whose gradients are applied together, at parameters that all of them read.

    Attributes:
      places: its workers, those of one task after those of another.
    """

    places: tuple[Place, ...]

    @property
    def tasks(self) -> tuple[int, ...]:
        """Returns the numbers of its tasks, each once, in order."""
        return tuple(dict.fromkeys(place.task for place in self.places))

    def places_of(self, task: int) -> tuple[Place, ...]:
        """Returns its workers of one task."""
        return tuple(place for place in self.places if place.task == task)


def plan_groups(mode: str, workers: Sequence[int]) -> tuple[Group, ...]:
    """Returns who waits for whom.

    Args:
      mode: "hybrid" for a group of each task's workers, "synchronous" for one
        group of all, "asynchronous" for a group of each worker.
      workers: how many each task has, at least 1.

    Returns:
      The groups, in the order of the tasks.

    Raises:
      ValueError: if the mode is none of these, or a task has no worker.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 5 (hybrid aggregation).

    Example:
      >>> [group.tasks for group in plan_groups("hybrid", (2, 1))]
      [(0,), (1,)]
      >>> [len(group.places) for group in plan_groups("synchronous", (2, 1))]
      [3]
    """
    if not workers or min(workers) < 1:
        raise ValueError(f"workers={tuple(workers)}: expected at least 1 for each task")
    own = [
        tuple(Place(task, index, count) for index in range(count))
        for task, count in enumerate(workers)
    ]
    places = [place for of_task in own for place in of_task]
    if mode == "hybrid":
        return tuple(Group(of_task) for of_task in own)
    if mode == "synchronous":
        return (Group(tuple(places)),)
    if mode == "asynchronous":
        return tuple(Group((place,)) for place in places)
    raise ValueError(f"mode={mode!r}: expected one of {', '.join(MODES)}")


def fewest_workers(groups: Sequence[Group]) -> int:
    """Returns the smallest number of workers that a group has of one task.

    Args:
      groups: as planned.

    Returns:
      At least 1; backup workers must be fewer.

    Example:
      >>> fewest_workers(plan_groups("hybrid", (4, 3)))
      3
    """
    return min(len(group.places_of(task)) for group in groups for task in group.tasks)


def share_evenly(num_tasks: int, num_workers: int) -> tuple[int, ...]:
    """Shares workers out among tasks, the first of which have one more if it is not even.

    Example:
      >>> share_evenly(2, 5)
      (3, 2)
    """
    return tuple(len(range(task, num_workers, num_tasks)) for task in range(num_tasks))


def share_workers(given: Sequence[int], num_tasks: int, num_workers: int) -> tuple[int, ...]:
    """Returns how many workers each task has.

    Args:
      given: what the user says; empty to share all of them out.
      num_tasks: of the run.
      num_workers: of the cluster.

    Returns:
      One number for each task; the first tasks have more where it does not come
      out even.

    Raises:
      UsageError: if there are too few workers, or not a number for each task.
    """
    text = f"--task_workers={','.join(map(str, given))}"
    if not given:
        shared = share_evenly(num_tasks, num_workers)
        if 0 in shared:
            raise UsageError(
                f"{num_tasks} tasks and {num_workers} workers in TF_CONFIG: expected a worker for"
                " each task at least"
            )
        return shared
    if len(given) != num_tasks or min(given) < 1:
        raise UsageError(f"{text}: expected {num_tasks} numbers from 1, one for each task")
    if sum(given) > num_workers:
        raise UsageError(f"{text}: TF_CONFIG has {num_workers} workers, fewer than {sum(given)}")
    return tuple(given)


class UpdateEvent(NamedTuple):
    """One update of the shared parameters.

    Attributes:
      seconds: when, since the start.
      group: number of the group whose gradients are applied.
      step: how many updates of this group came before.
      places: the workers whose gradients are in it.
      staleness: updates of other groups since this one read the parameters.
    """

    seconds: float
    group: int
    step: int
    places: tuple[Place, ...]
    staleness: int


StepTime: TypeAlias = Callable[[Place, int], float]
"""From a worker and the number of its step to how long it computes, seconds."""


def order_updates(
    groups: Sequence[Group], step_time: StepTime, num_backups: int = 0
) -> Iterator[UpdateEvent]:
    """Yields the updates of a cluster in the order of their times, without end.

    A group begins a step when its update before is applied, and ends it when all
    of its workers have finished but the slowest `num_backups` of each task. The
    gradients of those who have not finished by then are thrown away. They finish
    what they have begun before they are asked again, for the step that is due then.
    Of updates at the same time the first group's is first.

    Args:
      groups: who waits for whom.
      step_time: asked once for each worker and step, which it may not come to.
      num_backups: workers of each task and group that are not waited for.

    Yields:
      Updates.

    Raises:
      ValueError: if a group would wait for nobody.

    References:
      Chen, Monga, Bengio, Jozefowicz. Revisiting Distributed Synchronous SGD.
      ICLR Workshop 2016 (backup workers).
    """
    if not 0 <= num_backups < (fewest := fewest_workers(groups)):
        raise ValueError(
            f"num_backups={num_backups}: a group has {fewest} workers of a task, and has to wait"
            " for one at least"
        )
    queue: list[tuple[float, int, int, tuple[Place, ...]]] = []
    read = [0] * len(groups)
    free: dict[Place, float] = {}
    finish = functools.partial(_finish, free, step_time, num_backups)
    for number, group in enumerate(groups):
        end, places = finish(group, 0, 0.0)
        heapq.heappush(queue, (end, number, 0, places))
    applied = 0
    while True:
        now, number, step, places = heapq.heappop(queue)
        yield UpdateEvent(now, number, step, places, applied - read[number])
        applied += 1
        read[number] = applied
        end, places = finish(groups[number], step + 1, now)
        heapq.heappush(queue, (end, number, step + 1, places))


def _finish(
    free: dict[Place, float],
    step_time: StepTime,
    num_backups: int,
    group: Group,
    step: int,
    begin: float,
) -> tuple[float, tuple[Place, ...]]:
    """Returns when a step ends that a group begins, and who is in time.

    Notes when each worker has finished what it has begun.
    """
    starts = {place: max(begin, free.get(place, 0.0)) for place in group.places}
    ends = {place: start + step_time(place, step) for place, start in starts.items()}
    awaited: set[Place] = set()
    for task in group.tasks:
        order = sorted(group.places_of(task), key=lambda place: ends[place])
        awaited |= set(order[: len(order) - num_backups])
    last = max(ends[place] for place in awaited)
    # A slower task gives the backups of a faster one the time to be of use.
    kept = [place for place in group.places if place in awaited or ends[place] < last]
    # Who is busy with an earlier step until this one ends is not asked for it.
    free |= {place: ends[place] for place in ends if starts[place] < last or place in awaited}
    return last, tuple(kept)
