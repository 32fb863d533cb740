import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tfcolor.backbones import BACKBONES
from tfcolor.core.errors import UserError
from tfcolor.heads.histogram import HistogramHead
from tfcolor.models.network import Network
from tfcolor.models.surgery import (
    absorb_batch_norm,
    gray_from_rgb,
    match_input,
    rebalance,
    rgb_from_gray,
    scaling_obstacle,
    transfer_backbone,
)


def _vgg16(channels=1, seed=0, **options):
    kind = BACKBONES["vgg16"]
    options = {"width_multiplier": 1 / 16, "use_batch_norm": False, **options}
    return kind(kind.Options(**options), channels, seed=seed)


def _randomize(backbone, seed=0):
    """Gives every layer biases and a scale of its own."""
    generator = np.random.default_rng(seed)
    for layer in backbone.convolutions.values():
        layer.kernel.assign(layer.kernel * generator.uniform(0.3, 3))
        layer.bias.assign(generator.normal(0, 0.2, layer.bias.shape))


def _textures(count, seed, size=64):
    """Smooth random gray images of different brightness, float32 [count, S, S, 1]."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(count, size, size))
    smooth = np.stack([ndimage.gaussian_filter(each, 1.5, mode="wrap") for each in noise])
    smooth *= 0.2 / smooth.std(axis=(1, 2), keepdims=True)
    return np.clip(0.5 + smooth, 0, 1)[..., None].astype(np.float32)


def test_gray_network_equals_the_color_network_at_every_tap_everywhere():
    color, gray = _vgg16(3), _vgg16(1)
    _randomize(color)
    for name, layer in color.convolutions.items():
        kernel = layer.kernel.numpy()
        gray.convolutions[name].kernel.assign(
            gray_from_rgb(kernel) if name == "conv1_1" else kernel
        )
        gray.convolutions[name].bias.assign(layer.bias)
    image = _textures(2, seed=1)[:, :40, :48]
    expected, ours = color(np.repeat(image, 3, axis=-1)), gray(image)
    assert len(ours) == 17  # 16 taps and "top"
    for name in set(ours) - {"data"}:
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(ours[name], expected[name], atol=1e-5 * scale, err_msg=name)


def test_color_network_sees_the_mean_of_the_channels():
    # Golden 19 of spec/ch34_selfsup.md.
    kernel = np.array([0.6, -0.3]).reshape(1, 2, 1, 1)
    pixels = np.array([[0.2, 0.4, 0.9], [0.1, 0.1, 0.4]])
    color = np.einsum("wc,wc->", rgb_from_gray(kernel)[0, :, :, 0], pixels)
    gray = np.einsum("w,w->", kernel[0, :, 0, 0], pixels.mean(axis=1))
    assert color == pytest.approx(0.24) and gray == pytest.approx(0.24)
    np.testing.assert_allclose(gray_from_rgb(rgb_from_gray(kernel)), kernel)


@pytest.mark.parametrize("target_means", [(0.4,), (0.5, 0.4, 0.3)])
def test_a_matched_first_layer_gives_what_it_gave(target_means):
    generator = np.random.default_rng(2)
    kernel, bias = generator.normal(size=[3, 2, 3, 5]), generator.normal(size=5)
    patch = generator.uniform(size=[3, 2, 3])
    means = np.array([104.0, 117.0, 123.0])
    before = np.einsum("hwc,hwco->o", 255 * patch - means, kernel) + bias
    moved = match_input(kernel, bias, scale=255, source_means=means, target_means=target_means)
    after = np.einsum("hwc,hwco->o", patch - np.array(target_means), moved[0]) + moved[1]
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-3)
    assert moved[0].dtype == moved[1].dtype == np.float32


def test_batch_norm_is_absorbed_as_in_the_golden():
    # Golden 14 of spec/ch34_selfsup.md.
    arguments = ([2.0, -1.0], [0.5, 1.0], [1.0, -0.5], [3.99999, 0.24999])
    kernel, bias, mean, variance = map(np.array, arguments)
    kernel, bias = absorb_batch_norm(kernel.reshape(1, 1, 1, 2), bias, mean, variance)
    np.testing.assert_allclose(kernel.ravel(), [1, -2], rtol=1e-6)
    np.testing.assert_allclose(bias, [-0.25, 3], rtol=1e-6)


def _train_batch_norms(backbone, seed=4):
    """Gives every batch norm statistics, scale and shift of its own."""
    generator = np.random.default_rng(seed)
    for norm in backbone.batch_norms.values():
        shape = norm.moving_mean.shape
        norm.moving_mean.assign(generator.normal(0, 0.3, shape))
        norm.moving_variance.assign(generator.uniform(0.5, 2, shape))
        if norm.scale is not None:
            norm.scale.assign(generator.uniform(0.5, 1, shape))
            norm.bias.assign(generator.normal(0, 0.1, shape))


def _assert_same_taps(source, target, source_image, target_image, tap_of_input=""):
    expected, ours = source(source_image), target(target_image)
    for name in set(expected) - {tap_of_input}:
        assert np.max(expected[name]) > 0.1
        np.testing.assert_allclose(ours[name], expected[name], atol=1e-5, err_msg=name)


def test_backbone_without_batch_norm_equals_the_one_with_it():
    source, target = _vgg16(use_batch_norm=True), _vgg16(seed=9)
    _train_batch_norms(source)
    assert transfer_backbone(source, target) == ("its batch norm is absorbed",)
    image = _textures(1, seed=5)
    _assert_same_taps(source, target, image, image)


def test_residual_network_absorbs_scale_and_shift():
    kind = BACKBONES["resnet50"]
    options = {"width_multiplier": 1 / 16, "stage_blocks": (1, 2, 2, 1)}
    source = kind(kind.Options(**options, batch_norm_scale=True), 1, seed=0)
    target = kind(kind.Options(**options, use_batch_norm=False), 1, seed=9)
    _train_batch_norms(source)
    transfer_backbone(source, target)
    image = _textures(1, seed=5)
    _assert_same_taps(source, target, image, image)


@pytest.mark.parametrize("channels", [(1, 3), (3, 1)])
@pytest.mark.parametrize("absorbs", [False, True])
def test_gray_and_color_are_bridged_with_batch_norm_kept_or_absorbed(channels, absorbs):
    source = _vgg16(channels[0], use_batch_norm=True)
    target = _vgg16(channels[1], seed=9, use_batch_norm=not absorbs)
    _train_batch_norms(source)
    source.batch_norms["conv1_1"].num_updates.assign(7)
    notes = transfer_backbone(source, target)
    words = "from gray to color" if channels[0] == 1 else "from color to gray"
    assert notes[-1] == f"its first layer goes {words}" and len(notes) == 1 + absorbs
    gray = _textures(1, seed=5)
    images = {1: gray, 3: np.repeat(gray, 3, axis=-1)}
    _assert_same_taps(source, target, images[channels[0]], images[channels[1]], "data")
    if not absorbs:
        assert int(target.batch_norms["conv1_1"].num_updates) == 7


def test_a_color_network_of_a_gray_one_sees_the_mean_of_the_channels():
    source, target = (_vgg16(count, use_batch_norm=True) for count in (1, 3))
    _train_batch_norms(source)
    transfer_backbone(source, target)
    color = np.concatenate([_textures(1, seed) for seed in range(3)], axis=-1)
    gray = color.mean(axis=-1, keepdims=True)
    _assert_same_taps(source, target, gray, color, "data")


def test_other_layers_are_refused_and_nothing_changes():
    target = _vgg16()
    before = target.get_weights()
    for source in (
        _vgg16(width_multiplier=1 / 8),
        BACKBONES["alexnet"](
            BACKBONES["alexnet"].Options(width_multiplier=1 / 16, use_batch_norm=False), 1, seed=0
        ),
    ):
        with pytest.raises(ValueError, match="has other layers than vgg16"):
            transfer_backbone(source, target)
    with pytest.raises(ValueError, match="other layers"):
        transfer_backbone(target, _vgg16(use_batch_norm=True))
    for one, other in zip(before, target.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_only_homogeneous_chains_can_be_scaled():
    assert scaling_obstacle(_vgg16()) == ""
    assert "batch norm" in scaling_obstacle(_vgg16(use_batch_norm=True))


def test_balance_gives_unit_moments_on_images_it_has_not_seen():
    backbone = _vgg16()
    _randomize(backbone)
    rebalance(backbone, [_textures(32, seed) for seed in range(8)])
    activations = backbone(_textures(256, seed=99))
    for name in backbone.convolutions:
        moment = np.mean(np.square(activations[name], dtype=np.float64))
        assert moment == pytest.approx(1, abs=0.02), name


def test_balance_changes_each_tap_by_its_factor_and_nothing_else():
    backbone = _vgg16()
    _randomize(backbone)
    image = _textures(2, seed=3)[:, :48]
    before = {name: value.numpy() for name, value in backbone(image).items()}
    factors = rebalance(backbone, [image[:1], image[1:]])
    after = backbone(image)
    np.testing.assert_array_equal(after["data"], before["data"])
    assert max(factors.values()) / min(factors.values()) > 3
    for name, factor in factors.items():
        expected = factor * before[name]
        np.testing.assert_allclose(after[name], expected, atol=1e-5 * expected.max(), err_msg=name)
        assert factor == pytest.approx(np.mean(np.square(before[name])) ** -0.5, rel=1e-4)


def test_a_trained_head_makes_up_for_the_balance():
    backbone = _vgg16()
    _randomize(backbone)
    head = HistogramHead(backbone.taps(64, 64), {"hue": 5, "chroma": 4}, 12, seed=1)
    head.hidden.kernel.assign(tf.random.stateless_normal(head.hidden.kernel.shape, [1, 2]))
    image = _textures(2, seed=7)
    locations = np.float32([[[3, 9], [40, 22.5]]] * 2)
    network = Network(backbone, head)
    before = network({"image": image, "locations": locations})
    rebalance(backbone, [image], head)
    after = network({"image": image, "locations": locations})
    for name in before:
        scale = np.abs(before[name]).max()
        np.testing.assert_allclose(after[name], before[name], atol=1e-5 * scale)


def test_networks_that_do_not_scale_are_refused():
    images = [_textures(1, seed=0)]
    with pytest.raises(UserError, match="batch norm"):
        rebalance(_vgg16(use_batch_norm=True), images)
    kind = BACKBONES["alexnet"]
    options = kind.Options(width_multiplier=1 / 16, use_batch_norm=False, use_lrn=True)
    with pytest.raises(UserError, match="LRN"):
        rebalance(kind(options, 1, seed=0), images)
    kind = BACKBONES["resnet50"]
    options = kind.Options(width_multiplier=1 / 16, use_batch_norm=False, stage_blocks=(1,) * 4)
    with pytest.raises(UserError, match="re-balance resnet50: its layers are no chain"):
        rebalance(kind(options, 1, seed=0), images)


def test_a_dead_layer_and_a_lack_of_images_are_named():
    backbone = _vgg16()
    with pytest.raises(UserError, match="without an image"):
        rebalance(backbone, [])
    backbone.convolutions["conv4_2"].bias.assign(
        -1e6 * tf.ones_like(backbone.convolutions["conv4_2"].bias)
    )
    with pytest.raises(UserError, match="layer conv4_2, conv4_3"):
        rebalance(backbone, [_textures(1, seed=0)])
