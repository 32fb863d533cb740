"""What the replicas of one step tell each other."""

import tensorflow as tf


def gather_replicas(values: tf.Tensor) -> tf.Tensor:
    """Returns the values of all replicas, one after the other.

    Gradients flow back to the replica that a value came from: they are summed
    over all replicas.

    Args:
      values: [B, ...], this replica's; B may differ between replicas.

    Returns:
      [N, ...] of the same dtype, the same in every replica; the values themselves
      where there is one replica, outside of a step, and in a worker of parameter
      servers, which knows nothing of the other workers.

    Example:
      >>> gather_replicas(tf.constant([3, 5])).numpy()
      array([3, 5], dtype=int32)
    """
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return values
    return replica.all_gather(values, axis=0)
