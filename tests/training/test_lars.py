import numpy as np
import pytest
import tensorflow as tf

from tfcolor.training.lars import trust_ratio
from tfcolor.training.optimizers import SharedNetwork, Update
from tfcolor.training.options import JointOptions, OptimizationOptions

OPTIONS = OptimizationOptions(
    optimizer="lars",
    learning_rate=1.0,
    momentum=0.9,
    weight_decay=0.1,
    bias_rate_multiplier=1.0,
    trust_coefficient=0.001,
)


class _Dense(tf.keras.Model):
    """One dense layer, 2 -> 1, of which only the variables matter."""

    def __init__(self):
        super().__init__()
        self.dense = tf.keras.layers.Dense(1)
        self.dense.build([None, 2])


def test_golden_trust_ratios():
    decayed = tf.constant([1.3, 0.4], tf.float64)
    first = trust_ratio(tf.constant([3.0, 4.0], tf.float64), decayed, 0.001)
    assert float(first) == pytest.approx(0.003676073, abs=1e-9)
    weights = tf.constant([2.9952211, 3.99852957], tf.float64)
    second = trust_ratio(weights, 0.1 * weights + tf.constant([1.0, 0.0], tf.float64), 0.001)
    assert float(second) == pytest.approx(0.003674452, abs=1e-9)


@pytest.mark.parametrize("weights", [[0.0, 0.0], [3.0, 4.0]])
def test_nothing_to_compare_leaves_the_rate(weights):
    assert float(trust_ratio(tf.constant(weights), tf.zeros([2]), 0.001)) == 1
    assert float(trust_ratio(tf.zeros([2]), tf.constant(weights), 0.001)) == 1


def test_golden_steps_of_a_kernel_and_plain_momentum_of_a_bias():
    network = _Dense()
    update = Update(
        SharedNetwork(network, (network,)), OPTIONS, JointOptions(), use_loss_scaling=False
    )
    kernel, bias = update.variables_of()
    kernel.assign([[3.0], [4.0]])
    bias.assign([5.0])
    golden = [[2.9952211, 3.99852957], [2.98614507, 3.99573694]]
    gradients = [tf.constant([[1.0], [0.0]]), tf.constant([0.25])]
    for expected, expected_bias in zip(golden, [4.75, 4.275], strict=True):
        tf.distribute.get_strategy().run(update.apply, args=({0: gradients},))
        np.testing.assert_allclose(kernel[:, 0], expected, rtol=1e-6)  # float32
        np.testing.assert_allclose(bias, [expected_bias], rtol=1e-6)
