import numpy as np
import tensorflow as tf

from tfcolor.core.replicas import gather_replicas
from tfcolor.training.distribution import build_strategy
from tfcolor.training.options import DistributionOptions


def test_values_and_gradients_of_unequal_replicas():
    strategy = build_strategy(DistributionOptions(strategy="mirrored"))
    values = tf.reshape(tf.range(10.0), [5, 2])
    weights = tf.constant([1.0, 10.0, 100.0, 1000.0, 10000.0])

    @tf.function
    def step():
        def replica_step():
            place = tf.distribute.get_replica_context().replica_id_in_sync_group
            own = values[:2] if place == 0 else values[2:]
            with tf.GradientTape() as tape:
                tape.watch(own)
                gathered = gather_replicas(own)
                loss = tf.reduce_sum(gathered * weights[:, tf.newaxis]) * (
                    1 + 2 * tf.cast(place, tf.float32)
                )
            return gathered, tape.gradient(loss, own)

        gathered, gradients = strategy.run(replica_step)
        local = strategy.experimental_local_results
        return local(gathered), local(gradients)

    gathered, gradients = step()
    for one in gathered:
        np.testing.assert_array_equal(one, values)
    # Every value is in the losses of both replicas, once as it is and once threefold.
    expected = np.repeat(4 * weights.numpy()[:, np.newaxis], 2, axis=1)
    np.testing.assert_allclose(np.concatenate(gradients), expected, rtol=1e-6)


def test_outside_of_a_step_there_is_one_replica():
    values = tf.constant([[3, 1], [4, 1]], tf.int64)
    np.testing.assert_array_equal(gather_replicas(values), values)
    with build_strategy(DistributionOptions(strategy="mirrored")).scope():
        np.testing.assert_array_equal(gather_replicas(values), values)
