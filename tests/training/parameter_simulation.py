"""A cluster of one process: updates in a given order, computed with NumPy alone.

The independent reference of exchanges on parameter servers.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from tfcolor.training.synchronization import Group, Place, UpdateEvent


class Rule(Protocol):
    """An optimizer of one task: its own memory of what it updates."""

    def __call__(self, gradient: np.ndarray, is_trunk: bool) -> np.ndarray:
        """Returns what to add to the trunk or to the head.

        Args:
          gradient: float64 [...], of either.
          is_trunk: which of them.

        Returns:
          float64 [...] of the same shape.
        """


@dataclasses.dataclass(eq=False)
class SimulatedTask:
    """A task of a simulated run.

    Args:
      head: float64, its own parameters, of any shape.
      gradient: from trunk, head, place and step to the gradients of both.
      rule: its optimizer, which remembers.
    """

    head: np.ndarray
    gradient: Callable[[np.ndarray, np.ndarray, Place, int], tuple[np.ndarray, np.ndarray]]
    rule: Rule


class ParameterSimulation:
    """Tasks that share a trunk as on a cluster, in one process and in a given order.

    Every group computes at the trunk and heads that it last read; it reads after
    an update of its own, and never in between.

    Args:
      groups: who waits for whom.
      tasks: by number; their heads change.
      trunk: float64, the shared parameters, of any shape.

    Attributes:
      trunk: the shared parameters as they are now.
    """

    def __init__(
        self, groups: Sequence[Group], tasks: Sequence[SimulatedTask], trunk: np.ndarray
    ) -> None:
        self.trunk = np.array(trunk, np.float64)
        self._groups, self._tasks = groups, tasks
        self._read = [self._snapshot(group) for group in groups]

    def apply(self, event: UpdateEvent) -> None:
        """Makes one update and lets its group read the parameters anew.

        Args:
          event: whose gradients are in it; its time does not matter.
        """
        trunk, heads = self._read[event.group]
        for task in self._groups[event.group].tasks:
            own, places = self._tasks[task], [one for one in event.places if one.task == task]
            pairs = [own.gradient(trunk, heads[task], place, event.step) for place in places]
            trunk_gradient = np.mean([pair[0] for pair in pairs], axis=0)
            head_gradient = np.mean([pair[1] for pair in pairs], axis=0)
            self.trunk = self.trunk + own.rule(trunk_gradient, True)
            own.head = own.head + own.rule(head_gradient, False)
        self._read[event.group] = self._snapshot(self._groups[event.group])

    def _snapshot(self, group: Group) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        """Returns the parameters that a group reads now."""
        return self.trunk.copy(), {task: self._tasks[task].head.copy() for task in group.tasks}
