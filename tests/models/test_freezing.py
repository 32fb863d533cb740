import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.backbones.field_of_view import WidenedBackbone
from tfcolor.core.errors import UsageError
from tfcolor.heads.classifier import ClassifierHead
from tfcolor.models.freezing import freeze_through
from tfcolor.models.network import Network, kernel_and_bias_variables
from tfcolor.training.optimizers import SharedNetwork, Update
from tfcolor.training.options import JointOptions, OptimizationOptions


def _build(name="alexnet", **options):
    kind = BACKBONES[name]
    return kind(kind.Options(width_multiplier=1 / 24, **options), 1, seed=0)


def _resnet(**options):
    return _build("resnet50", stage_blocks=(1, 2, 1, 1), **options)


def _trained_layers(backbone):
    """The names of convolutions with a variable to be trained, in order."""
    trained = {id(one) for one in backbone.trainable_variables}
    return [name for name, one in backbone.convolutions.items() if id(one.kernel) in trained]


@pytest.mark.parametrize(
    ("tap", "trained"),
    [
        ("x", ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]),
        ("conv3", ["conv4", "conv5", "fc6", "fc7"]),
        ("fc6", ["fc7"]),
        ("fc7", []),
        ("top", []),
    ],
)
def test_layers_up_to_the_tap_are_not_trained(tap, trained):
    backbone = _build()
    freeze_through(backbone, tap)
    assert _trained_layers(backbone) == trained
    assert len(backbone.trainable_variables) == 2 * len(trained)


def test_a_tap_of_a_residual_network_freezes_its_whole_block_and_those_before():
    backbone = _resnet(batch_norm_scale=True, tapped_blocks=("res3a",))
    freeze_through(backbone, "res3a")
    trained = _trained_layers(backbone)
    assert trained[0] == "res3b_branch2a" and trained[-1] == "res5a_branch2c"
    assert {name.split("_")[0] for name in trained} == {"res3b", "res4a", "res5a"}
    # A kernel, and the scale and shift of its batch norm.
    assert len(backbone.trainable_variables) == 3 * len(trained)


@pytest.mark.parametrize(
    ("tap", "trained"),
    [("fc7", ["conv8_1", "conv9_1"]), ("conv8_1", ["conv9_1"]), ("top", [])],
)
def test_blocks_above_are_trained_unless_the_tap_lies_behind_them(tap, trained):
    backbone = WidenedBackbone(_build(), 2, seed=1)
    freeze_through(backbone, tap)
    assert _trained_layers(backbone) == trained
    assert backbone.base.trainable_variables == []


def test_an_unknown_tap_is_refused_with_the_taps_there_are():
    backbone = _build("cifar_shallow")
    message = "freeze through 'conv9': expected one of x, conv1, conv2, conv3, conv4, conv4b, top$"
    with pytest.raises(UsageError, match=message):
        freeze_through(backbone, "conv9")
    assert len(backbone.trainable_variables) == 10


def _train(backbone, num_steps=2):
    """Trains a classifier on random images, with decay; returns the network."""
    size = backbone.canonical_size
    head = ClassifierHead(backbone.canonical_taps(), 3, seed=0)
    network = Network(backbone, head, convolutional=False)
    options = OptimizationOptions(learning_rate=0.1, weight_decay=0.01)
    shared = SharedNetwork(backbone, (network,))
    update = Update(shared, options, JointOptions(), use_loss_scaling=False)
    images = tf.random.stateless_uniform([2, size, size, 1], [3, 4])
    inputs = {"image": images, "seed": tf.constant([[1, 2], [1, 3]], tf.int64)}

    for _ in range(num_steps):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(inputs, training=True)["logits"][:, 0])
        gradients = tape.gradient(loss, update.variables_of())
        tf.distribute.get_strategy().run(update.apply, args=({0: gradients},))
    return network


def test_frozen_weights_and_statistics_stay_and_the_others_change():
    backbone = _build("cifar_shallow", use_batch_norm=True)
    freeze_through(backbone, "conv3")
    layers = {name: [one] for name, one in backbone.convolutions.items()}
    for name, norm in backbone.batch_norms.items():
        layers[name].append(norm)
    before = {name: [one.get_weights() for one in each] for name, each in layers.items()}
    network = _train(backbone)
    kernels, biases = kernel_and_bias_variables(network)
    assert len(kernels) == len(biases) == 3  # conv4, conv4b and the head
    for name, each in layers.items():
        pairs = zip(before[name], [one.get_weights() for one in each], strict=True)
        is_same = [all(np.array_equal(*pair) for pair in zip(*one, strict=True)) for one in pairs]
        assert is_same == [name in ("conv1", "conv2", "conv3")] * 2, name


def test_the_frozen_part_normalizes_with_moving_statistics_and_drops_features():
    backbone = _build("cifar_shallow", use_batch_norm=True)
    images = tf.random.stateless_uniform([3, 32, 32, 1], [5, 6])
    seeds = tf.constant([[1, 2], [1, 3], [1, 4]], tf.int64)
    expected = backbone(images)["conv2"].numpy()
    freeze_through(backbone, "conv2")
    found = backbone(images, seeds=seeds, training=True)["conv2"].numpy()
    is_kept = found != 0
    np.testing.assert_allclose(found[is_kept], expected[is_kept] / 0.9, rtol=1e-5)
    dropped = np.mean(~is_kept[expected > 0])
    assert dropped == pytest.approx(0.1, abs=0.03)


def test_a_checkpoint_of_a_frozen_network_restores_everything(tmp_path):
    def build():
        backbone = _build("cifar_shallow", use_batch_norm=True)
        freeze_through(backbone, "conv3")
        network = Network(backbone, ClassifierHead(backbone.canonical_taps(), 3, seed=0))
        shared = SharedNetwork(backbone, (network,))
        update = Update(shared, OptimizationOptions(), JointOptions(), use_loss_scaling=False)
        return network, tf.train.Checkpoint(network=network, optimizer=update)

    network, checkpoint = build()
    for index, variable in enumerate(network.variables):
        variable.assign(tf.cast(tf.fill(variable.shape, index), variable.dtype))
    path = checkpoint.write(str(tmp_path / "frozen"))
    fresh, checkpoint = build()
    checkpoint.read(path).assert_consumed()
    for ours, theirs in zip(fresh.variables, network.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)
