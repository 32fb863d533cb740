import math

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.options import check_options
from tfcolor.core.taps import Tap
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.array import ArraySource
from tfcolor.losses.contrastive import nt_xent
from tfcolor.tasks.simclr import ContrastiveAccuracy, SimclrOptions, SimclrTask
from tfcolor.training.distribution import build_strategy
from tfcolor.training.options import DistributionOptions

SMALL = {"readout": "average", "crop_size": 16}


def _task(**options):
    return SimclrTask(SimclrOptions(**{**SMALL, **options}), {})


def _outputs(count, size=3, seed=0):
    views = np.random.default_rng(seed).normal(size=(count, 2, size)).astype(np.float32)
    targets = {"example": tf.range(10, 10 + count, dtype=tf.int64)}
    return targets, {"embeddings": tf.constant(views)}


def test_size_of_views_is_the_backbones_unless_asked():
    assert SimclrOptions().completed({}, 227).crop_size == 227
    assert SimclrOptions(readout="average", crop_size=96).completed({}, 227).crop_size == 96
    with pytest.raises(UsageError, match="--simclr_crop_size=96: the backbone takes 227"):
        SimclrOptions(crop_size=96).completed({}, 227)
    with pytest.raises(UsageError, match="--simclr_temperature=0: expected at least"):
        check_options(SimclrOptions(temperature=0), "simclr_")


def test_views_of_an_image_differ_and_the_seed_fixes_both():
    image = tf.constant(np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8))
    seed = tf.constant([3, 4], tf.int64)
    one, again = (_task().make_example(image, seed)[0]["image"] for _ in range(2))
    assert one.shape == [2, 16, 16, 3]
    np.testing.assert_array_equal(one, again)
    assert np.abs(one[0] - one[1]).mean() > 0.01
    other = _task().make_example(image, tf.constant([3, 5], tf.int64))[0]["image"]
    assert np.abs(one - other).mean() > 0.01


def test_loss_is_that_of_the_whole_batch_and_at_chance_where_all_is_equal():
    targets, outputs = _outputs(4)
    views, own = outputs["embeddings"], np.eye(4, dtype=bool)
    losses = _task(temperature=0.4).compute_losses(targets, outputs)
    np.testing.assert_allclose(losses["nt_xent"], nt_xent(views, views, own, 0.4), rtol=1e-6)
    equal = _task().compute_losses(targets, {"embeddings": tf.ones([4, 2, 3])})
    np.testing.assert_allclose(equal["nt_xent"], math.log(7), rtol=1e-6)


def test_losses_and_gradients_do_not_depend_on_the_number_of_replicas():
    sizes = (2, 4)
    task = _task()
    taps = {"top": Tap("top", 16, 7.5, 5)}
    features = tf.random.stateless_normal([12, 5], [3, 4])
    targets, _ = _outputs(6)

    def build():
        return task.build_head(taps, 0)

    def step(head, top, numbers):
        inputs = {"image": tf.zeros([tf.shape(numbers)[0], 2, 16, 16, 1])}
        with tf.GradientTape() as tape:
            outputs = head({"top": top}, inputs, taps, training=True)
            losses = task.compute_losses({"example": numbers}, outputs)["nt_xent"]
            total = tf.reduce_sum(losses) / 6
        gradients = tape.gradient(total, head.trainable_variables)
        replica = tf.distribute.get_replica_context()
        return losses, replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)

    whole, expected = step(build(), features, targets["example"])
    strategy = build_strategy(DistributionOptions(strategy="mirrored"))
    with strategy.scope():
        head = build()
    begins = (0, sizes[0])

    def share(values, width):
        return strategy.experimental_distribute_values_from_function(
            lambda context: values[width * begins[context.replica_id_in_sync_group] :][
                : width * sizes[context.replica_id_in_sync_group]
            ]
        )

    @tf.function(autograph=False)
    def distributed(top, numbers):
        return strategy.run(step, args=(head, top, numbers))

    losses, gradients = distributed(share(features, 2), share(targets["example"], 1))
    local = strategy.experimental_local_results
    np.testing.assert_allclose(np.concatenate(local(losses)), whole, rtol=1e-4)
    assert np.ptp(whole) > 0.1
    for found, one in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(local(found)[0], one, rtol=1e-3, atol=1e-5)


def test_accuracy_counts_the_nearest_views():
    targets, _ = _outputs(2)
    apart = [[[1.0, 0.0], [0.9, 0.1]], [[0.0, 1.0], [0.1, 0.9]]]
    metric = ContrastiveAccuracy()
    metric.update_state(targets, {"embeddings": tf.constant(apart)})
    assert float(metric.result()) == 1
    crossed = [[[1.0, 0.0], [0.0, 1.0]], [[0.9, 0.1], [0.1, 0.9]]]
    metric = ContrastiveAccuracy()
    metric.update_state(targets, {"embeddings": tf.constant(crossed)})
    assert float(metric.result()) == 0


def test_accuracy_of_noise_is_at_chance():
    metric = ContrastiveAccuracy()
    for seed in range(40):
        metric.update_state(*_outputs(8, size=16, seed=seed))
    # 640 draws with the probability 1/15: three standard deviations.
    assert abs(float(metric.result()) - 1 / 15) < 0.03


def test_average_colors_do_not_find_the_other_view_once_they_are_changed():
    random_numbers = np.random.default_rng(5)
    colors = random_numbers.uniform(30, 220, (24, 1, 1, 3))
    images = (colors + random_numbers.normal(0, 8, (24, 20, 20, 3))).astype(np.uint8)
    source = ArraySource(images, [str(n) for n in range(24)], [0] * 24, "x")
    found = {}
    for strength in (0.0, 1.0):
        options = SimclrOptions(**SMALL, color_strength=strength, use_blur=False)
        task = SimclrTask(options, {"train": ExampleReader(source)})
        inputs, targets = next(iter(task.make_dataset("train", BatchPlan(24, 1, num_batches=1))))
        means = tf.reduce_mean(inputs["image"], axis=[2, 3]) - 0.5
        metric = ContrastiveAccuracy()
        metric.update_state(targets, {"embeddings": means})
        found[strength] = float(metric.result())
    assert found[0.0] > 0.8
    assert found[1.0] < 0.4
