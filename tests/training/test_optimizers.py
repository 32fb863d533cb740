import numpy as np
import pytest
import tensorflow as tf

from tfcolor.layers.unit_mixture import UnitMixture, proximal_step
from tfcolor.training.optimizers import SharedNetwork, Update
from tfcolor.training.options import JointOptions, OptimizationOptions

NUM_STEPS = 5


class _Network(tf.keras.Model):
    """Two dense layers, 3 -> 4 -> 2, of which only the variables matter."""

    def __init__(self):
        super().__init__()
        self.first = tf.keras.layers.Dense(4)
        self.second = tf.keras.layers.Dense(2)
        self.first.build([None, 3])
        self.second.build([None, 4])


def _update(options, *, use_loss_scaling=False):
    network = _Network()
    shared = SharedNetwork(network, (network,))
    return Update(shared, options, JointOptions(), use_loss_scaling=use_loss_scaling)


def _apply(update, gradients):
    """Applies gradients as a training step does; returns the norm."""
    strategy = tf.distribute.get_strategy()
    tensors = [tf.constant(gradient, tf.float32) for gradient in gradients]
    return float(strategy.run(update.apply, args=({0: tensors},))["gradient_norm"])


def _descend(values, gradients, options, rates):
    """Momentum gradient descent in float64; the first two values are kernels.

    Nesterov's is written as published (Sutskever et al. 2013, in the look-ahead
    point, which is what is trained): w' = w + m v' - rate g with v' = m v - rate g.
    """
    values = [value.astype(np.float64) for value in values]
    velocities = [np.zeros_like(value) for value in values]
    for step, rate in enumerate(rates):
        norm = np.sqrt(sum(np.sum(gradient[step] ** 2) for gradient in gradients))
        scale = min(1, options.clip_norm / norm) if options.clip_norm else 1
        for index, value in enumerate(values):
            gradient = scale * gradients[index][step]
            if index < 2:
                gradient = gradient + options.weight_decay * value
                factor = 1.0
            else:
                factor = options.bias_rate_multiplier
            step_down = rate * factor * gradient
            velocities[index] = options.momentum * velocities[index] - step_down
            if options.use_nesterov:
                value += options.momentum * velocities[index] - step_down
            else:
                value += velocities[index]
    return values


@pytest.mark.parametrize("clip_norm", [0.0, 1.5])
@pytest.mark.parametrize("use_nesterov", [False, True])
@pytest.mark.parametrize(("decay", "multiplier"), [(0.0, 2.0), (0.1, 2.0), (0.1, 0.5)])
def test_five_steps_agree_with_numpy(clip_norm, decay, multiplier, use_nesterov):
    options = OptimizationOptions(
        momentum=0.8,
        use_nesterov=use_nesterov,
        weight_decay=decay,
        bias_rate_multiplier=multiplier,
        clip_norm=clip_norm,
    )
    update = _update(options)
    random_numbers = np.random.default_rng(0)
    start = [variable.numpy() for variable in update.variables_of()]
    gradients = [random_numbers.normal(0, 0.3, (NUM_STEPS, *value.shape)) for value in start]
    rates = [0.1, 0.2, 0.1, 0.05, 0.05]
    norms = []
    for step, rate in enumerate(rates):
        update.set_rate(rate)
        norms.append(_apply(update, [gradient[step] for gradient in gradients]))
    for variable, value in zip(
        update.variables_of(), _descend(start, gradients, options, rates), strict=True
    ):
        np.testing.assert_allclose(variable, value, rtol=1e-5, atol=1e-6)  # float32
    flat = np.concatenate([gradient.reshape(NUM_STEPS, -1) for gradient in gradients], axis=1)
    np.testing.assert_allclose(norms, np.linalg.norm(flat, axis=1), rtol=1e-5)
    assert clip_norm == 0 or min(norms) < clip_norm < max(norms)


