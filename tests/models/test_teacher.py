from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.core.features import UNRECTIFIED_TOP
from tfcolor.heads.classifier import ClassifierHead
from tfcolor.models.calibration import Calibration
from tfcolor.models.network import Network
from tfcolor.models.teacher import FrozenNetwork, SavedFeatures, Teacher

CLASSES = 5


def _network(seed, name="cifar_shallow", channels=3):
    kind = BACKBONES[name]
    backbone = kind(kind.Options(width_multiplier=1 / 16), channels, seed)
    head = ClassifierHead(backbone.canonical_taps(), CLASSES, seed=seed)
    return Network(backbone, head, convolutional=False)


@pytest.fixture(scope="module")
def networks():
    """Two networks for color images, with a top of 4x4x12 before its ReLU."""
    return [_network(0), _network(1)]


@pytest.fixture(scope="module")
def images():
    return tf.random.stateless_uniform([3, 32, 32, 3], [1, 2])


def _teacher(networks, level, calibration=None):
    members = [FrozenNetwork(one, level, sees_color=True) for one in networks]
    return Teacher(members, level, calibration)


def _tops(networks, images):
    """The maps before the last ReLU, float32 [M, B, cells, C]."""
    answers = [one.backbone(images, convolutional=False)[UNRECTIFIED_TOP] for one in networks]
    return np.reshape(answers, [len(networks), 3, 16, 12])


def test_logits_of_an_ensemble_are_averaged(networks, images):
    expected = np.mean([one({"image": images})["logits"] for one in networks], axis=0)
    np.testing.assert_allclose(_teacher(networks, "task")(images), expected, rtol=1e-5)
    alone = networks[0]({"image": images})["logits"]
    np.testing.assert_array_equal(_teacher(networks[:1], "task")(images), alone)


def test_tops_stand_side_by_side_at_each_cell_and_are_not_rectified(networks, images):
    signals = _teacher(networks, "top")(images).numpy()
    assert signals.dtype == np.float32
    assert signals.min() < 0 < signals.max()
    expected = np.concatenate(_tops(networks, images), axis=-1)
    np.testing.assert_allclose(signals, expected.reshape(3, 16 * 24), rtol=1e-5, atol=1e-6)


def test_calibration_chooses_channels_and_their_scales(networks, images):
    calibration = Calibration(np.arange(1.0, 25.0), np.array([0, 5, 13]))
    teacher = _teacher(networks, "top").calibrated(calibration)
    expected = np.concatenate(_tops(networks, images), axis=-1)[..., [0, 5, 13]]
    np.testing.assert_allclose(teacher(images), expected.reshape(3, 48), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(teacher.scales, [1, 6, 14] * 16)
    assert _teacher(networks, "top").scales == 1


def test_teacher_neither_learns_nor_changes(networks, images):
    teacher = _teacher(networks, "top")
    before = [variable.numpy() for one in networks for variable in one.variables]
    assert not [variable for one in networks for variable in one.trainable_variables]
    with tf.GradientTape() as tape:
        kernels = [one.backbone.convolutions["conv1"].kernel for one in networks]
        tape.watch([images, *kernels])
        loss = tf.reduce_sum(teacher(images))
    assert tape.gradient(loss, [images, *kernels]) == [None, None, None]
    np.testing.assert_array_equal(teacher(images), teacher(images))
    after = [variable.numpy() for one in networks for variable in one.variables]
    tf.nest.map_structure(np.testing.assert_array_equal, before, after)


def test_gray_networks_see_the_lightness_of_color_images(images):
    network = _network(2, channels=1)
    member = FrozenNetwork(network, "task", sees_color=False)
    gray = tf.reduce_mean(images, axis=-1, keepdims=True)
    expected = network({"image": gray})["logits"]
    np.testing.assert_allclose(member(images), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(member(gray), expected)


def test_networks_see_gray_images_in_as_many_channels_as_they_take(networks, images):
    gray = images[..., :1]
    for sees_color in (True, False):
        member = FrozenNetwork(networks[0], "task", sees_color=sees_color)
        expected = networks[0]({"image": tf.repeat(gray, 3, axis=-1)})["logits"]
        np.testing.assert_allclose(member(gray), expected, rtol=1e-4, atol=1e-6)
    assert _teacher(networks, "task").sees_color
    assert not Teacher([FrozenNetwork(networks[0], "task", sees_color=False)], "task").sees_color


def test_images_of_another_size_are_resized(networks, images):
    larger = tf.image.resize(images, [64, 64], method="nearest")
    signals = _teacher(networks, "top")(larger)
    np.testing.assert_allclose(
        signals,
        _teacher(networks, "top")(tf.image.resize(larger, [32, 32], antialias=True)),
        rtol=1e-5,
    )
    assert signals.shape == [3, 384]


def test_an_average_is_taken_as_it_is():
    kind = BACKBONES["resnet50"]
    options = kind.Options(width_multiplier=1 / 32, stage_blocks=(1, 1, 1, 1))
    backbone = kind(options, 1, 0)
    head = ClassifierHead(backbone.canonical_taps(), CLASSES, seed=0)
    member = FrozenNetwork(Network(backbone, head, convolutional=False), "top", sees_color=False)
    gray = tf.random.stateless_uniform([2, 224, 224, 1], [3, 4])
    assert member.num_cells == 1
    np.testing.assert_array_equal(member(gray), backbone(gray, convolutional=False)["top"])


def test_an_export_gives_the_average_of_its_last_map(images):
    def features(rgb):
        return {"conv1": rgb, "fc7": 2 * rgb[:, ::8, ::8, :2]}

    model = SimpleNamespace(signatures={"features": features})
    member = SavedFeatures(model, "fc7", 2)
    expected = 2 * images.numpy()[:, ::8, ::8, :2].mean(axis=(1, 2))
    np.testing.assert_allclose(member(images), expected, rtol=1e-5)
    gray = images[..., 2:]
    expected = np.repeat(2 * gray.numpy()[:, ::8, ::8].mean(axis=(1, 2)), 2, axis=-1)
    np.testing.assert_allclose(Teacher([member], "top")(gray), expected, rtol=1e-5)


def test_maps_must_fit_together(networks):
    members = [
        FrozenNetwork(networks[0], "top", sees_color=True),
        SavedFeatures(SimpleNamespace(signatures={}), "fc7", 2),
    ]
    with pytest.raises(ValueError, match=r"members with \[1, 16\] cells"):
        Teacher(members, "top")
    with pytest.raises(ValueError, match=r"members with \[\] cells"):
        Teacher([], "task")
