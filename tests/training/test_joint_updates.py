import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.training.optimizers import SharedNetwork, Update
from tfcolor.training.options import JointOptions, OptimizationOptions

# Specification 21.7: the gradients of two tasks by six numbers.
FIRST = ([[0.1, -0.3], [0.0, 0.2]], [0.05, -0.15])
SECOND = ([[10.0, 0.0], [-20.0, 5.0]], [1.0, -4.0])
PLAIN = {"weight_decay": 0.0, "bias_rate_multiplier": 1.0}


class _Part(tf.keras.Model):
    """A dense layer; of two such parts a task's network is made."""

    def __init__(self, *parts, width=2, inputs=2):
        super().__init__()
        self.parts = list(parts)
        self.dense = tf.keras.layers.Dense(width, kernel_initializer="ones")
        self.dense.build([None, inputs])


class _Pair(tf.keras.Model):
    """A backbone and a head."""

    def __init__(self, backbone, head):
        super().__init__()
        self.backbone, self.head = backbone, head


def _build(options, joint=None, *, num_tasks=2, width=2, use_loss_scaling=False):
    backbone = _Part(width=width)
    pairs = tuple(_Pair(backbone, _Part(width=1, inputs=width)) for _ in range(num_tasks))
    names = tuple("abcd"[:num_tasks])
    return Update(
        SharedNetwork(backbone, pairs, names),
        OptimizationOptions(**{**PLAIN, **options}),
        joint or JointOptions(),
        use_loss_scaling=use_loss_scaling,
    )


def _with_head(gradients, head=0.0):
    """Adds the gradient of a head, every number of it the same."""
    return [
        *(tf.constant(one, tf.float32) for one in gradients),
        tf.fill([2, 1], head),
        tf.fill([1], head),
    ]


def _apply(update, first, second, **options):
    """Makes one update; returns the figures."""
    run = tf.distribute.get_strategy().run
    gradients = {0: _with_head(first), 1: _with_head(second)}
    return run(update.apply, args=(gradients,), kwargs=options)


def _moved(update, before):
    """Returns how far the backbone went against the gradient at a rate of 1."""
    variables = update.variables_of()[:2]
    return [start - now.numpy() for start, now in zip(before, variables, strict=True)]


def _start(update):
    update.set_rate(1.0)
    return [one.numpy() for one in update.variables_of()[:2]]


def _scaled(gradients, factor):
    return tuple(factor * np.array(one, np.float32) for one in gradients)


def test_mean_of_the_tasks_is_what_momentum_follows():
    update = _build({"momentum": 0.0})
    before = _start(update)
    _apply(update, FIRST, SECOND)
    for moved, one, other in zip(_moved(update, before), FIRST, SECOND, strict=True):
        np.testing.assert_allclose(moved, np.add(one, other) / 2, rtol=1e-5)


def test_weights_multiply_the_tasks():
    update = _build({"momentum": 0.0}, JointOptions(task_weights=(3.0, 0.5)))
    before = _start(update)
    _apply(update, FIRST, SECOND)
    for moved, one, other in zip(_moved(update, before), FIRST, SECOND, strict=True):
        expected = (3 * np.array(one) + 0.5 * np.array(other)) / 2
        np.testing.assert_allclose(moved, expected, rtol=1e-5)


def test_published_aggregate_of_norm_sgd():
    update = _build({"optimizer": "norm_sgd", "momentum": 0.0})
    before = _start(update)
    figures = _apply(update, FIRST, SECOND)
    kernel, bias = _moved(update, before)
    np.testing.assert_allclose(kernel, [[1.125, -1.125], [-1.5, 1.125]], rtol=1e-5)
    np.testing.assert_allclose(bias, [0.2625, -0.8625], rtol=1e-5)
    assert float(figures["gradient_size_a"]) == pytest.approx(0.1333333333)
    assert float(figures["gradient_size_b"]) == pytest.approx(6.6666666667)