def test_adam_agrees_with_numpy():
    options = OptimizationOptions(optimizer="adam", momentum=0.8, weight_decay=0.1)
    update = _update(options)
    random_numbers = np.random.default_rng(1)
    values = [variable.numpy().astype(np.float64) for variable in update.variables_of()]
    first, second = ([np.zeros_like(value) for value in values] for _ in range(2))
    for step, rate in enumerate([0.1, 0.02, 0.05], 1):
        gradients = [random_numbers.normal(0, 0.3, value.shape) for value in values]
        update.set_rate(rate)
        _apply(update, gradients)
        for index, gradient in enumerate(gradients):
            # The last two are biases: no decay; their multiplier of 2 divides out.
            gradient = gradient + 0.1 * values[index] if index < 2 else 2.0 * gradient
            first[index] = 0.8 * first[index] + 0.2 * gradient
            second[index] = 0.999 * second[index] + 0.001 * gradient**2
            # The form at the end of the paper's section 2, where the guard is not corrected.
            corrected = rate * np.sqrt(1 - 0.999**step) / (1 - 0.8**step)
            values[index] -= corrected * first[index] / (np.sqrt(second[index]) + 1e-7)
    for variable, value in zip(update.variables_of(), values, strict=True):
        np.testing.assert_allclose(variable, value, rtol=1e-4, atol=1e-5)  # float32


def test_kernels_come_first_and_every_variable_is_updated_once():
    update = _update(OptimizationOptions())
    assert [len(variable.shape) for variable in update.variables_of()] == [2, 2, 1, 1]
    assert len({id(variable) for variable in update.variables_of()}) == 4


def test_a_gradient_of_zero_moves_kernels_only():
    update = _update(OptimizationOptions(learning_rate=0.5, weight_decay=0.1))
    before = [variable.numpy() for variable in update.variables_of()]
    _apply(update, [np.zeros_like(value) for value in before])
    for index, (variable, value) in enumerate(zip(update.variables_of(), before, strict=True)):
        expected = value * (1 - 0.5 * 0.1) if index < 2 else value
        np.testing.assert_allclose(variable, expected, rtol=1e-6)


def test_without_loss_scaling_the_loss_stays():
    assert float(_update(OptimizationOptions()).scale_loss(tf.constant(3.5))) == 3.5


