import math

import numpy as np
import pytest
from matplotlib.colors import PowerNorm
from PIL import Image

from tests.analysis.conftest import SPOTS
from tfcolor.analysis.mixture_weights import (
    MixedHead,
    draw_mixtures,
    measure_rms,
    show_mixture_weights,
)
from tfcolor.core.errors import UsageError, UserError

UNITS = ("conv1", "conv2")


def head(network, weights, *, title="a", units=UNITS):
    return MixedHead(title, "rotation", 7, network, units, np.array(weights, np.float32))


@pytest.fixture
def readable(build_chain):
    """Returns what builds a chain of which feature 0 of each layer is the gray value.

    That of conv2 is pooled and times `factor`. Feature 1 of conv1 is 0.3 everywhere;
    all others are 0.
    """

    def build(name, factor):
        network = build_chain(name)
        for number, size in (("conv1", 1.0), ("conv2", factor)):
            layer = network.backbone.convolutions[number]
            kernel, bias = (np.zeros_like(one) for one in layer.get_weights())
            kernel[1, 1, 0, 0] = size
            if number == "conv1":
                bias[:2] = network.backbone.input_mean[0], 0.3
            layer.set_weights([kernel, bias])
        return network

    return build


def test_rms_is_over_every_number_of_every_photograph(readable, spotted, tmp_path):
    network, other = readable("one", 3.0), readable("other", 5.0)
    heads = [head(network, [0.6, 0.8]), head(other, [1, 0], title="b")]
    found, num_images = measure_rms(heads, spotted)
    squares, counts = np.zeros(2), np.zeros(2)
    for name, (height, width, _, _) in SPOTS.items():
        gray = np.asarray(Image.open(tmp_path / name)).mean(axis=-1) / 255
        pooled = gray.reshape(height // 2, 2, width // 2, 2).max((1, 3))
        squares += np.sum(gray**2 + 0.3**2), np.sum(pooled**2)
        counts += 4 * gray.size, 8 * pooled.size
    assert num_images == 3
    assert list(found) == [network, other]
    for rms, factor in zip(found.values(), (3, 5), strict=True):
        np.testing.assert_allclose(rms, np.sqrt(squares / counts) * [1, factor], rtol=1e-5)


def test_row_says_what_is_left_above_the_threshold(build_chain, spotted):
    network = build_chain()
    weights = np.array([-0.9999998, 0.0009])
    weights /= np.linalg.norm(weights)
    findings = show_mixture_weights(
        [head(network, weights), head(network, [0.6, -0.8], title="b")], spotted
    )
    first, second = findings.numbers["rows"]
    assert (first["num_small"], second["num_small"]) == (1, 0)
    assert first["sparse_weights"] == [-1, 0]
    np.testing.assert_allclose(second["sparse_weights"], [0.6, -0.8], rtol=1e-6)
    np.testing.assert_allclose(first["weights"], weights, rtol=1e-6)
    assert first["l1_norm"] == pytest.approx(np.abs(weights).sum(), rel=1e-6)
    assert second["l1_norm"] == pytest.approx(1.4, rel=1e-6)
    for row in (first, second):
        expected = np.abs(row["weights"]) * row["unit_rms"]
        np.testing.assert_allclose(row["scaled_weights"], expected)
        assert min(row["unit_rms"]) > 0
    assert (first["model"], first["task"], first["step"]) == ("chain", "rotation", 7)
    assert findings.numbers["largest_l1_norm"] == math.sqrt(2)
    assert "a is the sparsest, with an L1 norm of 1.001 between 1 and 1.414" in findings.headline
    assert findings.scalars[1] == ("a/weight", 1, pytest.approx(0.0009, rel=1e-4))
    assert findings.scalars[-1] == ("b/scaled_weight", 1, second["scaled_weights"][1])
    assert len(findings.figure.axes) == 4  # two tables with their scales


def test_without_photographs_only_weights_are_drawn(build_chain):
    findings = show_mixture_weights([head(build_chain(), [0.6, 0.8])])
    (row,) = findings.numbers["rows"]
    assert (findings.numbers["num_images"], row["unit_rms"], row["scaled_weights"]) == (
        0,
        None,
        None,
    )
    assert {tag for tag, _, _ in findings.scalars} == {"a/weight"}
    assert len(findings.figure.axes) == 2


def test_small_weights_can_be_told_from_zero():
    values = np.array([[0.0, 0.001, 1.0], [0.027, 0.008, 0.125]])
    figure = draw_mixtures({"one": values, "two": 5 * values}, ["a", "b"], ["x", "y", "z"])
    tables = figure.axes[:2]
    for axes, limit in zip(tables, (1, 5), strict=True):
        (squares,) = axes.collections
        assert isinstance(squares.norm, PowerNorm)
        assert (squares.norm.vmin, squares.norm.vmax) == (0, limit)
        brightness = squares.to_rgba(squares.get_array())[..., 0].reshape(2, 3)
        # A gray of 256, and the cube root of each.
        np.testing.assert_allclose(brightness, [[0, 0.1, 1], [0.3, 0.2, 0.5]], atol=1 / 256)
        assert axes.yaxis_inverted()  # the first row is at the top
        assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in tables[1].get_xticklabels()] == ["x", "y", "z"]


def test_a_panel_without_any_size_is_drawn():
    panels = {"one": np.zeros([1, 2]), "two": np.array([[0.0, np.nan]])}
    figure = draw_mixtures(panels, ["a"], ["x", "y"])
    assert figure.axes[1].collections[0].norm.vmax == 1


def test_rows_that_do_not_belong_together_are_refused(build_chain):
    one, other = build_chain("one"), build_chain("other")
    heads = [head(one, [0.6, 0.8]), head(other, [1.0], title="b", units=("conv2",))]
    with pytest.raises(UsageError, match="same units, got conv1 of one alone; none of other alone"):
        show_mixture_weights(heads)
    with pytest.raises(UsageError, match="rows of one and other are both called 'a'"):
        show_mixture_weights([head(one, [0.6, 0.8]), head(other, [0.6, 0.8])])
    with pytest.raises(UserError, match="no photograph that was looked at can be read"):
        show_mixture_weights([head(one, [0.6, 0.8])], [])