def test_published_two_steps_of_norm_sgd():
    update = _build({"optimizer": "norm_sgd"})
    variables = update.variables_of()[:2]
    variables[1].assign([1.0, 1.0])
    update.set_rate(0.01)
    for _ in range(2):
        _apply(update, FIRST, SECOND)
    expected = [[0.967375, 1.032625], [1.0435, 0.967375]]
    np.testing.assert_allclose(variables[0], expected, rtol=1e-6)
    np.testing.assert_allclose(variables[1], [0.9923875, 1.0250125], rtol=1e-6)


def test_frozen_sizes_are_the_average_before():
    update = _build({"optimizer": "norm_sgd", "momentum": 0.0})
    # Sizes of 0.2 and 5, as the specification's example has them.
    _apply(update, _scaled(FIRST, 0.2 / (0.8 / 6)), _scaled(SECOND, 5 / (40 / 6)))
    before = _start(update)
    _apply(update, FIRST, SECOND, is_frozen=True)
    kernel, bias = _moved(update, before)
    np.testing.assert_allclose(kernel, [[1.25, -0.75], [-2, 1]], rtol=1e-4)
    np.testing.assert_allclose(bias, [0.225, -0.775], rtol=1e-4)


def test_published_first_directions_of_adam():
    for optimizer, kernel, bias in (
        ("multi_adam", [[1, -0.5], [-0.5, 1]], [1, -1]),
        ("adam", [[1, -1], [-1, 1]], [1, -1]),
    ):
        update = _build({"optimizer": optimizer})
        before = _start(update)
        _apply(update, FIRST, SECOND)
        found = _moved(update, before)
        # Keras adds 1e-7 to the root; of the bias correction's root, 0.03 at first.
        np.testing.assert_allclose(found[0], kernel, atol=5e-5)
        np.testing.assert_allclose(found[1], bias, atol=5e-5)


@pytest.mark.parametrize("factor", [1e-4, 7.0, 1e4])
@pytest.mark.parametrize("optimizer", ["norm_sgd", "multi_adam", "rmsprop", "momentum"])
def test_scale_of_a_loss_matters_to_plain_descent_only(optimizer, factor):
    moves = []
    for scale in (1.0, factor):
        update = _build({"optimizer": optimizer, "rmsprop_epsilon": 1e-20})
        before = _start(update)
        for _ in range(3):
            _apply(update, _scaled(FIRST, scale), SECOND)
        moves.append(np.concatenate([np.ravel(one) for one in _moved(update, before)]))
    is_same = np.allclose(*moves, rtol=1e-4)
    assert is_same == (optimizer != "momentum")


RMSPROP = {"optimizer": "rmsprop", "momentum": 0.0}


def _descend_golden(scales):
    """Updates x from 0 with gradients 1, -2, 0.5 times a scale per task; returns x in the end."""
    update = _build(RMSPROP, num_tasks=len(scales))
    for variable in update.variables_of()[:2]:
        variable.assign(tf.zeros_like(variable))
    update.set_rate(0.01)
    for gradient in (1.0, -2.0, 0.5):
        own = {
            task: _with_head(([[gradient * scale] * 2] * 2, [gradient * scale] * 2))
            for task, scale in enumerate(scales)
        }
        tf.distribute.get_strategy().run(update.apply, args=(own,))
    kernel, bias = update.variables_of()[:2]
    assert np.ptp(kernel) == np.ptp(bias) == 0
    return float(kernel[0, 0])


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_golden_descent_of_rmsprop_whatever_the_scale(scale):
    assert _descend_golden([scale]) == pytest.approx(-0.0103758, abs=5e-8)  # Golden 11.