def test_loss_scaling_changes_no_update():
    options = OptimizationOptions(learning_rate=0.1, clip_norm=1.0)
    plain, scaled = _update(options), _update(options, use_loss_scaling=True)
    for one, other in zip(plain.variables_of(), scaled.variables_of(), strict=True):
        other.assign(one)
    gradients = [np.full(variable.shape, 0.25) for variable in plain.variables_of()]
    factor = float(scaled.scale_loss(tf.constant(1.0)))
    assert factor > 1
    for update, scale in ((plain, 1.0), (scaled, factor)):
        update.set_rate(0.05)
        norm = _apply(update, [scale * gradient for gradient in gradients])
        assert norm == pytest.approx(0.25 * np.sqrt(sum(g.size for g in gradients)), rel=1e-5)
    for one, other in zip(plain.variables_of(), scaled.variables_of(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_loss_scaling_skips_an_overflow():
    update = _update(OptimizationOptions(), use_loss_scaling=True)
    before = [variable.numpy() for variable in update.variables_of()]
    scale = float(update.scale_loss(tf.constant(1.0)))
    _apply(update, [np.full_like(value, np.inf) for value in before])
    for variable, value in zip(update.variables_of(), before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert float(update.scale_loss(tf.constant(1.0))) == scale / 2


def test_replicas_add_up_their_shares(two_devices):
    strategy = two_devices
    options = OptimizationOptions(learning_rate=0.1, weight_decay=0.0, momentum=0.0)
    with strategy.scope():
        update = _update(options)
    before = [variable.numpy() for variable in update.variables_of()]

    @tf.function
    def step():
        def replica_step():
            place = tf.distribute.get_replica_context().replica_id_in_sync_group
            share = tf.cast(1 + 2 * place, tf.float32)  # 1 and 3
            shares = [tf.fill(variable.shape, share) for variable in update.variables_of()]
            return update.apply({0: shares})["gradient_norm"]

        return strategy.experimental_local_results(strategy.run(replica_step))

    norms = step()
    num_values = sum(value.size for value in before)
    np.testing.assert_allclose(norms, [4 * np.sqrt(num_values)] * 2, rtol=1e-6)
    for index, (variable, value) in enumerate(zip(update.variables_of(), before, strict=True)):
        rate = 0.1 if index < 2 else 0.2
        np.testing.assert_allclose(variable, value - rate * 4, rtol=1e-5)


def _random_step(update, num_replicas):
    """Applies a replica's share of random gradients."""
    shares = [
        tf.random.stateless_normal(variable.shape, [2, number]) / num_replicas
        for number, variable in enumerate(update.variables_of())
    ]
    update.apply({0: shares})


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "rmsprop", "lars"])
@pytest.mark.parametrize("num_devices", [1, 2])
def test_a_layer_with_a_rate_goes_so_much_of_the_way(optimizer, num_devices, two_devices):
    strategy = two_devices if num_devices == 2 else tf.distribute.get_strategy()
    options = OptimizationOptions(optimizer=optimizer, learning_rate=0.1, weight_decay=0.05)
    moves = []
    with strategy.scope():
        for multiplier in (1.0, 0.25):
            network = _Network()
            network.second.rate_multiplier = multiplier
            for number, variable in enumerate(network.trainable_variables):
                variable.assign(tf.random.stateless_normal(variable.shape, [1, number]))
            update = Update(
                SharedNetwork(network, (network,)), options, JointOptions(), use_loss_scaling=False
            )
            before = [variable.numpy() for variable in update.variables_of()]

            strategy.run(tf.function(_random_step), args=(update, num_devices))
            after = [variable.numpy() for variable in update.variables_of()]
            moves.append([new - old for new, old in zip(after, before, strict=True)])
    # Kernels of both layers, then biases.
    for index, (whole, part) in enumerate(zip(*moves, strict=True)):
        expected = (0.25 if index % 2 else 1.0) * whole
        np.testing.assert_allclose(part, expected, rtol=1e-4, atol=1e-6)
        assert np.abs(whole).min() > 0


class _MixingNetwork(_Network):
    """The two layers beside the row of a mixture that takes proximal steps."""

    def __init__(self):
        super().__init__()
        self.mixture = UnitMixture(3, penalty=0.2, rate=0.5)


@pytest.mark.parametrize("use_loss_scaling", [False, True])
def test_a_mixture_with_a_rate_takes_proximal_steps_and_no_others(use_loss_scaling):
    network = _MixingNetwork()
    backbone = network.first
    update = Update(
        SharedNetwork(backbone, (network,)),
        OptimizationOptions(optimizer="rmsprop", learning_rate=0.1),
        JointOptions(),
        use_loss_scaling=use_loss_scaling,
    )
    scale = float(update.scale_loss(tf.constant(1.0)))
    row = network.mixture.mixing_row
    (place,) = [i for i, one in enumerate(update.variables_of()) if one is row]
    expected = row.numpy()
    for gradient in ([0.1, 0.6, 0.9], [0.0, 0.3, 1.0], [0.2, 0.1, 0.1]):
        gradients = [np.zeros(one.shape) for one in update.variables_of()]
        gradients[place] = scale * np.array(gradient)
        _apply(update, gradients)
        expected = proximal_step(tf.constant(expected), tf.constant(gradient), 0.5, 0.2).numpy()
        np.testing.assert_allclose(row, expected, rtol=1e-5)
    assert np.count_nonzero(expected) < 3 and np.linalg.norm(expected) == pytest.approx(1)
    gradients[place] = np.full(3, np.nan)
    _apply(update, gradients)
    np.testing.assert_allclose(row, expected, rtol=1e-5)
