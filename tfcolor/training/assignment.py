"""Giving variables new values where each replica runs."""

from collections.abc import Sequence

import tensorflow as tf


def assign_in_replicas(pairs: Sequence[tuple[tf.Variable, tf.Tensor]]) -> None:
    """Assigns to variables in each replica, whatever their aggregation.

    To be called in a replica; each gives its own copy a value of its own, which are
    to be equal.

    Args:
      pairs: variables of any shape [...], and their values, of the same shape and dtype.
    """

    def assign(
        strategy: tf.distribute.Strategy,
        variables: Sequence[tf.Variable],
        values: Sequence[tf.Tensor],
    ) -> None:
        for variable, value in zip(variables, values, strict=True):
            strategy.extended.update(variable, _assign, args=(value,), group=False)

    if pairs:
        variables, values = map(list, zip(*pairs, strict=True))
        tf.distribute.get_replica_context().merge_call(assign, args=(variables, values))


def _assign(variable: tf.Variable, value: tf.Tensor) -> None:
    """Assigns to one copy of a variable."""
    variable.assign(value)