def test_golden_descent_of_two_tasks_with_squares_of_their_own():
    assert _descend_golden([1000.0, 1.0]) == pytest.approx(-0.0207517, abs=1e-7)  # Golden 11.
    # With squares in common the small loss would move x by no more than 1e-5.
    assert _descend_golden([1000.0, 0.0]) == pytest.approx(-0.0103758, abs=5e-8)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop_agrees_with_numpy(momentum):
    options = {"rmsprop_decay": 0.8, "rmsprop_epsilon": 0.01, "momentum": momentum}
    update = _build({"optimizer": "rmsprop", **options}, JointOptions(task_weights=(1.0, 0.5)))
    values = [one.astype(np.float64) for one in _start(update)]
    squares, moves = ([[np.zeros_like(one) for one in values] for _ in "ab"] for _ in "12")
    for rate in (0.1, 0.02, 0.05):
        update.set_rate(rate)
        _apply(update, FIRST, SECOND)
        for task, (gradients, own_rate) in enumerate(((FIRST, rate), (SECOND, rate / 2))):
            for index, gradient in enumerate(gradients):
                gradient = np.array(gradient)
                square = squares[task][index] = 0.8 * squares[task][index] + 0.2 * gradient**2
                step = own_rate * gradient / np.sqrt(square + 0.01)
                moves[task][index] = momentum * moves[task][index] + step
                values[index] = values[index] - moves[task][index]
    for variable, value in zip(update.variables_of()[:2], values, strict=True):
        np.testing.assert_allclose(variable, value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["multi_adam", "rmsprop"])
def test_a_task_alone_keeps_its_weight(optimizer):
    """As where every task has an update of its own, upon parameter servers."""
    moves = []
    for weight in (1.0, 0.25):
        joint = JointOptions(task_weights=(weight,))
        update = _build({"optimizer": optimizer}, joint, num_tasks=1)
        before = _start(update)
        update.set_rate(0.01)
        tf.distribute.get_strategy().run(update.apply, args=({0: _with_head(SECOND)},))
        moves.append(np.concatenate([np.ravel(one) for one in _moved(update, before)]))
    assert np.abs(moves[0]).max() > 0
    np.testing.assert_allclose(moves[1], moves[0] / 4, rtol=1e-3, atol=1e-6)


def test_a_gradient_that_is_not_finite_leaves_its_task_out():
    update = _build({"optimizer": "norm_sgd", "momentum": 0.0})
    before = _start(update)
    infinite = ([[0.1, np.inf], [np.nan, 0.2]], [0.05, -np.inf])
    _apply(update, infinite, SECOND)
    for moved, own in zip(_moved(update, before), SECOND, strict=True):
        np.testing.assert_allclose(moved, np.array(own) / 6.6666666667 / 2, rtol=1e-5)


def test_heads_follow_their_own_task_with_the_same_factor():
    update = _build({"momentum": 0.0, "head_weight_decay": 0.1}, JointOptions())
    _start(update)
    run = tf.distribute.get_strategy().run
    run(update.apply, args=({0: _with_head(FIRST, 4.0), 1: _with_head(SECOND, 6.0)},))
    for task, gradient in ((0, 4.0), (1, 6.0)):
        kernel, bias = update.variables_of(task)[2:]
        np.testing.assert_allclose(kernel, 1 - np.full([2, 1], gradient + 0.1) / 2, rtol=1e-6)
        np.testing.assert_allclose(bias, [-gradient / 2], rtol=1e-6)


def test_backbone_alone_decays_if_heads_shall_not():
    update = _build({"momentum": 0.0, "weight_decay": 0.1, "head_weight_decay": 0.0})
    update.set_rate(1.0)
    zero = _scaled(FIRST, 0.0)
    _apply(update, zero, zero)
    kernel, bias, head, _ = update.variables_of(1)
    np.testing.assert_allclose(kernel, np.full([2, 2], 0.9), rtol=1e-6)
    np.testing.assert_array_equal(bias, [0, 0])
    np.testing.assert_array_equal(head, np.ones([2, 1]))


