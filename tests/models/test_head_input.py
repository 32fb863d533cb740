import numpy as np
import pytest
import tensorflow as tf

from tfcolor.backbones import BACKBONES
from tfcolor.core.errors import UsageError
from tfcolor.core.features import unrectified_top
from tfcolor.heads.dense import DenseHead
from tfcolor.heads.histogram import HistogramHead
from tfcolor.models.head_input import HeadInput, mixable_taps, readable_taps
from tfcolor.models.network import Network, kernel_and_bias_variables

UNITS = ("block3_unit1", "block3_unit2", "block3_unit3")
TAPPED = {"tapped_units": ("all",), "block_units": (1, 1, 3)}


def _build(name="resnet101_v2", **options):
    kind = BACKBONES[name]
    options = {"width_multiplier": 1 / 16, **(TAPPED if name == "resnet101_v2" else {}), **options}
    return kind(kind.Options(**options), 1, 5)


def _images(size=(33, 45)):
    return tf.constant(np.random.default_rng(0).uniform(size=[2, *size, 1]), tf.float32)


def test_mixture_is_normalized_and_rectified_and_stands_for_the_last_map():
    backbone = _build()
    head_input = HeadInput(backbone, UNITS, 0.1, is_activated=True)
    row = np.array([3.0, 0.0, -4.0], np.float32)
    head_input.mixture.mixing_row.assign(row)
    features = backbone(_images())
    found = head_input(features, training=True)
    assert list(found) == ["conv1", "block1_unit1", "block2_unit1", "block3_unit3", "top"]
    mixed = sum(a / 5 * features[name].numpy() for a, name in zip(row, UNITS, strict=True))
    expected = (mixed - mixed.mean((0, 1, 2))) / np.sqrt(mixed.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(found["top"], expected.clip(0), rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(found["top"], found["block3_unit3"])
    first = features["conv1"].numpy()
    expected = (first - first.mean((0, 1, 2))) / np.sqrt(first.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(found["conv1"], expected.clip(0), rtol=1e-3, atol=1e-4)
    # The first batch is copied into the moving statistics.
    np.testing.assert_allclose(head_input(features)["top"], found["top"], rtol=1e-4, atol=1e-5)


def test_without_batch_norm_maps_are_rectified_only():
    backbone = _build(use_batch_norm=False)
    features = backbone(_images())
    head_input = HeadInput(backbone, (), 0.1, is_activated=True)
    assert head_input.variables == []
    np.testing.assert_array_equal(
        head_input(features)["block3_unit2"], tf.nn.relu(features["block3_unit2"])
    )


def test_maps_that_the_head_does_not_read_are_left_out():
    backbone = _build()
    features = backbone(_images())
    every = HeadInput(backbone, (), 0.1, is_activated=True)
    some = HeadInput(backbone, (), 0.1, is_activated=True, read_taps=("block2_unit1",))
    found, all_found = some(features, training=True), every(features, training=True)
    assert list(found) == ["block2_unit1", "block3_unit3", "top"]
    for name, values in found.items():
        np.testing.assert_array_equal(values, all_found[name])
    assert sorted(some.norms) == ["block2_unit1", "block3_unit3"]
    none = HeadInput(backbone, UNITS, 0.1, is_activated=True, read_taps=())
    assert list(none(features)) == ["block3_unit3", "top"]


def test_collapsed_top_is_the_average_of_the_rectified_map():
    backbone = _build()
    head_input = HeadInput(backbone, UNITS, 0.1, is_activated=True)
    features = backbone(_images((224, 224)), convolutional=False)
    found = head_input(features, training=True)
    np.testing.assert_allclose(
        found["top"], tf.reduce_mean(found["block3_unit3"], [1, 2]), rtol=1e-5
    )
    taps = readable_taps(backbone.canonical_taps(), UNITS)
    assert list(taps) == ["conv1", "block1_unit1", "block2_unit1", "block3_unit3", "top"]


def test_maps_that_are_rectified_already_are_mixed_as_they_are():
    backbone = _build("resnet50", stage_blocks=(1, 1, 1, 3), tapped_blocks=("res5a", "res5b"))
    names = mixable_taps(backbone, ("all",))
    assert names == ("res5a", "res5b", "res5c")
    features = backbone(_images((65, 40)))
    found = HeadInput(backbone, names, 0.1, is_activated=False)(features)
    expected = sum(features[name] for name in names) / np.sqrt(3)
    np.testing.assert_allclose(found["top"], expected, rtol=1e-5)
    np.testing.assert_array_equal(found["conv1"], features["conv1"])


def test_collapsed_maps_of_a_chain_are_mixed_for_whatever_reads_its_top():
    backbone = _build("alexnet", width_multiplier=1 / 64)
    names = mixable_taps(backbone, ("all",))
    assert names == ("fc6", "fc7")
    side = backbone.canonical_size
    features = backbone(_images((side, side)), convolutional=False)
    found = HeadInput(backbone, names, 0.1, is_activated=False)(features)
    expected = (features["fc6"] + features["fc7"]) / np.sqrt(2)
    np.testing.assert_allclose(found["top"], expected, rtol=1e-5)
    np.testing.assert_array_equal(unrectified_top(found), found["top"])
    assert "fc6" not in found


def test_the_last_map_is_always_mixed():
    assert mixable_taps(_build(), ("block3_unit1",)) == ("block3_unit1", "block3_unit3")


@pytest.mark.parametrize(
    ("name", "names", "message"),
    [
        ("resnet101_v2", ("conv1",), "--mixed_taps=conv1: 'conv1' is not of the size of block3"),
        ("resnet101_v2", ("block4",), "expected all, or some of block3_unit1, block3_unit2, block"),
        ("cifar_shallow", ("all",), "expected none, since the top of cifar_shallow is no average"),
    ],
)
def test_maps_of_another_size_are_refused(name, names, message):
    with pytest.raises(UsageError, match=message):
        mixable_taps(_build(name), names)


def test_each_task_has_a_row_that_only_its_loss_moves():
    backbone = _build()
    networks = []
    for seed in (1, 2):
        head_input = HeadInput(backbone, UNITS, 0.1, is_activated=True)
        head = DenseHead(list(backbone.taps(32, 32).values())[-1], 8, 8, seed=seed)
        networks.append(Network(backbone, head, head_input=head_input))
    rows = [network.head_input.mixture.mixing_row for network in networks]
    with tf.GradientTape() as tape:
        outputs = networks[0]({"image": _images((32, 40))}, training=True)["logits"]
        loss = tf.reduce_sum(outputs**2) + tf.add_n(networks[0].losses)
    first, second, *trunk = tape.gradient(loss, [*rows, *backbone.trainable_variables])
    assert np.abs(first).max() > 0 and second is None
    assert all(one is not None for one in trunk)
    _, biases = kernel_and_bias_variables(networks[0])
    assert sum(one is rows[0] for one in biases) == 1
    assert all(one is not rows[1] for one in networks[0].variables)


def test_what_inference_reads_is_what_the_head_gets():
    backbone, images = _build(), _images()
    taps = backbone.taps(33, 45)
    head_input = HeadInput(backbone, UNITS, 0.1, is_activated=True)
    head = HistogramHead(readable_taps(taps, UNITS), {"hue": 5}, 8, seed=1)
    network = Network(backbone, head, head_input=head_input)
    inputs = {
        "image": images,
        "seed": tf.constant([[1, 2], [3, 4]], tf.int64),
        "locations": tf.constant([[[3.0, 4.0]], [[20.0, 31.5]]]),
    }
    network(inputs, training=True)  # fills the moving statistics
    expected = head(network.read(images), inputs, taps)["hue_logits"]
    np.testing.assert_allclose(network(inputs)["hue_logits"], expected, rtol=1e-5, atol=1e-6)
    assert set(network.features(images)) == {*taps, "top"}
