"""Several tasks in one run: which of them a step is for, and with what weight."""

import dataclasses

from tfcolor.core.errors import UsageError
from tfcolor.training.options import JointOptions, OptimizationOptions

NORM_FREEZE_FRACTION, NORM_FREEZE_MIN_STEPS = 0.2, 1000
"""Where mean gradient sizes become constants on the way to the first rate drop. In a
short run a fifth of it can be before they have stopped growing; a size that was frozen
tenfold too small makes the updates tenfold too large."""


@dataclasses.dataclass(frozen=True)
class TaskOrder:
    """Which tasks each step updates by.

    Every task goes through its own sequence of batches, whatever the order: with
    a quantum of 1 the tasks see in M steps what they see together in one.

    Args:
      num_tasks: M.
      quantum: Q, the steps of a task before the next one's turn; 0 for all tasks
        in every step.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, section 4.5.4 (round-robin).

    Example:
      >>> order = TaskOrder(num_tasks=3, quantum=2)
      >>> [order.active(step)[0] for step in range(8)]
      [0, 0, 1, 1, 2, 2, 0, 0]
      >>> [order.steps_before(8, task) for task in range(3)]
      [4, 2, 2]
    """

    num_tasks: int
    quantum: int = 0

    @property
    def takes_turns(self) -> bool:
        """Whether a step is for one of several tasks."""
        return self.quantum > 0 and self.num_tasks > 1

    def active(self, step: int) -> tuple[int, ...]:
        """Returns the tasks of a step, by number.

        Args:
          step: number of updates made before it.

        Returns:
          All of them, or the one whose turn it is.
        """
        if not self.takes_turns:
            return tuple(range(self.num_tasks))
        return (step // self.quantum % self.num_tasks,)

    def steps_before(self, step: int, task: int) -> int:
        """Returns how many of the updates before a step a task took part in."""
        if not self.takes_turns:
            return step
        rounds, rest = divmod(step, self.quantum * self.num_tasks)
        own = min(max(rest - task * self.quantum, 0), self.quantum)
        return rounds * self.quantum + own

    def is_frozen(self, step: int, freeze_step: int) -> bool:
        """Tells whether a step divides gradients by constants (`GradientSizes`).

        Args:
          step: number of updates made before it.
          freeze_step: when all tasks would freeze together.

        Returns:
          True from the freeze on. A task that takes turns keeps what it had at the
          end of a turn, if the next one would begin at the freeze or later; each
          has one turn at least.
        """
        if not self.takes_turns:
            return step >= max(freeze_step, 1)
        begin = step - step % self.quantum
        return begin >= freeze_step and begin >= self.quantum * self.num_tasks


def build_task_order(options: JointOptions, num_tasks: int) -> TaskOrder:
    """Returns the order of tasks that the options name."""
    takes_turns = options.task_order == "round_robin"
    return TaskOrder(num_tasks, options.task_quantum if takes_turns else 0)


def weights_of_tasks(options: JointOptions, num_tasks: int) -> tuple[float, ...]:
    """Returns what the loss of each task is multiplied by.

    Args:
      options: with a weight for each task, or none at all.
      num_tasks: M.

    Returns:
      M factors.

    Raises:
      UsageError: if there are other than M weights.
    """
    weights = options.task_weights
    if weights and len(weights) != num_tasks:
        text = ",".join(f"{weight:g}" for weight in weights)
        raise UsageError(f"--task_weights={text}: expected {num_tasks} weights, one for each task")
    return weights or (1.0,) * num_tasks


def norm_freeze_step(options: OptimizationOptions, num_steps: int) -> int:
    """Returns the step from which mean gradient sizes are constants.

    Args:
      options: with the step, or with a schedule from which to take it.
      num_steps: length of the run.

    Returns:
      The given step; else a fifth of the way to the first drop, but step 1000 at
      least, unless the drop comes before. The drop is taken to be in the middle
      where none is known.
    """
    if options.norm_freeze_step >= 0:
        return options.norm_freeze_step
    drops = options.rate_drops if options.schedule == "steps" else ()
    first_drop = min([*drops, num_steps // 2]) if drops else num_steps // 2
    return min(first_drop, max(int(NORM_FREEZE_FRACTION * first_drop), NORM_FREEZE_MIN_STEPS))
