import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfcolor.core.errors import UsageError
from tfcolor.core.taps import Tap
from tfcolor.heads.decoder import CODE, DecoderHead, DecoderOptions, shortcut_taps

CHANNELS = {
    "x": 3,
    "conv1": 96,
    "conv2": 256,
    "conv3": 384,
    "conv4": 384,
    "conv5": 256,
    "fc6": 4096,
    "fc7": 4096,
}
SIDES = {"conv1": 55, "conv2": 27, "conv3": 13, "conv4": 13, "conv5": 13}
SHORTCUTS = ("conv2", "conv4", "fc6")
SEEDS = tf.constant([[1, 2], [3, 4]], tf.int64)


def taps_of(divisor=1):
    """Returns the taps of AlexNet with a part of its channels but 3 colors."""
    sizes = {name: size if name == "x" else size // divisor for name, size in CHANNELS.items()}
    return {name: Tap(name, 1, 0.0, size) for name, size in (sizes | {"top": 4096}).items()}


def build_head(divisor=64, seed=1, **options):
    return DecoderHead(taps_of(divisor), DecoderOptions(**options), seed=seed)


@pytest.fixture(scope="module")
def features():
    """What AlexNet gives for two images at 1/64 of its channels, not negative."""
    random_numbers = np.random.default_rng(4)
    maps = {}
    for name, tap in taps_of(64).items():
        if name not in ("x", "top"):
            side = SIDES.get(name)
            shape = (2, side, side, tap.channels) if side else (2, tap.channels)
            maps[name] = np.abs(random_numbers.normal(size=shape)).astype(np.float32)
    return {**maps, "top": maps["fc7"]}


def decode(head, features, *, training=False, seeds=SEEDS):
    return head(features, {"seed": seeds}, taps_of(64), training=training)


# Products of kernel size, inputs and outputs, and biases, layer by layer.
FC6 = 4096 * 4096 + 4096
CONV5 = 4096 * 36 * 256 + 256 + 9 * 256 * 256 + 256
CONV4, CONV3, CONV2 = 9 * 256 * 384 + 384, 9 * 384 * 384 + 384, 9 * 384 * 256 + 256
CONV1, IMAGE = 25 * 256 * 96 + 96, 121 * 96 * 3 + 3


def test_stages_of_alexnet_have_the_published_sizes():
    with tf.Graph().as_default():  # no memory for 60 M numbers
        head = DecoderHead(taps_of(), DecoderOptions(), seed=0)
        maps, shapes = tf.zeros([2, 4096]), {}
        for name, stage in head.stages.items():
            maps = stage(maps, CODE)
            shapes[name] = tuple(maps.shape[1:])
        sizes = [int(np.prod(variable.shape)) for variable in head.trainable_variables]
    assert shapes == {
        "fc6": (4096,),
        "conv5": (13, 13, 256),
        "conv4": (13, 13, 384),
        "conv3": (13, 13, 384),
        "conv2": (27, 27, 256),
        "conv1": (55, 55, 96),
        "x": (227, 227, 3),
    }
    assert sum(sizes) == FC6 + CONV5 + CONV4 + CONV3 + CONV2 + CONV1 + IMAGE == 58_867_331


def test_stages_of_a_thin_alexnet_have_the_channels_of_its_taps(features):
    head = build_head(shortcuts=("fc6",))
    maps = head._decode(features["top"], CODE, training=False)
    assert {name: tuple(one.shape[1:]) for name, one in maps.items()} == {
        "fc6": (64,),
        "conv5": (13, 13, 4),
        "conv4": (13, 13, 6),
        "conv3": (13, 13, 6),
        "conv2": (27, 27, 4),
        "conv1": (55, 55, 1),
        "x": (227, 227, 3),
    }


def test_an_embedding_adds_a_layer_and_the_stage_of_fc7():
    with tf.Graph().as_default():
        head = DecoderHead(taps_of(), DecoderOptions(embedding_size=1024), seed=0)
        sizes = [int(np.prod(variable.shape)) for variable in head.trainable_variables]
    embedding, fc7 = 4096 * 1024 + 1024, 1024 * 4096 + 4096
    assert sum(sizes) == 58_867_331 + embedding + fc7


def test_every_entry_gives_an_image_of_its_own(features):
    outputs = decode(build_head(shortcuts=SHORTCUTS), features)
    assert set(outputs) == {f"{entry}_reconstruction" for entry in (CODE, *SHORTCUTS)}
    for image in outputs.values():
        assert image.shape == [2, 227, 227, 3] and image.dtype == tf.float32
    images = [image.numpy() for image in outputs.values()]
    assert all(np.any(one != other) for one, other in itertools.pairwise(images))


def test_a_shortcut_enters_below_the_stage_of_its_name(features):
    head = build_head(shortcuts=SHORTCUTS, use_batch_norm=False)
    outputs = decode(head, features)
    below = {"conv2": ["conv1", "x"], "fc6": ["conv5", "conv4", "conv3", "conv2", "conv1", "x"]}
    for entry, names in below.items():
        maps = features[entry]
        for name in names:
            maps = head.stages[name](maps, entry)
        np.testing.assert_array_equal(outputs[f"{entry}_reconstruction"], maps)


def test_the_code_does_not_depend_on_the_shortcuts(features):
    plain = decode(build_head(), features, training=True)
    more = decode(build_head(shortcuts=SHORTCUTS), features, training=True)
    np.testing.assert_array_equal(more["code_reconstruction"], plain["code_reconstruction"].numpy())


def test_all_entries_have_the_same_weights():
    plain, more = build_head(), build_head(shortcuts=SHORTCUTS)
    assert len(more.trainable_variables) == len(plain.trainable_variables) == 16
    for one, other in zip(more.trainable_variables, plain.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.any(build_head(seed=2).trainable_variables[0] != plain.trainable_variables[0].numpy())


def test_batch_norm_is_before_every_nonlinearity_but_not_of_images():
    norms = {
        name: set(stage.batch_norms)
        for name, stage in build_head(shortcuts=("conv4", "fc6")).stages.items()
    }
    assert norms["x"] == set()
    assert norms["fc6"] == {CODE} and norms["conv5"] == norms["conv4"] == {CODE, "fc6"}
    assert norms["conv3"] == norms["conv1"] == {CODE, "conv4", "fc6"}
    plain = build_head(use_batch_norm=False)
    assert not any(stage.batch_norms for stage in plain.stages.values())


def test_sigmoids_are_where_they_are_asked_for(features):
    squashed = {}
    for which in ("none", "shortcuts", "all"):
        head = build_head(shortcuts=("conv2",), sigmoid_outputs=which)
        outputs = decode(head, features)
        squashed[which] = {
            name.split("_")[0]: float(tf.reduce_min(image)) >= 0 for name, image in outputs.items()
        }
    assert squashed == {
        "none": {"code": False, "conv2": False},
        "shortcuts": {"code": False, "conv2": True},
        "all": {"code": True, "conv2": True},
    }


def test_dropout_is_on_what_enters_and_follows_the_seeds(features):
    head = build_head(shortcuts=("conv2",), dropout_rate=0.5, use_batch_norm=False)
    plain, dropped = decode(head, features), decode(head, features, training=True)
    again = decode(head, features, training=True)
    other = decode(head, features, training=True, seeds=SEEDS + 1)
    for name, image in dropped.items():
        assert np.any(image != plain[name].numpy())
        np.testing.assert_array_equal(image, again[name].numpy())
        assert np.any(image != other[name].numpy())


def test_the_ladder_compares_what_is_decoded_with_the_taps(features):
    head = build_head(use_ladder=True, shortcuts=("conv2",))
    maps, expected = features["top"], np.zeros(2)
    for name in ("fc6", "conv5", "conv4", "conv3", "conv2", "conv1"):
        maps = head.stages[name](maps, CODE)
        difference = (maps.numpy().astype(np.float64) - features[name]) ** 2
        expected += difference.reshape(2, -1).mean(axis=1)
    np.testing.assert_allclose(decode(head, features)["ladder"], expected, rtol=1e-5)


def test_a_variational_code_is_the_mean_plus_noise_of_its_deviation(features):
    head = build_head(is_variational=True, embedding_size=5, use_batch_norm=False)
    kernel = head.projections["mean"].kernel.numpy()
    outputs = decode(head, features)
    np.testing.assert_allclose(outputs["mean"], features["top"] @ kernel, rtol=1e-4, atol=1e-5)
    head.projections["log_variance"].kernel.assign(tf.zeros_like(kernel))
    head.projections["log_variance"].bias.assign([-60.0] * 5)
    certain = decode(head, features, training=True)
    reconstruction = decode(head, features)["code_reconstruction"].numpy()
    np.testing.assert_allclose(certain["code_reconstruction"], reconstruction, atol=1e-5)
    head.projections["log_variance"].bias.assign([0.0] * 5)
    drawn, again = (decode(head, features, training=True) for _ in range(2))
    assert np.any(np.abs(drawn["code_reconstruction"] - reconstruction) > 0.01)
    np.testing.assert_array_equal(drawn["code_reconstruction"], again["code_reconstruction"])
    with pytest.raises(ValueError, match="a variational code got no seeds"):
        head(features, {}, taps_of(64), training=True)


def test_noise_is_standard_normal_and_of_each_example():
    head = build_head(is_variational=True)
    seeds = tf.stack([tf.zeros([40], tf.int64), tf.range(40, dtype=tf.int64)], axis=1)
    noise = head._noise(seeds, 100).numpy()
    assert noise.mean() == pytest.approx(0, abs=0.05) and noise.std() == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(head._noise(seeds[7:9], 100), noise[7:9])


def test_shortcuts_are_taps_below_the_code():
    assert shortcut_taps(taps_of()) == ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6")
    assert shortcut_taps(taps_of(), embedding_size=9)[-1] == "fc7"
    for wrong in (("fc7",), ("x",), ("pool5",), ("conv2", "conv2")):
        with pytest.raises(ValueError, match=r"expected some of \('conv1', .*'fc6'\), each once"):
            build_head(shortcuts=wrong)
    build_head(shortcuts=("fc7",), embedding_size=3)


def test_other_backbones_have_no_decoder():
    with pytest.raises(UsageError, match="expected --backbone=alexnet or vgg16"):
        DecoderHead({"conv1": Tap("conv1", 1, 0.0, 4)}, DecoderOptions(), seed=0)
