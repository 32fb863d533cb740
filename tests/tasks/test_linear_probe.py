import dataclasses

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.core.errors import UsageError
from tfcolor.data.pipeline import BatchPlan
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import open_images
from tfcolor.models.head_input import HeadInput
from tfcolor.models.network import Network
from tfcolor.tasks.linear_probe import LinearProbeOptions, LinearProbeTask

SMALL = {"taps": ("conv1", "conv4b"), "min_side": 32, "max_side": 40, "input": "color"}


@pytest.fixture(scope="module")
def readers(labelled_photos):
    reader = ExampleReader(open_images(str(labelled_photos)), cache_bytes=10**7)
    return {"train": reader, "heldout": reader}


@pytest.fixture(scope="module")
def task(readers):
    options = LinearProbeOptions(**SMALL, sizes=(3, 2)).completed(readers, 32)
    return LinearProbeTask(options, readers)


@pytest.fixture(scope="module")
def network(task):
    kind = BACKBONES["cifar_shallow"]
    backbone = kind(kind.Options(use_batch_norm=True), input_channels=3, seed=0)
    return Network(backbone, task.build_head(backbone.taps(32, 32), 0))


def test_open_options_are_completed(readers):
    options = LinearProbeOptions().completed(readers, 227)
    assert (options.num_classes, options.crop_size) == (3, 227)
    assert options.sizes == (12, 7, 5, 6, 6)
    doersch = LinearProbeOptions(rule="doersch", crop_size=96).completed(readers, 227)
    assert (doersch.sizes, doersch.crop_size) == ((3,) * 5, 96)
    assert doersch.completed(readers, 227) == doersch
    with pytest.raises(UsageError, match=r"--linear_probe_sizes=12,7,5,6,6: expected one, or"):
        LinearProbeOptions(taps=("conv1", "conv2")).completed(readers, 227)
    with pytest.raises(UsageError, match="--linear_probe_num_classes=2: expected at least 3"):
        LinearProbeOptions(num_classes=2).completed(readers, 227)


def test_losses_and_accuracies_are_those_of_each_layer(task, network):
    inputs, targets = next(iter(task.make_dataset("heldout", BatchPlan(6, 0, num_batches=1))))
    assert inputs["image"].shape == (6, 32, 32, 3)
    outputs = network(inputs)
    labels, metrics = targets["label"].numpy(), task.build_metrics()
    assert list(metrics) == ["conv1_top1_accuracy", "conv4b_top1_accuracy"]
    losses = task.compute_losses(targets, outputs)
    for name in SMALL["taps"]:
        log_probs = scipy.special.log_softmax(outputs[name].numpy(), axis=-1)
        np.testing.assert_allclose(losses[name], -log_probs[np.arange(6), labels], rtol=1e-5)
        metric = metrics[f"{name}_top1_accuracy"]
        metric.update_state(targets, outputs)
        assert float(metric.result()) == pytest.approx(np.mean(log_probs.argmax(1) == labels))


def test_a_layer_is_trained_as_if_it_were_alone(readers, task, network):
    alone = LinearProbeTask(
        dataclasses.replace(task.options, taps=("conv4b",), sizes=(2,)), readers
    )
    other = Network(network.backbone, alone.build_head(network.backbone.taps(32, 32), 0))
    inputs, targets = next(iter(task.make_dataset("train", BatchPlan(4, 0, num_batches=1))))
    gradients = []
    for one, whole in ((task, network), (alone, other)):
        kernel = whole.head.probes["conv4b"].classes.kernel
        with tf.GradientTape() as tape:
            losses = one.compute_losses(targets, whole(inputs, training=False))
            loss = tf.add_n(list(losses.values()))
        gradients.append(tape.gradient(loss, kernel))
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-5, atol=1e-7)


def test_unknown_layers_are_named(task, network):
    wrong = LinearProbeTask(dataclasses.replace(task.options, taps=("conv9", "conv1")), {})
    with pytest.raises(UsageError, match="unknown tap 'conv9'"):
        wrong.build_head(network.backbone.taps(32, 32), 0)


def test_a_mixture_of_units_learns_while_the_backbone_does_not(readers):
    kind = BACKBONES["resnet50_v2"]
    narrow = kind.Options(width_multiplier=1 / 32, block_units=(1, 1, 2), tapped_units=("all",))
    backbone = kind(narrow, input_channels=3, seed=0)
    head_input = HeadInput(backbone, ("block3_unit1", "block3_unit2"), 0.1, is_activated=True)
    small = {**SMALL, "taps": ("block3_unit2",), "rule": "doersch", "crop_size": 32}
    task = LinearProbeTask(LinearProbeOptions(**small).completed(readers, 224), readers)
    head = task.build_head(backbone.taps(32, 32), 0)
    network = Network(backbone, head, head_input=head_input)
    inputs, targets = next(iter(task.make_dataset("train", BatchPlan(4, 0, num_batches=1))))
    with tf.GradientTape() as tape:
        (loss,) = task.compute_losses(targets, network(inputs, training=True)).values()
    own = [head_input.mixture.mixing_row, *backbone.trainable_variables]
    row, *others = tape.gradient(loss, own)
    assert float(tf.reduce_max(tf.abs(row))) > 0
    assert others == [None] * len(others)
