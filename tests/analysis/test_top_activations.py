import numpy as np
import pytest

from tfcolor.analysis.top_activations import TopActivationsOptions, show_top_activations
from tfcolor.core.errors import UsageError, UserError

# Brightness of the spots in a.png, b.png and c.png; see conftest.py.
LIGHTNESS = {"a.png": 450 / 765, "b.png": 525 / 765, "c.png": 450 / 765}


def numbers(networks, views, **options):
    options = {"tap": "conv1", "patch_size_px": 5, "border_px": 0} | options
    return show_top_activations(networks, views, TopActivationsOptions(**options)).numbers


def test_patches_lie_where_the_feature_is_strongest(build_chain, spotted):
    found = numbers([build_chain()], spotted, features=(0,), num_patches=2)
    (feature,) = found["features"]
    patches = feature["model"]["patches"]
    assert [patch["image"][-5:] for patch in patches] == ["b.png", "a.png"]  # c is as bright as a
    assert [(patch["row"], patch["column"]) for patch in patches] == [(20, 9), (5, 30)]
    assert [patch["value"] for patch in patches] == pytest.approx(
        [LIGHTNESS["b.png"], LIGHTNESS["a.png"]], abs=1e-6
    )
    assert (found["num_images"], found["patch_size_px"], found["selection"]) == (3, 5, "given")


def test_color_of_the_patches_is_that_of_the_photographs(build_chain, spotted):
    (feature,) = numbers([build_chain()], spotted, features=(0,), patch_size_px=1)["features"]
    # Orange (250, 180, 20), (255, 190, 80) and blue (90, 160, 200).
    assert feature["model"]["mean_chroma"] == pytest.approx((230 + 175 + 110) / 3 / 255, abs=1e-6)
    hues = np.exp(2j * np.pi * np.array([160 / 230 / 6, 110 / 175 / 6, (4 - 70 / 110) / 6]))
    colors = np.array([230, 175, 110]) * hues
    variance = 1 - abs(colors.sum()) / abs(colors).sum()
    assert feature["model"]["hue_variance"] == pytest.approx(variance, abs=1e-6)


def test_second_network_shows_the_same_features(build_chain, spotted):
    networks = [build_chain("one", seed=1), build_chain("two", seed=2)]
    findings = show_top_activations(
        networks, spotted, TopActivationsOptions("conv1", (2, 0), patch_size_px=4, border_px=0)
    )
    assert [row["feature"] for row in findings.numbers["features"]] == [2, 0]
    random, spot = findings.numbers["features"]
    assert spot["model"] == spot["other_model"]
    assert random["model"] != random["other_model"]
    assert findings.numbers["other_model"] == "two"
    assert len(findings.figure.axes) == 2
    assert (
        "other_model/color_spread",
        2,
        random["other_model"]["color_spread"],
    ) in findings.scalars


def test_features_are_chosen_by_the_first_network(build_chain, spotted):
    network = build_chain()
    found = numbers([network], spotted, num_features=2, selection="active")
    observe = network.observe(["conv1"])
    cells = [observe(view.rgb)["conv1"].numpy().reshape(-1, 4) for view in spotted]
    activity = np.concatenate(cells).mean(axis=0)
    assert [row["feature"] for row in found["features"]] == np.argsort(-activity)[:2].tolist()
    assert found["features"][0]["activity"] == pytest.approx(activity.max(), rel=1e-5)
    assert found["selection"] == "active"


def test_border_keeps_a_spot_out(build_chain, spotted):
    found = numbers([build_chain()], spotted, features=(0,), border_px=6, num_patches=3)
    places = {
        patch["image"][-5:]: (patch["row"], patch["column"])
        for patch in found["features"][0]["model"]["patches"]
    }
    assert places["b.png"] == (20, 9)
    assert places["a.png"] != (5, 30)  # five pixels from the upper border
    with pytest.raises(UserError, match="--border_px=50: no cell of conv1"):
        numbers([build_chain()], spotted, border_px=50)


def test_cells_of_deeper_layers_are_placed_by_their_tap(build_chain, spotted):
    (row,) = numbers([build_chain()], spotted, tap="conv2", features=(1,))["features"]
    observe, view = build_chain().observe(["conv2"]), spotted.read(0)
    channel = observe(view.rgb)["conv2"][0, ..., 1].numpy()
    cell = np.unravel_index(channel.argmax(), channel.shape)
    (patch,) = [one for one in row["model"]["patches"] if one["image"].endswith("a.png")]
    # A pool of 2 by 2 with stride 2: cell i is centered on pixel 2 i + 0.5.
    assert (patch["row"], patch["column"]) == (2 * cell[0] + 0.5, 2 * cell[1] + 0.5)


def test_last_layer_is_shown_unless_one_is_named(build_chain, spotted):
    assert numbers([build_chain()], spotted, tap="", num_features=1)["tap"] == "conv2"


def test_dead_feature_has_no_patch(build_chain, spotted):
    (row,) = numbers([build_chain()], spotted, features=(3,))["features"]
    assert row["model"]["patches"] == []
    assert np.isnan(row["model"]["hue_variance"])


def test_layer_of_dead_features_is_an_error(build_chain, spotted):
    network = build_chain()
    network.backbone.convolutions["conv1"].set_weights([np.zeros([3, 3, 1, 4]), -np.ones(4)])
    with pytest.raises(UserError, match="no feature of conv1 of chain ever changes"):
        numbers([network], spotted)


def test_mistaken_names_and_numbers_are_explained(build_chain, spotted):
    gray, color = build_chain("gray"), build_chain("color", second="other", input_channels=3)
    with pytest.raises(UsageError, match="unknown tap of gray 'fc7'; known: conv1, conv2, x"):
        numbers([gray], spotted, tap="fc7")
    with pytest.raises(UsageError, match="unknown tap of color 'conv2'"):
        numbers([gray, color], spotted, tap="conv2")
    with pytest.raises(UsageError, match="--features=4: conv1 of gray has features 0 to 3"):
        numbers([gray], spotted, features=(0, 4))
    with pytest.raises(UsageError, match="--tap=x: 1 and 3 features"):
        numbers([gray, color], spotted, tap="x")
