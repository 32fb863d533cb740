"""How fast a cluster is that waits for its workers, simulated from their step times."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tfcolor.analysis.findings import Findings
from tfcolor.core.errors import UsageError, UserError
from tfcolor.core.options import option
from tfcolor.training.synchronization import (
    MODES,
    Place,
    order_updates,
    plan_groups,
    share_evenly,
)

NAME = "synchronization_speed"


@dataclasses.dataclass(frozen=True)
class SynchronizationSpeedOptions:
    """Which clusters synchronization_speed simulates."""

    workers: tuple[int, ...] = option(
        (2, 4, 8, 16, 32, 64), "workers of the clusters, shared out evenly among the tasks"
    )
    step_seconds: tuple[float, ...] = option(
        (1.0, 3.0), "median time in which a worker of each task computes a step"
    )
    spread: float = option(
        0.2, "standard deviation of the logarithm of a worker's step times", minimum=0, maximum=3
    )
    step_times: tuple[str, ...] = option(
        (),
        "measured step times, one for each task, in place of --synchronization_step_seconds and"
        " --synchronization_spread: a file with a number of seconds in each line, or the folder of"
        " a run of one task that was trained with --log_every_steps=1",
    )
    num_backups: int = option(
        0, "slowest workers of each step and task that are not waited for", minimum=0
    )
    examples_per_worker: int = option(8, "images in a worker's step", minimum=1)
    num_steps: int = option(200, "steps of a worker of the slowest task, about", minimum=10)
    seed: int = option(0, "of the drawn step times", minimum=0)


@dataclasses.dataclass(frozen=True)
class Speed:
    """What a simulated cluster does.

    Args:
      mode: who waits for whom.
      workers: of the cluster.
      images_per_second: whose gradients are in an update.
      updates_per_second: of each task.
      staleness: mean number of updates by other groups between reading and
        applying.
      dropped: share of gradients that are thrown away.
    """

    mode: str
    workers: int
    images_per_second: float
    updates_per_second: tuple[float, ...]
    staleness: float
    dropped: float


def simulate_speeds(
    options: SynchronizationSpeedOptions, measured: Sequence[np.ndarray] = ()
) -> list[Speed]:
    """Simulates each cluster under each way of waiting.

    Args:
      options: step times and clusters.
      measured: float64 [N], step times of each task in seconds, which are drawn from
        in place of those of the options.

    Returns:
      One result for each mode and number of workers, mode by mode. Asynchronous
      workers have nobody to leave behind and take no backups.

    Raises:
      UsageError: if there is no cluster, one is too small for its tasks and
        backups, or one makes no update.
    """
    if not options.workers:
        raise UsageError("--synchronization_workers is empty: expected sizes of clusters")
    draw, num_tasks = _step_times(options, measured)
    return [
        _simulate(mode, count, options, draw, num_tasks)
        for mode in MODES
        for count in options.workers
    ]


def show_synchronization_speed(
    options: SynchronizationSpeedOptions, measured: Sequence[np.ndarray] = ()
) -> Findings:
    """Draws images per second and staleness over the number of workers.

    Args:
      options: step times and clusters.
      measured: float64 [N] each, as `simulate_speeds` takes them.

    Returns:
      `clusters`: of each its `mode`, `workers` and what `Speed` has.

    Raises:
      UsageError: if there is no cluster, one is too small for its tasks and
        backups, or one makes no update.

    References:
      Doersch, Zisserman. Multi-task Self-Supervised Visual Learning. ICCV 2017,
      section 5.
    """
    speeds = simulate_speeds(options, measured)
    largest = max(options.workers)
    last = {one.mode: one.images_per_second for one in speeds if one.workers == largest}
    gain = last["hybrid"] / last["synchronous"]
    return Findings(
        name=NAME,
        numbers={
            "analysis": NAME,
            **dataclasses.asdict(options),
            "clusters": [dataclasses.asdict(one) for one in speeds],
        },
        figure=draw_speeds(speeds),
        scalars=[
            (f"{one.mode}/{name}", one.workers, getattr(one, name))
            for one in speeds
            for name in ("images_per_second", "staleness")
        ],
        headline=f"with {largest} workers hybrid makes {gain:.2f} times the images of synchronous",
    )


def draw_speeds(speeds: Sequence[Speed]) -> Figure:
    """Draws images per second beside staleness, a line for each mode.

    Args:
      speeds: of clusters of several sizes.

    Returns:
      The figure.
    """
    figure = Figure(figsize=(9.0, 4.0), layout="constrained")
    panels: Mapping[str, str] = {
        "images_per_second": "images per second",
        "staleness": "staleness, updates of others",
    }
    for axes, (name, label) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        for mode in MODES:
            own = [one for one in speeds if one.mode == mode]
            heights = [getattr(one, name) for one in own]
            axes.plot([one.workers for one in own], heights, marker="o", ms=3, label=mode)
        axes.set_xscale("log", base=2)
        if name == "images_per_second":
            axes.set_yscale("log")
        else:
            axes.set_yscale("symlog")
            axes.set_ylim(bottom=-0.2)
        axes.set(xlabel="workers", ylabel=label)
        axes.grid(color="#dddddd", lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return figure


def read_step_times(path: str) -> np.ndarray:
    """Reads measured step times.

    Args:
      path: a text file, a number in each line.

    Returns:
      float64 [N], seconds.

    Raises:
      UserError: if it cannot be read, is empty or has anything but positive
        numbers; names the line.
    """
    try:
        lines = Path(path).read_text().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--synchronization_step_times: cannot read {path}: {error}") from error
    seconds = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = float(line)
        except ValueError:
            value = -1.0
        if not (np.isfinite(value) and value > 0):
            raise UserError(f"{path}, line {number}: {line!r}; expected a positive number")
        seconds.append(value)
    if not seconds:
        raise UserError(f"{path} has no step times: expected a number of seconds in each line")
    return np.array(seconds)


Draw = Callable[[np.random.Generator, int], float]
"""From random numbers and a task to a step time, seconds."""


def _step_times(
    options: SynchronizationSpeedOptions, measured: Sequence[np.ndarray]
) -> tuple[Draw, int]:
    """Returns what draws step times, and the number of tasks."""
    if measured:
        return lambda random_numbers, task: float(random_numbers.choice(measured[task])), len(
            measured
        )
    medians = options.step_seconds
    if not medians or min(medians) <= 0:
        raise UsageError(
            f"--synchronization_step_seconds={','.join(map(str, medians))}: expected a positive"
            " number for each task"
        )
    spread = options.spread
    return lambda random_numbers, task: float(
        medians[task] * np.exp(spread * random_numbers.standard_normal())
    ), len(medians)


def _simulate(
    mode: str, count: int, options: SynchronizationSpeedOptions, draw: Draw, num_tasks: int
) -> Speed:
    """Simulates one cluster."""
    workers = share_evenly(num_tasks, count)
    backups = 0 if mode == "asynchronous" else options.num_backups
    if min(workers) <= backups:
        raise UsageError(
            f"--synchronization_workers={count}: {num_tasks} tasks have {min(workers)} workers"
            f" each, expected more than --synchronization_num_backups={backups}"
        )
    random_numbers = np.random.default_rng([options.seed, count])

    def step_time(place: Place, step: int) -> float:
        del step
        return draw(random_numbers, place.task)

    groups = plan_groups(mode, workers)
    slowest = max(draw(random_numbers, task) for task in range(num_tasks) for _ in range(100))
    end = options.num_steps * slowest / 2
    events = itertools.takewhile(
        lambda event: event.seconds <= end, order_updates(groups, step_time, backups)
    )
    kept = made = updates = stale = 0
    by_task = [0] * num_tasks
    for event in events:
        kept, made = kept + len(event.places), made + len(groups[event.group].places)
        updates, stale = updates + 1, stale + event.staleness
        for task in groups[event.group].tasks:
            by_task[task] += 1
    if not updates:
        raise UsageError(
            f"--synchronization_num_steps={options.num_steps}: {count} {mode} workers make no"
            " update in that time, expected more steps"
        )
    return Speed(
        mode,
        count,
        kept * options.examples_per_worker / end,
        tuple(number / end for number in by_task),
        stale / updates,
        1 - kept / made,
    )
