"""Tasks that make their targets anew, round by round."""

from collections.abc import Sequence
from typing import NamedTuple, cast

import tensorflow as tf

from tfcolor.tasks.base import RoundTask
from tfcolor.training.members import Member


class Round(NamedTuple):
    """What the beginning of a round has changed.

    Attributes:
      figures: of the round, by their full names.
      redrawn: variables of the task's head, of any shapes [...], that have begun anew.
    """

    figures: dict[str, float]
    redrawn: Sequence[tf.Variable]


class Rounds(tf.Module):
    """Begins the rounds of those tasks that have any.

    Its variables are the states of these tasks, so that a checkpoint holds them.

    Args:
      members: the tasks of a run.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        super().__init__(name="rounds")
        self._members = members
        self.states = [one.task.state for one in members if isinstance(one.task, RoundTask)]
        self._begun: dict[int, int] = {}

    def is_due(self, task: int, step: int) -> bool:
        """Tells whether a round is to begin that has not begun.

        Args:
          task: by number.
          step: of the task's own steps, how many were made.

        Returns:
          False for tasks without rounds.
        """
        member = self._members[task]
        if not isinstance(member.task, RoundTask):
            return False
        number, place = divmod(step, member.task.steps_per_round(member.batch_size))
        return not place and self._begun.get(task) != number

    def begin(self, task: int, step: int) -> Round:
        """Begins the round that is due.

        Args:
          task: by number, of a task with rounds.
          step: of the task's own steps, the first of a round.

        Returns:
          What has changed.
        """
        member = self._members[task]
        own = cast(RoundTask, member.task)
        number = step // own.steps_per_round(member.batch_size)
        self._begun[task] = number
        figures = own.begin_round(member.network, number, member.batch_size)
        return Round(
            {member.label(name): value for name, value in figures.items()},
            own.redrawn_variables(member.network),
        )