def test_split_weights_move_only_what_a_task_owns():
    joint = JointOptions(split_weights=True)
    update = _build({"momentum": 0.0}, joint, num_tasks=3, width=4)
    before = _start(update)
    kernels = [np.full([2, 4], float(10**task)) for task in range(3)]
    biases = [np.full([4], 2.0 * 10**task) for task in range(3)]
    gradients = {
        task: [
            *(tf.constant(one, tf.float32) for one in pair),
            tf.zeros([4, 1]),
            tf.zeros([1]),
        ]
        for task, pair in enumerate(zip(kernels, biases, strict=True))
    }
    run = tf.distribute.get_strategy().run
    figures = run(update.apply, args=(gradients,), kwargs={"compares": True})
    kernel, bias = _moved(update, before)
    # Of four outputs the first task owns two; no mean over the tasks.
    np.testing.assert_allclose(kernel, [[1, 1, 10, 100]] * 2, rtol=1e-5)
    np.testing.assert_allclose(bias, [2, 2, 20, 200], rtol=1e-5)
    shares = [float(figures[f"update_share_{name}"]) for name in "abc"]
    assert sum(shares) == pytest.approx(1, rel=1e-5)
    assert shares[2] > 0.98


def test_what_each_task_moves_is_compared():
    for optimizer in ("momentum", "norm_sgd", "multi_adam", "rmsprop"):
        figures = _apply(_build({"optimizer": optimizer}), FIRST, SECOND, compares=True)
        shares = [float(figures[f"update_share_{name}"]) for name in "ab"]
        assert sum(shares) == pytest.approx(1, rel=1e-4)
        assert (shares[0] < 0.05) == (optimizer == "momentum")
        one, other = (np.concatenate([np.ravel(part) for part in own]) for own in (FIRST, SECOND))
        length = np.linalg.norm(other)
        cosine = one @ other / (np.linalg.norm(one) * length)
        assert float(figures["gradient_cosine_a_b"]) == pytest.approx(cosine, rel=1e-4)
        assert float(figures["gradient_norm_b"]) == pytest.approx(length, rel=1e-5)


def test_one_task_of_several_can_move_alone():
    update = _build({"momentum": 0.0}, JointOptions(task_order="round_robin"))
    before = _start(update)
    tf.distribute.get_strategy().run(update.apply, args=({1: _with_head(SECOND, 3.0)},))
    for moved, own in zip(_moved(update, before), SECOND, strict=True):
        np.testing.assert_allclose(moved, own, rtol=1e-5)
    np.testing.assert_array_equal(update.variables_of(0)[2], np.ones([2, 1]))
    np.testing.assert_allclose(update.variables_of(1)[2], np.ones([2, 1]) - 3, rtol=1e-6)


def test_slots_of_rmsprop_are_those_of_each_task():
    update = _build({"optimizer": "rmsprop"})
    count, *slots = update.slots_of_backbone()
    gradients = {0: _with_head(FIRST, 2.0), 1: _with_head(SECOND, 3.0)}
    tf.distribute.get_strategy().run(update.apply, args=(gradients,))
    assert [tuple(one.shape) for one in slots] == [(2, 2), (2, 2), (2,), (2,)]
    assert int(count) == 1
    for slot, gradient in zip(slots[::2], FIRST, strict=True):
        np.testing.assert_allclose(slot, 0.1 * np.square(gradient), rtol=1e-5)
    _, own = update._memory(1)
    update.forget(1, update.variables_of(0))  # nothing of the second task's head
    assert all(np.any(one.numpy()) for kind in own for one in kind)
    update.forget(1, update.variables_of(1))
    assert all(np.any(one.numpy()) for kind in own[:2] for one in kind)
    assert not any(np.any(one.numpy()) for kind in own[2:] for one in kind)


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "norm_sgd"])
def test_slots_of_the_backbone_are_its_own(optimizer):
    update = _build({"optimizer": optimizer, "momentum": 0.5})
    count, *slots = update.slots_of_backbone()
    shapes = [tuple(one.shape) for one in slots]
    assert shapes == ([(2, 2), (2,)] if optimizer != "adam" else [(2, 2), (2, 2), (2,), (2,)])
    assert int(count) == 0
    _apply(update, FIRST, SECOND)
    assert int(count) == 1
    assert all(np.any(slot.numpy() != 0) for slot in slots)


