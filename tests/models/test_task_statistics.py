import numpy as np
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.models.network import JointNetwork, Network
from tfcolor.models.task_statistics import TaskStatistics, average_statistics

CLASS = BACKBONES["cifar_shallow"]
OPTIONS = CLASS.Options(use_batch_norm=True, use_dropout=False, width_multiplier=0.25)


class Top(tf.keras.Model):
    """A head that hands on the top."""

    def call(self, features, inputs, taps, training=False):
        del inputs, taps, training
        return {"top": features["top"]}


def images(seed, mean):
    """Returns noise around a gray level."""
    return mean + 0.1 * tf.random.stateless_normal([8, 20, 20, 3], [seed, 0])


def train(network, seed, mean, steps=30):
    """Lets moving statistics follow those of noise."""
    for step in range(steps):
        seeds = tf.cast(tf.stack([tf.range(8), tf.fill([8], step)], axis=1), tf.int64)
        network({"image": images(seed + step, mean), "seed": seeds}, training=True)


def top(network, mean):
    return network({"image": images(99, mean)})["top"].numpy()


def test_tasks_that_share_a_backbone_are_measured_as_if_each_had_it_alone():
    backbone = CLASS(OPTIONS, 3, seed=5)
    pair = [Network(backbone, Top(), statistics=TaskStatistics(backbone)) for _ in range(2)]
    alone = [Network(CLASS(OPTIONS, 3, seed=5), Top()) for _ in range(2)]
    mixed = Network(CLASS(OPTIONS, 3, seed=5), Top())
    before = [variable.numpy() for variable in backbone.non_trainable_variables]
    for step in range(30):
        for number, mean in enumerate((0.2, 0.8)):
            for network in (pair[number], alone[number], mixed):
                train(network, 100 * number + step, mean, steps=1)
    for variable, value in zip(backbone.non_trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    for number, mean in enumerate((0.2, 0.8)):
        np.testing.assert_array_equal(top(pair[number], mean), top(alone[number], mean))
        maps = [one.features(images(99, mean))["top"] for one in (pair[number], alone[number])]
        np.testing.assert_array_equal(*maps)
        assert np.abs(top(mixed, mean) - top(alone[number], mean)).max() > 0.1


def test_layers_get_the_mean_of_tasks_or_those_of_one():
    backbone = CLASS(OPTIONS, 3, seed=5)
    tasks = [TaskStatistics(backbone) for _ in range(2)]
    for task, mean in zip(tasks, (0.2, 0.8), strict=True):
        train(Network(backbone, Top(), statistics=task), 0, mean)
    average_statistics(tasks)
    for (shared, first), (_, second) in zip(tasks[0].pairs(), tasks[1].pairs(), strict=True):
        np.testing.assert_allclose(shared, (first.numpy() + second.numpy()) / 2, rtol=1e-6)
    tasks[1].copy_to_layers()
    for shared, own in tasks[1].pairs():
        np.testing.assert_array_equal(shared, own)
    tasks[0].copy_from_layers()
    for (_, first), (_, second) in zip(tasks[0].pairs(), tasks[1].pairs(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_checkpoint_holds_those_of_every_task(tmp_path):
    backbone = CLASS(OPTIONS, 3, seed=5)
    tasks = [TaskStatistics(backbone) for _ in range(2)]
    train(Network(backbone, Top(), statistics=tasks[1]), 0, 0.8)
    joint = JointNetwork(backbone, [Top(), Top()], statistics=tasks)
    prefix = tf.train.Checkpoint(network=joint).write(str(tmp_path / "joint"))
    restored = TaskStatistics(CLASS(OPTIONS, 3, seed=6))
    statistics = tf.train.Checkpoint(**{"1": restored.state})
    holder = tf.train.Checkpoint(network=tf.train.Checkpoint(statistics=statistics))
    holder.read(prefix).assert_existing_objects_matched()
    for (_, one), (_, other) in zip(restored.pairs(), tasks[1].pairs(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_devices_have_statistics_of_their_own_and_a_reader_their_mean():
    strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
    with strategy.scope():
        backbone = CLASS(OPTIONS, 3, seed=5)
        task = TaskStatistics(backbone)
        network = Network(backbone, Top(), statistics=task)

    @tf.function
    def step():
        def run():
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            mean = 0.2 + 0.6 * tf.cast(number, tf.float32)
            network({"image": images(0, mean), "seed": tf.zeros([8, 2], tf.int64)}, training=True)

        strategy.run(run)

    step()
    shared, own = task.pairs()[0]
    each = [one.numpy() for one in strategy.experimental_local_results(own)]
    assert np.abs(each[0] - each[1]).max() > 0.01
    np.testing.assert_allclose(own.read_value(), np.mean(each, axis=0), rtol=1e-5)
    average_statistics([task])
    np.testing.assert_allclose(shared.read_value(), np.mean(each, axis=0), rtol=1e-5)
