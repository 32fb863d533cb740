"""The tasks of a run, each with its network and its batches."""

import dataclasses

import tensorflow as tf

from tfcolor.tasks.base import Task
from tfcolor.training.optimizers import SharedNetwork


@dataclasses.dataclass(frozen=True)
class Member:
    """One task of a run.

    Args:
      task: what is learned.
      network: a backbone, which all members share, and a head of its own; built
        inside the scope of the strategy, with all its variables made.
      batch_size: examples per step, over all replicas.
      seed: fixes order and views of its examples.
      name: for the records; empty for the only task of a run.
    """

    task: Task
    network: tf.keras.Model
    batch_size: int
    seed: int
    name: str = ""

    def label(self, figure: str) -> str:
        """Returns the name of one of its figures among those of all members."""
        return f"{self.name}/{figure}" if self.name else figure


def shared_network(backbone: tf.keras.Model, members: tuple[Member, ...]) -> SharedNetwork:
    """Returns what an update of these members changes.

    Args:
      backbone: the part that they share.
      members: the tasks of a run.

    Returns:
      Backbone and networks.
    """
    return SharedNetwork(
        backbone, tuple(one.network for one in members), tuple(one.name for one in members)
    )
