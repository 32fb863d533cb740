"""Tasks that make their targets anew, round by round."""

from collections.abc import Sequence

import tensorflow as tf

from tfcolor.tasks.base import RoundTask
from tfcolor.training.members import Member


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

    def begin(self, task: int, step: int) -> dict[str, float] | None:
        """Begins a round if this is its first step, once.

        Args:
          task: by number.
          step: of the task's own steps, how many were made.

        Returns:
          The figures of the round by their full names; None where none begins.
        """
        member = self._members[task]
        if not isinstance(member.task, RoundTask):
            return None
        number, place = divmod(step, member.task.steps_per_round(member.batch_size))
        if place or self._begun.get(task) == number:
            return None
        self._begun[task] = number
        figures = member.task.begin_round(member.network, number, member.batch_size)
        return {member.label(name): value for name, value in figures.items()}