def test_loss_scaling_changes_no_joint_update():
    for optimizer in ("norm_sgd", "multi_adam", "rmsprop"):
        moves = []
        for use_loss_scaling in (False, True):
            update = _build({"optimizer": optimizer}, use_loss_scaling=use_loss_scaling)
            before = _start(update)
            factors = [float(update.scale_loss(tf.constant(1.0), task)) for task in (0, 1)]
            assert (factors[0] > 1) == use_loss_scaling
            _apply(update, _scaled(FIRST, factors[0]), _scaled(SECOND, factors[1]))
            moves.append(np.concatenate([np.ravel(one) for one in _moved(update, before)]))
        np.testing.assert_allclose(*moves, rtol=1e-5)


def test_what_cannot_be_is_refused():
    with pytest.raises(UsageError, match="--task_weights=1: expected 2 weights"):
        _build({}, JointOptions(task_weights=(1.0,)))
    with pytest.raises(UsageError, match=r"--split_weights with .*multi_adam"):
        _build({"optimizer": "multi_adam"}, JointOptions(split_weights=True))
    backbone, options = _Part(), OptimizationOptions(optimizer="norm_sgd")
    backbone.trainable = False
    shared = SharedNetwork(backbone, (_Pair(backbone, _Part()),))
    with pytest.raises(UsageError, match="norm_sgd divides by the size of the backbone"):
        Update(shared, options, JointOptions(), use_loss_scaling=False)
    head, backbone = _Part(), _Part()
    pairs = (_Pair(backbone, head), _Pair(backbone, head))
    with pytest.raises(ValueError, match="two heads share a variable"):
        Update(SharedNetwork(backbone, pairs), options, JointOptions(), use_loss_scaling=False)
    with pytest.raises(ValueError, match="network 0 lacks variables of the backbone"):
        Update(SharedNetwork(backbone, (head,)), options, JointOptions(), use_loss_scaling=False)


@pytest.mark.parametrize("optimizer", ["momentum", "rmsprop", "multi_adam"])
def test_updates_of_single_tasks_move_as_far_as_one_of_all(optimizer):
    options = {"optimizer": optimizer, "weight_decay": 0.1, "learning_rate": 0.01}
    joint = _build(options)
    backbone = _Part()
    alone = [
        Update(
            SharedNetwork(backbone, (_Pair(backbone, _Part(width=1)),), ("a",)),
            OptimizationOptions(**{**PLAIN, **options}),
            JointOptions(),
            use_loss_scaling=False,
            num_peers=2,
        )
        for _ in range(2)
    ]
    run = tf.distribute.get_strategy().run
    for update in (joint, *alone):
        update.set_rate(0.01)
    for _ in range(3):
        _apply(joint, FIRST, SECOND)
        before = [one.numpy() for one in alone[0].variables_of()[:2]]
        moves = []
        for update, gradients in zip(alone, (FIRST, SECOND), strict=True):
            # Both read the same backbone, as workers do, and add what they find.
            for variable, value in zip(update.variables_of(), before, strict=False):
                variable.assign(value)
            run(update.apply, args=({0: _with_head(gradients)},))
            moves.append([one.numpy() for one in update.variables_of()[:2]])
        for index, variable in enumerate(alone[0].variables_of()[:2]):
            variable.assign(moves[0][index] + moves[1][index] - before[index])
    # One after the other, the decay of the second sees what the first has done.
    tolerance = 1e-6 if optimizer == "momentum" else 2e-3
    for one, same in zip(joint.variables_of()[:2], backbone.variables, strict=False):
        np.testing.assert_allclose(one, same, rtol=tolerance)
