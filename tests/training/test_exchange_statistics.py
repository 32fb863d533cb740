"""Moving statistics of batch norm that workers hand in beside their gradients."""

import numpy as np
import tensorflow as tf

from tests.training.test_exchange import Coordinator, Tower, build, update, waves
from tfcolor.heads.discriminator import Discriminator
from tfcolor.layers.batch_norm import collected_statistics
from tfcolor.models.task_statistics import TaskStatistics
from tfcolor.training.exchange import merge_statistics


class Rivals(Tower):
    """A tower that makes images, and a discriminator that tells them from given ones."""

    def __init__(self, trunk, head, **options):
        super().__init__(trunk, head, **options)
        self.discriminator = Discriminator(1, 1, side=16, seed=0)

    def call(self, inputs, training=False):
        made = super().call(inputs, training)["y"]
        things = [(images_of(one),) for one in (inputs["x"][:, :1], made)]
        judged = self.discriminator.judge(*things, training)
        return {"y": tf.add_n(list(judged.values()))[:, None]}


def images_of(numbers):
    """Returns images of one shape each, float32 [B, 16, 16, 1], of numbers [B, 1]."""
    shape = tf.sin(0.1 * tf.range(256.0) ** 1.5)
    return tf.reshape(tf.sigmoid(numbers * shape), [-1, 16, 16, 1])


def test_moving_statistics_are_the_mean_over_workers_and_then_over_tasks():
    exchanges, crews, _ = build("hybrid", (2, 1), is_normalized=True)
    for exchange in exchanges:
        found = exchange.contribute(Coordinator(), 0)
        norm = crews[exchanges.index(exchange)].member.network.norm
        assert int(norm.num_updates) == 0  # workers hand them in; they do not store them
        exchange.apply(is_frozen=False, numbers=found)
        assert int(norm.num_updates) == 1
    kernel = np.arange(6).reshape(3, 2) / 7
    index = np.arange(5)
    x = waves(index)
    means = [(x[share] @ kernel).mean(axis=0) for share in (slice(0, 2), slice(2, 5))]
    found = crews[0].member.network.norm.moving_mean
    np.testing.assert_allclose(found, 0.001 * np.mean(means, axis=0), rtol=1e-4)
    merge_statistics(crews)
    np.testing.assert_allclose(crews[0].master.norm.moving_mean, found, rtol=1e-6)


def test_adversaries_hand_in_each_statistic_once():
    (exchange, _), (crew, _), _ = build("hybrid", (2, 1), kind=Rivals)
    judge = crew.member.network.discriminator
    expected = []
    for share in (slice(0, 2), slice(2, 5)):
        real = images_of(tf.constant(waves(np.arange(5))[share, :1], tf.float32))
        with collected_statistics() as collected:
            judge((real,), "real", training=True)
        expected.append([value.numpy() for _, value in collected])
    (norm,) = (stage.batch_norms["real"] for stage in judge.stages if stage.batch_norms)
    update(exchange, Coordinator(), 0)
    for variable, values in zip(
        norm.statistics_variables, zip(*expected, strict=True), strict=True
    ):
        np.testing.assert_allclose(variable, np.mean(values, axis=0), rtol=1e-5, atol=1e-6)
    assert int(norm.num_updates) == 1


def test_each_task_of_a_trained_network_has_the_statistics_of_its_own_groups():
    _, crews, _ = build("asynchronous", (2, 1), is_normalized=True)
    for crew in crews:
        crew.master.statistics = TaskStatistics(crew.master)
    for value, crew in zip((1.0, 3.0, 8.0), crews, strict=True):
        crew.member.network.norm.moving_mean.assign([value, value])
    merge_statistics(crews)
    found = {one.member.name: one.master.statistics.pairs()[0][1].numpy()[0] for one in crews}
    assert found == {"0": 2.0, "1": 8.0}
