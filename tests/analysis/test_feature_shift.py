import numpy as np
import pytest
import tensorflow as tf

from tfcolor.analysis.feature_shift import (
    FeatureShiftOptions,
    measure_feature_shift,
    shared_taps,
)
from tfcolor.analysis.observation import ObservedNetwork
from tfcolor.backbones import BACKBONES
from tfcolor.backbones.field_of_view import WidenedBackbone
from tfcolor.color.spaces import rgb_to_lightness
from tfcolor.core.errors import UsageError, UserError
from tfcolor.models.surgery import transfer_backbone


def numbers(before, after, views, **options):
    return measure_feature_shift(before, after, views, FeatureShiftOptions(**options)).numbers


def stacked(network, views, name):
    """Returns all activations of a tap, float64 [N, C], kept in memory at once."""
    observe = network.observe([name])
    maps = [observe(view.rgb)[name].numpy() for view in views]
    return np.concatenate([one.reshape(-1, one.shape[-1]) for one in maps]).astype(np.float64)


def test_correlations_and_quartiles_are_those_of_numpy(build_chain, spotted):
    before, after = build_chain(seed=1), build_chain(seed=2)
    found = numbers(before, after, spotted)
    assert found["num_images"] == 3
    assert [layer["layer"] for layer in found["layers"]] == ["conv1", "conv2"]
    for layer in found["layers"]:
        first, second = (stacked(one, spotted, layer["layer"]) for one in (before, after))
        alive = (first.std(0) > 0) & (second.std(0) > 0)
        expected = np.array(
            [
                np.corrcoef(one, two)[0, 1]
                for one, two in zip(first.T, second.T, strict=True)
                if one.std() and two.std()
            ]
        )
        np.testing.assert_allclose(np.array(layer["correlations"])[alive], expected, atol=1e-10)
        quartiles = [layer[key] for key in ("lower_quartile", "median", "upper_quartile")]
        np.testing.assert_allclose(quartiles, np.quantile(expected, [0.25, 0.5, 0.75]), atol=1e-10)
        assert layer["num_dead"] == (~alive).sum()
        assert layer["num_positions"] == len(first)


def test_a_network_does_not_shift_from_itself(build_chain, spotted):
    network = build_chain()
    conv1, conv2 = numbers(network, network, spotted)["layers"]
    assert conv1["correlations"][:3] == pytest.approx([1, 1, 1])
    assert np.isnan(conv1["correlations"][3])
    assert (conv1["num_dead_before"], conv1["num_dead_after"], conv1["num_dead"]) == (1, 1, 1)
    assert conv2["median"] == pytest.approx(1)


def test_each_network_sees_what_it_takes(build_chain, spotted):
    gray, color = build_chain(), build_chain(input_channels=3)
    (conv1,) = numbers(gray, color, spotted, taps=("conv1",))["layers"]
    assert conv1["correlations"][0] == pytest.approx(1)  # both have the mean of the channels


def test_absorbing_batch_norm_color_and_further_blocks_shift_nothing(spotted):
    kind = BACKBONES["vgg16"]
    before = kind(kind.Options(width_multiplier=1 / 32), 1, seed=0)
    generator = np.random.default_rng(6)
    for normalization in before.batch_norms.values():
        shape = normalization.moving_mean.shape
        normalization.moving_mean.assign(generator.normal(0, 0.1, shape))
        normalization.moving_variance.assign(generator.uniform(0.2, 1, shape))
    after = kind(kind.Options(width_multiplier=1 / 32, use_batch_norm=False), 3, seed=1)
    transfer_backbone(before, after)
    gray = ObservedNetwork("gray", before, rgb_to_lightness)
    color = ObservedNetwork("color", WidenedBackbone(after, 1, seed=2), tf.identity)
    layers = numbers(gray, color, spotted, positions_per_image=40)["layers"]
    assert [layer["layer"] for layer in layers] == list(before.convolutions)
    for layer in layers:
        assert layer["num_dead"] < layer["num_features"]
        assert layer["lower_quartile"] == pytest.approx(1, abs=1e-5)  # float32 activations


def test_most_and_least_changed_features_are_named(build_chain, spotted):
    (conv1,) = numbers(build_chain(seed=1), build_chain(seed=2), spotted, taps=("conv1",))["layers"]
    alive = conv1["correlations"][:3]
    assert conv1["least_changed"] == np.argsort(alive)[::-1].tolist()
    assert conv1["most_changed"] == np.argsort(alive).tolist()


def test_places_are_drawn_by_the_seed(build_chain, spotted):
    pair = build_chain(seed=1), build_chain(seed=2)

    def drawn(seed):
        (layer,) = numbers(
            *pair, spotted, taps=("conv1",), positions_per_image=50, positions_seed=seed
        )["layers"]
        assert layer["num_positions"] == 150
        return layer["correlations"][:3]

    assert drawn(0) == drawn(0) != drawn(1)
    everything = numbers(*pair, spotted, taps=("conv1",))["layers"][0]["correlations"][:3]
    assert (
        numbers(*pair, spotted, taps=("conv1",), positions_per_image=10**6)["layers"][0][
            "correlations"
        ][:3]
        == everything
    )


def test_layers_that_only_one_has_are_left_out(build_chain):
    names = shared_taps(build_chain(), build_chain(second="conv9"))
    assert names == ["conv1"]


def test_image_is_compared_only_if_asked(build_chain):
    assert shared_taps(build_chain(), build_chain()) == ["conv1", "conv2"]
    assert shared_taps(build_chain(), build_chain(), ("conv1", "x")) == ["x", "conv1"]


def test_mistaken_layers_are_named(build_chain):
    gray, other = build_chain("gray"), build_chain("color", second="conv9", input_channels=3)
    with pytest.raises(UsageError, match="unknown tap of gray 'fc7'; known: conv1, conv2, x"):
        shared_taps(gray, other, ("fc7",))
    with pytest.raises(UsageError, match="unknown tap of color 'conv2'; known: conv1, conv9, x"):
        shared_taps(gray, other, ("conv2",))
    with pytest.raises(UserError, match="x has 1 features at stride 1 in gray, 3 at stride 1 in"):
        shared_taps(gray, other, ("x",))


def test_networks_without_a_common_layer_are_refused(build_chain, monkeypatch):
    gray, other = build_chain("gray"), build_chain("other", second="conv9")
    monkeypatch.setattr(type(gray), "layers", property(lambda network: {network.name: None}))
    with pytest.raises(
        UserError, match=r"gray and other have no layer .* in common: gray and other"
    ):
        shared_taps(gray, other)
