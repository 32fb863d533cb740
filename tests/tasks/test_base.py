"""The contract of every task in the table (HOUSE 2.5)."""

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.core.options import check_options
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import open_images
from tfcolor.models.network import Network
from tfcolor.tasks import TASKS
from tfcolor.tasks.base import HELDOUT_SPLIT, TRAIN_SPLIT

BATCH = 3
SMALL = {
    "colorization": {
        "crop_size": 33,
        "min_side": 33,
        "max_side": 40,
        "num_locations": 5,
        "edge": 2,
        "hidden_units": 8,
    }
}
"""Options that make a task small; a task that is not here runs at its defaults."""


@pytest.fixture(params=TASKS)
def task(request, photos):
    kind = TASKS[request.param]
    options = kind.Options(**SMALL.get(request.param, {}))
    reader = ExampleReader(open_images(str(photos)), cache_bytes=10**7)
    return kind(options, {TRAIN_SPLIT: reader, HELDOUT_SPLIT: reader})


def _batch(task, split=TRAIN_SPLIT, **plan):
    plan = BatchPlan(BATCH, **{"seed": 4, "num_batches": 1, **plan})
    return next(iter(task.make_dataset(split, plan)))


def _network(task, seed=0):
    kind = BACKBONES["vgg16"]
    options = kind.Options(width_multiplier=1 / 32)
    backbone = kind(options, input_channels=task.input_channels, seed=seed)
    return Network(backbone, task.build_head(backbone.taps(32, 32), seed))


@pytest.mark.parametrize("name", TASKS)
def test_name_and_options(name):
    assert TASKS[name].name == name
    check_options(TASKS[name].Options(), f"{name}_")


def test_a_batch_is_two_dicts_with_a_leading_axis(task):
    inputs, targets = _batch(task)
    assert {"image", "seed"} <= set(inputs)
    assert inputs["image"].shape[-1] == task.input_channels
    for tensor in (*inputs.values(), *targets.values()):
        assert tensor.shape[0] == BATCH
        if tensor.dtype.is_floating:
            tf.debugging.assert_all_finite(tensor, "examples")


def test_every_split_can_be_read(task):
    for split in task.splits:
        _batch(task, split)


def test_losses_are_finite_and_one_per_example(task):
    inputs, targets = _batch(task)
    losses = task.compute_losses(targets, _network(task)(inputs, training=True))
    assert losses
    for loss in losses.values():
        assert loss.shape == [BATCH]
        assert loss.dtype == tf.float32
        assert np.all(np.isfinite(loss))


def test_losses_of_an_example_do_not_depend_on_the_others(task):
    inputs, targets = _batch(task)
    outputs = _network(task)(inputs, training=False)
    whole = task.compute_losses(targets, outputs)
    flipped = task.compute_losses(*({k: v[::-1] for k, v in d.items()} for d in (targets, outputs)))
    for name, loss in whole.items():
        np.testing.assert_allclose(flipped[name], loss[::-1], rtol=1e-5)


def test_gradient_reaches_every_kernel_of_the_backbone(task):
    inputs, targets = _batch(task)
    network = _network(task)
    with tf.GradientTape() as tape:
        losses = task.compute_losses(targets, network(inputs, training=True))
        loss = tf.add_n([tf.reduce_mean(loss) for loss in losses.values()])
    kernels = [layer.kernel for layer in network.backbone.convolutions.values()]
    gradients = tape.gradient(loss, kernels)
    assert all(float(tf.reduce_max(tf.abs(gradient))) > 0 for gradient in gradients)


def test_metrics_update_and_are_fresh_each_time(task):
    inputs, targets = _batch(task)
    outputs = _network(task)(inputs, training=False)
    for name, metric in task.build_metrics().items():
        before = float(metric.result())
        metric.update_state(targets, outputs)
        assert np.isfinite(float(metric.result()))
        assert float(metric.result()) != before
        assert float(task.build_metrics()[name].result()) == before


def test_one_seed_gives_the_same_batch_head_and_outputs(task):
    first, second = (_batch(task) for _ in range(2))
    tf.nest.map_structure(np.testing.assert_array_equal, first, second)
    one, other = (_network(task, seed=7)(first[0], training=True) for _ in range(2))
    tf.nest.map_structure(np.testing.assert_array_equal, one, other)


def test_another_seed_gives_another_batch(task):
    first, second = _batch(task, seed=1), _batch(task, seed=2)
    assert np.any(first[0]["image"] != second[0]["image"])
