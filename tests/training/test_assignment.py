import numpy as np
import tensorflow as tf

from tfcolor.training.assignment import assign_in_replicas


def test_every_replica_assigns_to_its_copy(two_devices):
    with two_devices.scope():
        variables = [tf.Variable([0.0, 0.0]), tf.Variable(1.0)]

    @tf.function
    def step():
        def replica_step():
            first, second = variables
            # Values follow from what was read before, in the order of the program.
            assign_in_replicas([(first, first + 2.0), (second, 3.0 * second)])
            return tf.reduce_sum(first) + second

        return two_devices.experimental_local_results(two_devices.run(replica_step))

    np.testing.assert_array_equal(step(), [7.0, 7.0])
    np.testing.assert_array_equal(step(), [17.0, 17.0])
    for variable, expected in zip(variables, ([4.0, 4.0], 9.0), strict=True):
        for copy in two_devices.experimental_local_results(variable):
            np.testing.assert_array_equal(copy, expected)


def test_without_a_strategy_it_assigns_too():
    variable = tf.Variable([1.0, 2.0])
    assign_in_replicas([(variable, tf.constant([5.0, 6.0]))])
    assign_in_replicas([])
    np.testing.assert_array_equal(variable, [5.0, 6.0])
