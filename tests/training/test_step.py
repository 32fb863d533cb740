import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.data.pipeline import BatchPlan
from tfcolor.training.members import Member, shared_network
from tfcolor.training.optimizers import Update
from tfcolor.training.options import JointOptions, OptimizationOptions
from tfcolor.training.step import TrainStep

BATCH = 5
NUM_STEPS = 3
OPTIONS = OptimizationOptions(learning_rate=0.05, weight_decay=0.01)


@pytest.fixture
def train(line_task, build_line_network):
    """Returns a function that trains for some steps: (figures by step, variables)."""

    def run(strategy, shards, *, use_loss_scaling=False, stop=0.0, task=line_task, penalty=0.0):
        options = dataclasses.replace(OPTIONS, weight_decay=0.0) if penalty else OPTIONS
        with strategy.scope():
            network = build_line_network()
            if penalty:
                network.add_loss(lambda: penalty * tf.reduce_sum(network.dense.kernel**2) / 2)
            members = (Member(task, network, BATCH, seed=1),)
            shared = shared_network(network, members)
            update = Update(shared, options, JointOptions(), use_loss_scaling=use_loss_scaling)
        step = TrainStep(strategy, members, update)
        plan = BatchPlan(BATCH, seed=1, num_batches=NUM_STEPS, shards=shards)
        batches = strategy.distribute_datasets_from_function(
            lambda context: line_task.make_dataset("train", plan)
        )
        figures = [
            {name: float(value) for name, value in step({0: batch}, tf.constant(stop)).items()}
            for batch in batches
        ]
        return figures, [variable.numpy() for variable in network.trainable_variables]

    return run


@pytest.fixture
def one_device():
    return tf.distribute.OneDeviceStrategy("/cpu:0")


@pytest.mark.parametrize("shards", [((0, 2), (2, 5)), ((0, 4), (4, 5))])
def test_unequal_shards_on_two_devices_equal_one_device(train, one_device, two_devices, shards):
    figures, variables = train(one_device, ((0, BATCH),))
    shared, shared_variables = train(two_devices, shards)
    assert len(shared) == NUM_STEPS
    for one, other in zip(figures, shared, strict=True):
        assert other == pytest.approx(one, rel=1e-5)
    for one, other in zip(variables, shared_variables, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5)


def test_figures_and_update_agree_with_numpy(train, one_device, make_line_examples):
    figures, (kernel, bias) = train(one_device, ((0, BATCH),))
    initializer = tf.keras.initializers.RandomNormal(seed=3)
    weights = np.append(initializer([3, 1]).numpy().astype(np.float64), 0.0)
    velocity = np.zeros(4)
    for step in range(NUM_STEPS):
        inputs, targets = make_line_examples("train", 1, BATCH * step + np.arange(BATCH))
        columns = np.append(inputs["x"], np.ones([BATCH, 1]), axis=1)
        error = targets["y"][:, 0] - columns @ weights
        squared, bend = np.mean(error**2), 0.1 * np.mean(np.logaddexp(0, error))
        slopes = -2 * error - 0.1 / (1 + np.exp(-error))
        gradient = columns.T @ slopes / BATCH
        assert figures[step]["loss_squared"] == pytest.approx(squared, rel=1e-5)
        assert figures[step]["loss_bend"] == pytest.approx(bend, rel=1e-5)
        assert figures[step]["loss"] == pytest.approx(squared + bend, rel=1e-5)
        assert figures[step]["gradient_norm"] == pytest.approx(np.linalg.norm(gradient), rel=1e-5)
        rates = 0.05 * np.array([1, 1, 1, 2])
        decayed = gradient + 0.01 * np.append(weights[:3], 0)
        velocity = 0.9 * velocity - rates * decayed
        weights = weights + velocity
    np.testing.assert_allclose(np.append(kernel, bias), weights, rtol=1e-4)


def test_loss_scaling_gives_the_same_step(train, one_device, two_devices):
    figures, variables = train(one_device, ((0, BATCH),))
    scaled, scaled_variables = train(two_devices, ((0, 2), (2, 5)), use_loss_scaling=True)
    for one, other in zip(figures, scaled, strict=True):
        assert other == pytest.approx(one, rel=1e-5)
    for one, other in zip(variables, scaled_variables, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5)


def test_penalties_of_a_network_are_part_of_its_loss(train, one_device, two_devices):
    figures, variables = train(one_device, ((0, BATCH),))
    # A penalty of c w^2 / 2 on kernels is weight decay in other words.
    for strategy, shards in ((one_device, ((0, BATCH),)), (two_devices, ((0, 2), (2, 5)))):
        penalized, others = train(strategy, shards, penalty=OPTIONS.weight_decay)
        for one, other in zip(variables, others, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-5)
        for one, other in zip(figures, penalized, strict=True):
            assert other["loss_penalty"] > 0
            assert other["loss"] - other["loss_penalty"] == pytest.approx(one["loss"], rel=1e-5)
    initial = tf.keras.initializers.RandomNormal(seed=3)([3, 1]).numpy()
    expected = OPTIONS.weight_decay * np.sum(initial**2) / 2
    assert penalized[0]["loss_penalty"] == pytest.approx(expected, rel=1e-5)


def test_a_request_to_stop_is_passed_on(train, one_device):
    for stop in (0.0, 1.0):
        figures, _ = train(one_device, ((0, BATCH),), stop=stop)
        assert [figure["stop"] for figure in figures] == [stop] * NUM_STEPS


def test_losses_are_per_sample_of_the_global_batch(train, line_task, one_device, two_devices):
    class CountingTask(type(line_task)):
        """Counts as many samples in an example as its target is large, some none."""

        def count_samples(self, targets):
            return tf.round(tf.nn.relu(tf.reshape(targets["y"], [-1])))

    task = CountingTask()
    one, _ = train(one_device, [(0, BATCH)], task=task)
    plain, _ = train(one_device, [(0, BATCH)])
    _, targets = next(iter(task.make_dataset("train", BatchPlan(BATCH, seed=1, num_batches=1))))
    count = float(tf.reduce_sum(task.count_samples(targets)))
    assert count not in (0, BATCH)
    assert one[0]["loss"] == pytest.approx(plain[0]["loss"] * BATCH / count, rel=1e-5)
    two, _ = train(two_devices, [(0, 2), (2, BATCH)], task=task)
    for left, right in zip(one, two, strict=True):
        assert right == pytest.approx(left, rel=1e-4)
